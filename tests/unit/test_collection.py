"""The built-in collection: every installation contains it, every folder can use it, and a project's own recipes come first."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from everywheel.cli.main import main
from everywheel.config import collection
from everywheel.config.collection import find_built_in, load_available_recipes, load_collections, suggest_recipe
from everywheel.config.project import load_project
from everywheel.config.recipe_loader import load_recipes
from everywheel.containers.cibuildwheel import mount_recipes
from everywheel.errors import MachineError, UsageError
from everywheel.planning.plan import make_plan
from everywheel.planning.step_keys import Identities
from example_recipe import RECIPE

ROOT = Path(__file__).parents[2]
BUILT_IN = ROOT / "recipes"
IDENTITIES = Identities(artifacts="a", toolchain="t", packaging="p")
PROJECT = """\
[tool.everywheel]
requires = ["zlib"]
python = ["cp311-abi3"]
targets = ["manylinux2014_x86_64"]

[project]
name = "demo"
version = "1"

[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
"""


def run(*args: str | Path) -> str:
    result = CliRunner().invoke(main, list(map(str, args)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def copy_recipe(name: str, folder: Path, *, version: str = "") -> None:
    """Copy a built-in recipe into a folder of recipes, and change its version."""
    shutil.copytree(BUILT_IN / name, folder / name)
    if version:
        path = folder / name / "recipe.toml"
        path.write_text(
            path.read_text().replace(f'version = "{load_collections()[name].version}"', f'version = "{version}"')
        )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project that requires a built-in recipe and has no folder of recipes."""
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "pyproject.toml").write_text(PROJECT)
    return tmp_path / "project"


def test_the_recipes_of_a_checkout_are_the_built_in_ones() -> None:
    assert find_built_in() == BUILT_IN
    assert list(load_collections()) == sorted(path.parent.name for path in BUILT_IN.glob("*/recipe.toml"))


def test_an_installation_has_the_built_in_recipes_in_the_package(tmp_path: Path) -> None:
    package = tmp_path / "site-packages" / "everywheel"
    (package / "recipes").mkdir(parents=True)
    (tmp_path / "recipes").mkdir()

    assert find_built_in(package) == package / "recipes"


def test_an_installation_without_recipes_is_reported(tmp_path: Path) -> None:
    with pytest.raises(MachineError) as caught:
        find_built_in(tmp_path / "site-packages" / "everywheel")

    assert caught.value.fact == "the built-in recipes are missing in this installation"


def test_the_toolkits_wheel_has_exactly_the_files_of_the_recipes(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="installed in the environments of nox")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        prefix = "everywheel/recipes/"
        packed = {
            name.removeprefix(prefix): archive.read(name) for name in archive.namelist() if name.startswith(prefix)
        }
        names = archive.namelist()

    expected = {
        path.relative_to(BUILT_IN).as_posix(): path.read_bytes() for path in BUILT_IN.rglob("*") if path.is_file()
    }
    assert packed == expected
    assert [name for name in names if name.endswith((".pyc", ".orig", "~")) or "/." in name] == []


def test_a_project_without_recipes_uses_the_built_in_ones(project: Path) -> None:
    plan = make_plan(load_project(project), load_project(project).targets, IDENTITIES)

    assert {recipe.name: recipe.directory for recipe in plan.recipes}["zlib"] == BUILT_IN / "zlib"


def test_a_project_without_settings_has_the_headers_of_built_in_recipes(project: Path) -> None:
    (project / "pyproject.toml").write_text('[project]\nname = "x"\nversion = "1"\nrequires-python = ">=3.13"\n')

    pythons = load_project(project).pythons

    assert pythons
    assert {python.headers for python in pythons} <= set(load_collections())


