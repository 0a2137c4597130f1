"""A release and a patch release of the fixture project, with the session's script: built, checked, smoke-tested and tagged."""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from everywheel.wheels.wheel import read_wheel
from fixture_project import FixtureProject
from root_filesystems import REPOSITORY, call

TARGET = "musllinux_1_2_x86_64"
TOWNCRIER = """
[tool.towncrier]
directory = "changes/fixture"
filename = "CHANGELOG.md"
title_format = "## {version} ({project_date})"
start_string = "<!-- released -->\\n"
type = [
    { directory = "added", name = "Added", showcontent = true },
    { directory = "security", name = "Security", showcontent = true },
]
"""
# The warnings that the project ignores are about the places of libraries and licenses.
HEAD = """
[project]
name = "fixture"
version = "1.0"

[tool.check-wheel-contents]
ignore = ["W002", "W009", "W010"]

"""
# So that the new entry of the SBOM is not more than 5 % of the wheel, which needs a fragment.
INCOMPRESSIBLE = "\n".join(hashlib.sha512(bytes([number])).hexdigest() for number in range(200))
FIX = """
[[source.patches]]
name = "overflow.patch"
urls = ["http://127.0.0.1:9/overflow.patch"]
sha256 = "{sha256}"
fixes = ["CVE-2026-1234"]
"""


def git(root: Path, *args: str) -> str:
    return call(["git", *args], cwd=root)


@pytest.fixture(scope="module")
def environment() -> Mapping[str, str]:
    """The environment of the script: an identity for git, and the commands of this Python first on PATH."""
    people = {
        f"GIT_{role}_{key}": f"tester@{key}".lower() for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")
    }
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, **people, "PATH": path, "GIT_CONFIG_GLOBAL": os.devnull}


@pytest.fixture(scope="module")
def project(
    tmp_path_factory: pytest.TempPathFactory, python_headers: Path, environment: Mapping[str, str]
) -> FixtureProject:
    """The fixture project in a repository with a changelog and the session's script; a further library is independent."""
    if shutil.which("docker") is None or shutil.which("wine") is None:
        pytest.skip("requires Docker and Wine: the script checks for both")
    project = FixtureProject(tmp_path_factory.mktemp("release"), python_headers)
    root = project.root
    project.add_headers_recipe("unrelated")
    project.replace("pyproject.toml", 'requires = ["libfoo"]', 'requires = ["libfoo", "unrelated"]')
    project.replace("pyproject.toml", '["manylinux2014_x86_64", "musllinux_1_2_aarch64"]', f'["{TARGET}"]')
    project.replace(
        "extension/pyproject.toml",
        'version = "1.0"',
        'version = "1.0"\ndescription = "an answer"\nreadme = "README.md"',
    )
    settings = (root / "pyproject.toml").read_text()
    (root / "pyproject.toml").write_text(f"{HEAD}{settings}")
    for file, text in {
        "extension/README.md": f"# fixture\n\n{INCOMPRESSIBLE}\n",
        "CHANGELOG.md": "# Changes\n\n<!-- released -->\n",
        "changes/webpencode.toml": TOWNCRIER,
        "changes/fixture/+answer.added.md": "An answer.\n",
        ".gitignore": "/wheelhouse/\n/dist/\n/vex/\n/SHA256SUMS\nbuild/\n",
    }.items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(text)
    (root / ".ci").mkdir()
    script = (REPOSITORY / ".ci" / "release.py").read_text()
    configs = 'CONFIGS = ("pyproject.toml", "changes/webpencode.toml")'
    assert configs in script  # the fixture has one changelog
    (root / ".ci" / "release.py").write_text(script.replace(configs, 'CONFIGS = ("changes/webpencode.toml",)'))
    git(root, "init", "-q", "--bare", str(project.folder / "origin"))
    for line in ("init -q -b main", "add -A", "commit -qm first", f"remote add origin {project.folder / 'origin'}"):
        call(["git", *line.split()], cwd=root, env=environment)
    git(root, "push", "-qu", "origin", "main")
    return project


def release(project: FixtureProject, environment: Mapping[str, str], *args: str) -> str:
    variables = {"EVERYWHEEL_STORE": str(project.store), "EVERYWHEEL_MIRRORS": str(project.mirror)}
    output = call([sys.executable, ".ci/release.py", *args], cwd=project.root, env={**environment, **variables})
    git(project.root, "push", "-q", "--atomic", "origin", "HEAD", "--tags")
    return output


def commit_fix(project: FixtureProject, environment: Mapping[str, str]) -> None:
    """Pin a patch of libfoo that fixes a vulnerability, as `everywheel recipes update` does, and commit it."""
    name = "foo.c"
    before = (project.folder / "pack" / "libfoo" / "libfoo-1.0" / name).read_text().splitlines(keepends=True)
    after = [*before, "/* no overflow */\n"]
    patch = "".join(difflib.unified_diff(before, after, f"a/{name}", f"b/{name}")).encode()
    digest = hashlib.sha256(patch).hexdigest()
    (project.mirror / digest).write_bytes(patch)
    recipe = project.root / "recipes" / "libfoo" / "recipe.toml"
    source, build = recipe.read_text().split("[build]", 1)
    recipe.write_text(f"{source.rstrip()}\n{FIX.format(sha256=digest)}\n[build]{build}")
    call(["git", "commit", "-qam", "update"], cwd=project.root, env=environment)
    git(project.root, "push", "-q")


def test_a_patch_release_builds_only_what_depends_on_the_new_pins(
    project: FixtureProject, environment: Mapping[str, str]
) -> None:
    first = release(project, environment, "1.0")
    commit_fix(project, environment)
    second = release(project, environment, "--patch")

    for step in ("libbar 2.0", "libfoo 1.0", "unrelated 1.0", "fixture 1.0"):
        assert f"{step} for " in first
    assert "- libfoo 1.0 with other patches. It fixes CVE-2026-1234.\n" in second
    assert f"libfoo 1.0 for {TARGET}: done" in second
    assert f"fixture 1.0.post1 for {TARGET}: done" in second
    assert "libbar 2.0 for" not in second
    assert "unrelated 1.0 for" not in second
    root = project.root
    assert git(root, "describe", "--exact-match") == "v1.0.post1\n"
    assert git(root, "status", "--porcelain") == ""
    changelog = (root / "CHANGELOG.md").read_text()
    assert "## 1.0.post1 (" in changelog
    assert "- libfoo 1.0 with other patches. It fixes CVE-2026-1234." in changelog
    assert "fixture-1.0.post1" in (root / "releases" / "1.0.post1" / "SHA256SUMS").read_text()
    (wheel,) = (root / "dist").glob("*.whl")
    check_documents(wheel, root / "vex" / "fixture.openvex.json")


def check_documents(wheel: Path, vex: Path) -> None:
    """Check that the SBOM in the wheel and the VEX document next to it have the new patch."""
    files = read_wheel(wheel).files
    (path,) = [name for name in files if name.endswith(".cdx.json")]
    sbom = json.loads(files[path].data)
    (library,) = [each for each in sbom["components"] if each["name"] == "libfoo"]
    (patch,) = library["pedigree"]["patches"]
    assert [issue["id"] for issue in patch["resolves"]] == ["CVE-2026-1234"]
    (statement,) = json.loads(vex.read_text())["statements"]
    assert (statement["vulnerability"]["name"], statement["status"]) == ("CVE-2026-1234", "fixed")