def test_a_project_recipe_replaces_the_built_in_one_of_the_same_name(project: Path) -> None:
    copy_recipe("zlib", project / "recipes", version="9.9")
    copy_recipe("lcms2", project / "recipes")

    recipes = load_project(project).recipes

    assert (recipes["zlib"].version, recipes["zlib"].directory) == ("9.9", project / "recipes" / "zlib")
    assert recipes["lcms2"].directory == project / "recipes" / "lcms2"
    assert recipes["libpng"].directory == BUILT_IN / "libpng"


def test_a_broken_recipe_that_is_replaced_is_not_read(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "everywheel"
    (package / "recipes" / "zlib").mkdir(parents=True)
    (package / "recipes" / "zlib" / "recipe.toml").write_text("no TOML")
    copy_recipe("zlib", project / "recipes")
    monkeypatch.setattr(collection, "find_built_in", lambda: package / "recipes")

    assert list(load_available_recipes(project)) == ["zlib"]
    with pytest.raises(UsageError, match=r"zlib.recipe\.toml: not valid TOML"):
        load_collections()


def test_the_key_of_a_recipe_does_not_depend_on_its_folder(project: Path) -> None:
    def find_keys() -> dict[str, str]:
        loaded = load_project(project)
        return {id: step.key for id, step in make_plan(loaded, loaded.targets, IDENTITIES).libraries.items()}

    built_in = find_keys()
    for name in ("zlib", "cpython"):
        copy_recipe(name, project / "recipes")

    assert find_keys() == built_in
    copy_recipe("zlib", project / "other", version="9.9")
    (project / "pyproject.toml").write_text(PROJECT.replace("requires =", 'recipes = ["other"]\nrequires =', 1))
    assert find_keys() != built_in


def test_our_own_project_reads_its_recipes_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []

    def load(folders: tuple[Path, ...], **options: object) -> object:
        read.extend(folders)
        return load_recipes(folders)

    monkeypatch.setattr(collection, "load_recipes", load)

    assert set(load_available_recipes(ROOT)) == {path.parent.name for path in BUILT_IN.glob("*/recipe.toml")}
    assert [folder.resolve() for folder in read] == [BUILT_IN]


@pytest.mark.parametrize("name", [".gitkeep", "README.md"])
def test_a_folder_of_recipes_may_be_empty_except_for_what_keeps_it(project: Path, name: str) -> None:
    path = project / "pyproject.toml"
    path.write_text(path.read_text().replace("[tool.everywheel]\n", '[tool.everywheel]\nrecipes = ["vendor"]\n'))
    (project / "vendor").mkdir()
    (project / "vendor" / name).write_text("")

    assert 'recipes = ["vendor"]' in path.read_text()
    assert load_available_recipes(project).keys() == load_collections().keys()


def test_list_search_and_show_work_in_an_empty_folder(tmp_path: Path) -> None:
    rows = json.loads(run("-p", tmp_path, "recipes", "list", "--json"))
    matching = json.loads(run("-p", tmp_path, "recipes", "search", "YAML-0.1", "--json"))
    shown = run("-p", tmp_path, "recipes", "show", "libpng")

    assert [row["name"] for row in rows] == list(load_collections())
    assert {row["collection"] for row in rows} == {"built-in"}
    assert [(row["name"], row["license"]) for row in matching] == [("libyaml", "MIT")]
    assert "collection:     built-in\n" in shown
    assert "libraries:      png16\npkg-config:     libpng16, libpng\n" in shown
    assert run("-p", tmp_path, "recipes", "check") == f"{len(rows)} built-in recipes are valid on 14 targets\n"


def test_the_facts_and_products_of_a_recipe_are_shown(project: Path) -> None:
    folder = project / "recipes" / "libfoo"
    (folder / "patches").mkdir(parents=True)
    (folder / "patches" / "fix.patch").write_text("")
    keys = """exports = ["foo_*"]
provides = ["zip"]
sonames = { foo = "libfoo.so.1" }
[features.fast]
exports = ["fast_*"]
provides = ["fast"]
[[overrides]]
when = { os = "windows", linkage = "shared" }
unsupported = "its source does not mark what it exports"
"""
    (folder / "recipe.toml").write_text(f'alternatives = ["zlib"]{RECIPE}{keys}')

    assert (
        run("-p", project, "recipes", "show", "libfoo")
        == f"""\
name:           libfoo 1.0
license:        MIT
collection:     {project / "recipes"}
source:         foo-1.0.tar.gz, sha256 {"1" * 64}
locations:      https://example.org/foo-1.0.tar.gz
patches:        patches/fix.patch
system:         headers
features:       fast
differs for:    os=windows linkage=shared
unsupported:    os=windows linkage=shared (its source does not mark what it exports)
alternatives:   zlib
libraries:      foo
sonames:        libfoo.so.1
exports:        foo_* fast_*
provides:       zip, fast
files:          patches/fix.patch
"""
    )


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("libfoo/Recipe.toml", "{file} is not read: the file of a recipe has the name recipe.toml"),
        ("libfoo/recipes.toml", "{file} is not read: the file of a recipe has the name recipe.toml"),
        ("libfoo/recipe.toml.txt", "{file} is not read: the file of a recipe has the name recipe.toml"),
        ("recipe.toml", "{file} is not read: a recipe is a file recipe.toml in a folder of its name"),
        ("libfoo/recipe.toml.orig", ""),
        ("libfoo/recipe.yaml", ""),  # that of another program
    ],
)
def test_a_recipe_with_a_wrong_name_is_not_ignored(project: Path, file: str, message: str) -> None:
    path = project / "recipes" / file
    path.parent.mkdir(parents=True)
    path.write_text(RECIPE)

    if not message:
        assert load_available_recipes(project) == load_collections()
        return
    with pytest.raises(UsageError) as caught:
        load_available_recipes(project)
    assert caught.value.fact == message.format(file=path)


def test_folders_for_other_programs_are_not_refused(project: Path) -> None:
    (project / "recipes").mkdir()
    (project / "recipes" / "train.toml").write_text("[model]\n")
    (project / "empty").mkdir()

    assert load_available_recipes(project) == load_collections()
    (project / "pyproject.toml").write_text(
        '[tool.everywheel]\nrecipes = ["empty"]\n'
    )  # `recipes new` writes the first one
    assert load_available_recipes(project) == load_collections()


def test_features_are_planned_where_their_requirements_are_supported(project: Path) -> None:
    folder = project / "recipes" / "libfoo"
    folder.mkdir(parents=True)
    text = RECIPE.replace("headers = {", "options = {").replace('"headers"', '"meson"')
    (folder / "recipe.toml").write_text(f'{text}[features.codes]\nrequires = ["win-iconv"]\n')
    count = len(load_collections()) + 1

    output = run("-p", project, "recipes", "check", "-t", "win_amd64", "-t", "manylinux2014_x86_64")

    assert output.startswith(f"{count} recipes are valid: ")


def test_own_recipes_that_are_not_read_are_named(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_recipe("zlib", project / "recipes", version="9.9")
    copy_recipe("zlib", tmp_path / "folder" / "recipes", version="9.9")
    (project / "src" / "demo").mkdir(parents=True)
    (project / "src" / "recipes" / "libfoo").mkdir(parents=True)
    (project / "src" / "recipes" / "libfoo" / "recipe.toml").write_text(RECIPE)
    warnings = {
        project / "src" / "demo": (
            "warning: the recipes of the project in ../.. are not read: this folder is not its root; run with `-p ../..`\n"
        ),
        project / "src": (
            "warning: recipes/ is not read: this folder has no pyproject.toml; add one with `[tool.everywheel]`, or run with "
            "`-p ..`\n"
        ),
        tmp_path / "folder": (
            "warning: recipes/ is not read: this folder has no pyproject.toml; add one with `[tool.everywheel]`\n"
        ),
        project: "",
        tmp_path: "",
        ROOT / "docs": "",  # the project's recipes are the built-in ones
    }
    monkeypatch.setenv("EVERYWHEEL_STORE", str(tmp_path / "store"))

    for folder, warning in warnings.items():
        monkeypatch.chdir(folder)
        shown = CliRunner().invoke(main, ["recipes", "show", "zlib"], catch_exceptions=False)
        deps = CliRunner().invoke(main, ["deps", "unknown"], catch_exceptions=False)
        version = "9.9" if folder == project else load_collections()["zlib"].version

        assert (shown.exit_code, shown.stderr) == (0, warning)
        assert shown.stdout.startswith(f"name:           zlib {version}\n")
        assert deps.stderr.startswith(f"{warning}error: there is no recipe 'unknown'\n")


def test_list_and_search_name_the_collection_of_each_recipe(project: Path) -> None:
    (project / "recipes" / "libfoo").mkdir(parents=True)
    (project / "recipes" / "libfoo" / "recipe.toml").write_text(RECIPE)

    lines = [line.split() for line in run("-p", project, "recipes", "list").splitlines()]

    assert {line[0]: line[3] for line in lines if line[0] in ("libfoo", "zlib")} == {
        "libfoo": "project",
        "zlib": "built-in",
    }
    assert run("-p", project, "recipes", "search", "foo").split()[5] == "libfoo"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("libpgn", "did you mean 'libpng' (built-in)?"),
        ("libfo", "did you mean 'libfoo'?"),
        ("z", "did you mean 'zlib' (built-in)?"),
        ("zlib1g-dev", "did you mean 'zlib' (built-in)?"),
        ("libssl-dev", "did you mean 'openssl' (built-in)?"),
        ("libcurl4-openssl-dev", "did you mean 'libcurl' (built-in)?"),
        ("libzmq3-dev", "did you mean 'zeromq' (built-in)?"),
        ("libglib2.0-dev", "did you mean 'glib' (built-in)?"),
        ("libxml-2.0", "did you mean 'libxml2' (built-in)?"),
        ("mathematics", "known in this project: libfoo; `everywheel recipes list` lists the built-in ones"),
    ],
)
def test_a_suggestion_names_the_collection(name: str, hint: str, tmp_path: Path) -> None:
    (tmp_path / "libfoo").mkdir()
    (tmp_path / "libfoo" / "recipe.toml").write_text(RECIPE)

    assert suggest_recipe(name, load_collections([tmp_path])) == hint


def test_containers_have_the_built_in_recipes_of_a_checkout(project: Path, tmp_path: Path) -> None:
    loaded = load_project(project)

    assert mount_recipes(loaded, ROOT / "builder" / "everywheel") == {BUILT_IN: "/opt/everywheel/recipes"}
    assert mount_recipes(loaded, ROOT) == {}


def test_a_patch_fixes_every_vulnerability_that_its_name_lists() -> None:
    """Such as `CVE-2025-1632-25724.patch`, where the year is that of both."""
    missing = []
    for recipe in load_recipes([BUILT_IN]).values():
        for patch in recipe.source.patches if recipe.source else ():
            for match in re.finditer(r"CVE-(\d{4})((?:[-_]\d{4,6})+)(?=\.|_CVE)", patch.file):
                names = {f"CVE-{match[1]}-{number}" for number in re.split("[-_]", match[2])[1:]}
                missing += [f"{recipe.name}: {name}" for name in names - set(patch.fixes)]

    assert missing == []


def test_the_notices_of_other_authors_are_in_the_license_files() -> None:
    """COPYING of these libraries has none of them, and the licenses require them with a compiled library."""
    recipes = load_recipes([BUILT_IN])

    assert {"src/bcrypt_pbkdf.c", "src/blowfish.c"} <= set(recipes["libssh2"].license.files)
    assert "libarchive/archive_read_support_filter_compress.c" in recipes["libarchive"].license.files
