"""`recipes outdated` and `recipes update` with the real apt on package archives that the tests write."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from build_recipes import count_vulnerabilities
from click.testing import CliRunner, Result
from everywheel.cli.main import main
from everywheel.config.collection import load_collections
from everywheel.config.recipe_loader import load_recipe
from everywheel.errors import UsageError
from everywheel.platforms.target import build_machine_target
from everywheel.sources.distro.apt_archives import Archive
from everywheel.sources.distro.packaging import find_fixes, read_packaging
from everywheel.sources.locations import SourceLocations
from everywheel.sources.recipe_file import FileChange, replace_files
from everywheel.sources.recipe_text import respell
from everywheel.sources.request import Unavailable
from everywheel.store.local import Store
from test_sources_debian import Repository, needs_apt, pack, sha

OLD, NEW = b"libfoo 1.0", b"libfoo 1.2"
FIX = b"Subject: fix\nBug: https://example.org/CVE-2026-0002\n---\n--- a/foo.c\n+++ b/foo.c\n"
RECIPE = """\
name = "libfoo"
version = "1.0"  # the first one
license = {{ spdx = "MIT", files = ["COPYING"] }}

[source]
# Upstream's tags have underscores.
urls = ["https://example.org/R_1_0/foo-{{version}}.tar.gz", "https://example.org/1.0/foo.tar.gz"]
debian = {{ package = "foo", file = "foo_{{version}}.orig.tar.gz" }}
sha1 = "{sha1}"
sha256 = "{sha256}"
size = {size}

{packaging}# How it is built.
[build]
system = "meson"

[products]
libraries = ["foo"]
"""
PACKAGING = """\
[[source.patch-archives]]
debian = {{ package = "foo", file = "foo_{{version}}-1+deb13u1.debian.tar.xz" }}
sha256 = "{sha256}"
size = {size}
patches = [
    # Readers crashed without it.
    {{ file = "debian/patches/CVE-2026-0001.patch", sha256 = "{patch}", size = 4, fixes = ["CVE-2026-0001"] }},
    {{ file = "debian/patches/second.patch", sha256 = "{second}", size = 7, fixes = ["foo#12"] }}, # upstream's
]
omit = [
    {{ file = "debian/patches/doc.patch", reason = "documentation only" }},
]

"""
PATCHES = {"CVE-2026-0001.patch": b"one\n", "second.patch": b"second\n", "doc.patch": b"doc\n"}


def pack_patches(patches: Mapping[str, bytes], changelog: str = "", series: str | None = None) -> bytes:
    listed = "".join(f"{name}\n" for name in patches) if series is None else series
    files = {f"debian/patches/{name}": content for name, content in patches.items()}
    return pack({"debian/changelog": changelog.encode(), **files, "debian/patches/series": listed.encode()})


class Project:
    """A project with one recipe, which pins the first revision in a package archive."""

    def __init__(self, folder: Path, *, has_packaging: bool = True) -> None:
        self.folder = folder / "project"
        self.suites = folder / "suites"
        old = pack_patches(PATCHES)
        self.add("1.0-1+deb13u1", old)
        packaging = PACKAGING.format(sha256=sha(old), size=len(old), patch=sha(b"one\n"), second=sha(b"second\n"))
        text = RECIPE.format(
            sha1=hashlib.sha1(OLD).hexdigest(),
            sha256=sha(OLD),
            size=len(OLD),
            packaging=packaging if has_packaging else "",
        )
        self.recipe = self.folder / "recipes" / "libfoo" / "recipe.toml"
        self.recipe.parent.mkdir(parents=True)
        self.recipe.write_text(text)
        (self.folder / "pyproject.toml").write_text("[project]\nname = 'demo'\nversion = '1'\n[tool.everywheel]\n")

    def add(self, version: str, packaging: bytes, archive: bytes = OLD, suite: str = "trixie") -> Path:
        """Add a revision to a suite; return the folder with its files."""
        if suite not in (repository := self.__dict__.setdefault("repositories", {})):
            repository[suite] = Repository(self.suites / suite, suite)
        upstream = version.partition("-")[0]
        files = {f"foo_{upstream}.orig.tar.gz": archive, f"foo_{version}.debian.tar.xz": packaging}
        repository[suite].add("foo", version, files)
        return self.suites / suite / "pool"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A function that runs a command in the project, with the test's archives instead of the machine's."""

    def run(*args: str) -> Result:
        suites = sorted((tmp_path / "suites").iterdir(), reverse=True)  # trixie before sid
        archives = tuple(Archive(uri=f"file:{suite}", suites=(suite.name,)) for suite in suites)
        locations = SourceLocations(archives=archives, snapshot="")
        monkeypatch.setattr("everywheel.cli.recipe_updates.find_locations", lambda *settings: locations)
        monkeypatch.setenv("EVERYWHEEL_STORE", str(tmp_path / "store"))
        monkeypatch.chdir(tmp_path / "project")
        return CliRunner().invoke(main, ["recipes", *args])

    return run


@needs_apt
def test_a_recipe_with_the_newest_revision_is_up_to_date(project: Project, run: Run) -> None:
    before = project.recipe.read_bytes()

    outdated = run("outdated", "libfoo")
    update = run("update", "--no-build", "libfoo")

    assert (outdated.exit_code, outdated.output) == (0, "1 recipe compared, 0 not up to date\n")
    assert (update.exit_code, update.output) == (0, "1 recipe compared, 0 updated\n")
    assert project.recipe.read_bytes() == before


@needs_apt
def test_a_security_update_adds_and_changes_patches_and_keeps_everything_else(project: Project, run: Run) -> None:
    before = project.recipe.read_text()
    changelog = "foo (1.0-1+deb13u2) trixie-security; urgency=high\n\n  * CVE-2026-0002\n\nfoo (1.0-1+deb13u1) x; y\n"
    patches = {"fix.patch": FIX, **PATCHES, "second.patch": b"another\n"}
    packaging = pack_patches(patches, changelog)
    project.add("1.0-1+deb13u2", packaging)

    outdated = run("outdated", "libfoo")
    dry = run("update", "--dry-run", "libfoo")

    assert project.recipe.read_text() == before
    fragment = (
        "libfoo 1.0 with the patches of Debian's revision 1.0-1+deb13u2 (1 patch new, 1 patch changed). "
        "It fixes CVE-2026-0002."
    )
    assert (outdated.exit_code, outdated.output) == (
        5,
        f"libfoo 1.0\n  newer revision: 1.0-1+deb13u2 (trixie): {fragment}\n1 recipe compared, 1 not up to date\n",
    )
    assert dry.exit_code == 0
    assert f"- {fragment}\n1 recipe compared, 1 differs\n" in dry.output

    result = run("update", "--no-build", "--changes", "changes", "libfoo")

    assert (result.exit_code, result.output) == (0, f"- {fragment}\n1 recipe compared, 1 updated\n")
    assert (project.folder / "changes" / "+libfoo-1.0.security.md").read_text() == f"{fragment}\n"
    expected = (
        before.replace("deb13u1", "deb13u2")
        .replace(
            f'sha256 = "{sha(pack_patches(PATCHES))}"\nsize = {len(pack_patches(PATCHES))}',
            f'sha256 = "{sha(packaging)}"\nsize = {len(packaging)}',
        )
        .replace(
            "    # Readers crashed",
            f'    {{ file = "debian/patches/fix.patch", sha256 = "{sha(FIX)}", size = {len(FIX)}, '
            'fixes = ["CVE-2026-0002"] },\n    # Readers crashed',
        )
        .replace(f'{sha(b"second" + bytes([10]))}", size = 7', f'{sha(b"another" + bytes([10]))}", size = 8')
    )
    sha1 = f'sha1 = "{hashlib.sha1(packaging).hexdigest()}"\n'
    assert project.recipe.read_text().replace(sha1, "") == expected
    assert load_recipe(project.recipe).source.patches[0].fixes == ("CVE-2026-0002",)
    assert run("outdated", "libfoo").exit_code == 0


@needs_apt
def test_a_security_update_to_a_new_upstream_version_is_followed(project: Project, run: Run) -> None:
    project.add("1.2-1~deb13u1", pack_patches({"doc.patch": b"doc\n"}), NEW)
    project.add("1.2-1", pack_patches({}), NEW, suite="sid")

    result = run("update", "--no-build", "libfoo")

    assert result.output == "- libfoo 1.2 instead of 1.0 (2 patches no longer needed).\n1 recipe compared, 1 updated\n"
    recipe = load_recipe(project.recipe)
    assert (recipe.version, recipe.source.sha256, recipe.source.size) == ("1.2", sha(NEW), len(NEW))
    assert recipe.source.sha1 == hashlib.sha1(NEW).hexdigest()
    assert recipe.source.urls == ("https://example.org/R_1_2/foo-1.2.tar.gz", "https://example.org/1.2/foo.tar.gz")
    assert recipe.source.patches == ()
    text = project.recipe.read_text()
    assert 'version = "1.2"  # the first one\n' in text
    assert "# Upstream's tags have underscores.\n" in text
    assert "\n\n# How it is built.\n[build]\n" in text


@needs_apt
def test_a_new_version_of_unstable_is_listed_and_pinned_on_request(project: Project, run: Run) -> None:
    pool = project.add("1.2-1", pack_patches({}), NEW, suite="sid")

    outdated = run("outdated", "libfoo")

    assert (outdated.exit_code, outdated.output) == (
        5,
        "libfoo 1.0\n  newer version: 1.2 (sid)\n1 recipe compared, 1 not up to date\n",
    )
    assert run("outdated", "--security", "libfoo").exit_code == 0
    assert run("update", "--no-build", "libfoo").output == "1 recipe compared, 0 updated\n"
    unknown = run("update", "--no-build", "--version", "1.3", "libfoo")
    assert unknown.exit_code == 2
    assert isinstance(unknown.exception, SystemExit)
    assert "no release of the distribution has version 1.3" in unknown.output
    assert "available versions: 1.0, 1.2" in unknown.output

    (pool / "foo_1.2-1.debian.tar.xz").unlink()
    unreadable = run("update", "--no-build", "--version", "1.2", "libfoo")
    assert unreadable.exit_code == 4
    assert load_recipe(project.recipe).version == "1.0"

    assert run("update", "--no-build", "--version", "1.2", "--without-patches", "libfoo").exit_code == 0
    assert load_recipe(project.recipe).version == "1.2"
    # A recipe of unstable gets the revisions of its version, and no other version.
    project.add("1.2-2", pack_patches({"CVE-2026-0003.patch": b"x\n", "other.patch": b"y\n"}), NEW, suite="sid")
    project.add("1.4-1", pack_patches({}), b"1.4", suite="sid")
    run("update", "--no-build", "libfoo")
    recipe = load_recipe(project.recipe)
    assert (recipe.version, [patch.name for patch in recipe.source.patches]) == ("1.2", ["CVE-2026-0003.patch"])
    assert 'omit = [\n    { file = "debian/patches/other.patch", reason = "names no vulnerability" },\n]' in (
        project.recipe.read_text()
    )


@needs_apt
def test_a_revision_that_cannot_be_read_is_reported(project: Project, run: Run) -> None:
    before = project.recipe.read_bytes()
    pool = project.add("1.0-1+deb13u2", pack_patches({}))
    (pool / "foo_1.0-1+deb13u2.debian.tar.xz").write_bytes(b"another file")

    outdated = run("outdated", "libfoo")
    update = run("update", "--no-build", "libfoo")

    assert outdated.exit_code == 5
    assert "\n  unreadable revision: 1.0-1+deb13u2 (trixie): hash mismatch: sha256 " in outdated.output
    assert update.exit_code == 4
    assert "libfoo: 1.0-1+deb13u2 cannot be read: hash mismatch" in update.output
    assert project.recipe.read_bytes() == before


@needs_apt
@pytest.mark.parametrize(
    ("requirement", "override", "lines"),
    [
        ("win-iconv", "", "error: win-iconv {win_iconv} cannot be built for {machine}\n"),
        (
            "libpq",
            '[[overrides]]\nwhen = { os = "[ld]*" }\nunsupported = "it is for Windows"\n',
            "libfoo: not built for {machine}: it is for Windows\n"
            "libfoo: built for win_amd64 instead; `-t` names another target\n"
            "error: libpq {libpq} cannot be built for win_amd64\n",
        ),
    ],
)
def test_an_update_that_cannot_be_built_does_not_end_the_run(
    project: Project, run: Run, requirement: str, override: str, lines: str
) -> None:
    text = project.recipe.read_text().replace("[source]", f'requires = ["{requirement}"]\n\n[source]', 1)
    project.recipe.write_text(f"{text}\n{override}")
    project.add("1.2-1~deb13u1", pack_patches({}), NEW)

    result = run("update")  # without names: the recipes of the project, not those of the toolkit

    assert (result.exit_code, result.stdout.endswith("1 recipe compared, 0 updated\n")) == (2, True)
    versions = {name.replace("-", "_"): recipe.version for name, recipe in load_collections().items()}
    assert lines.format(machine=build_machine_target().tag, **versions) in result.stderr
    assert "libfoo: not updated, since 1.2 was not built; the recipe is as it was\n" in result.stderr


@needs_apt
def test_every_location_of_a_new_archive_that_is_not_available_is_named(project: Project, run: Run) -> None:
    before = project.recipe.read_bytes()
    pool = project.add("2.0-1", pack_patches({}), archive=pack({"foo-2.0/new.c": b"new\n"}), suite="sid")
    (pool / "foo_2.0.orig.tar.gz").unlink()

    update = run("update", "--no-build", "libfoo", "--version", "2.0")

    assert update.exit_code == 4
    assert (
        "error: libfoo 2.0: foo_2.0.orig.tar.gz is not available from any location\n  pinned: sha256 " in update.output
    )
    assert "\n  package client: File not found - /" in update.output
    assert "\nlibfoo: not updated, since 2.0 is not available; the recipe is as it was\n" in update.output
    assert project.recipe.read_bytes() == before


@needs_apt
def test_open_vulnerabilities_are_those_that_no_pin_fixes(project: Project, run: Run, tmp_path: Path) -> None:
    def entry(status: str, fixed: str = "", urgency: str = "not yet assigned") -> dict[str, object]:
        release = {"status": status, "urgency": urgency, **({"fixed_version": fixed} if fixed else {})}
        return {"description": "A bug.", "releases": {"trixie": release, "sid": {"status": "open"}}}

    tracker = tmp_path / "tracker.json"
    vulnerabilities = {
        "CVE-2026-0001": entry("open"),  # a pinned patch fixes it
        "CVE-2026-0002": entry("resolved", "1.0-1"),
        "CVE-2026-0003": entry("open", urgency="unimportant"),
    }
    tracker.write_text(json.dumps({"foo": vulnerabilities}))

    unimportant = run("outdated", "--tracker", str(tracker), "libfoo")
    vulnerabilities["CVE-2026-10000"] = entry("resolved", "1.0-1+deb13u2", "high")
    tracker.write_text(json.dumps({"foo": vulnerabilities}))
    open_one = run("outdated", "--tracker", tracker.as_uri(), "--json", "libfoo")

    assert (unimportant.exit_code, unimportant.output) == (
        0,
        "libfoo 1.0\n  open vulnerability: CVE-2026-0003 (unimportant): A bug.\n1 recipe compared, 0 not up to date\n",
    )
    assert open_one.exit_code == 5
    rows = json.loads(open_one.stdout)
    assert [(row["subject"], row["urgency"], row["security"]) for row in rows] == [
        ("CVE-2026-0003", "unimportant", True),
        ("CVE-2026-10000", "high", True),
    ]
    archives = (Archive(uri=f"file:{tmp_path}/suites/trixie", suites=("trixie",)),)
    counts = count_vulnerabilities([load_recipe(project.recipe)], Store(tmp_path / "store"), str(tracker), archives)
    assert counts == {"libfoo": 1}


def read(patches: Mapping[str, bytes], folder: Path, series: str) -> list[str]:
    archive = folder / "packaging"
    archive.write_bytes(pack_patches(patches, series=series))
    return [patch.file for patch in read_packaging(archive).patches]


def test_the_list_of_patches_is_read_as_quilt_does(tmp_path: Path) -> None:
    series = "# first\n\nb.patch -p1\n  sub/a.diff  # why\n"

    files = read({"sub/a.diff": b"a", "b.patch": b"b", "unused.patch": b"c"}, tmp_path, series)

    assert files == ["debian/patches/b.patch", "debian/patches/sub/a.diff"]


@pytest.mark.parametrize(
    ("series", "reason"),
    [
        ("b.patch\n", "debian/patches/series lists b.patch, which the archive does not contain"),
        ("a.patch -p0\n", "debian/patches/series applies a.patch with '-p0', but recipes with -p1"),
        ("../../a.patch\n", "debian/patches/series has an unusable line: ../../a.patch"),
        ("/etc/passwd\n", "debian/patches/series lists /etc/passwd, which the archive does not contain"),
        ("a.patch\na.patch\n", "debian/patches/series has an unusable line: a.patch"),
    ],
)
def test_a_list_that_cannot_be_pinned_is_refused(series: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as caught:
        read({"a.patch": b"a"}, tmp_path, series)

    assert str(caught.value) == reason


def test_packaging_that_is_not_an_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "packaging").write_bytes(b"<html>")

    with pytest.raises(Unavailable, match="cannot be read"):
        read_packaging(tmp_path / "packaging")


@pytest.mark.parametrize(
    ("file", "header", "fixes"),
    [
        ("CVE-2026-0988.patch", "Subject: CVE-2026-1\n", ("CVE-2026-0988",)),
        ("CVE-2025-49794_49796.patch", "", ("CVE-2025-49794", "CVE-2025-49796")),
        ("CVE-2025-49794-49796-49797.patch", "", ("CVE-2025-49794", "CVE-2025-49796", "CVE-2025-49797")),
        ("CVE-2025-49794-CVE-2025-49796.patch", "", ("CVE-2025-49794", "CVE-2025-49796")),
        ("CVE-2026-1484-2.patch", "", ("CVE-2026-1484",)),
        ("CVE-2026-1484-20260213.patch", "", ("CVE-2026-1484",)),
        ("CVE-2026-1484-1234abcd.patch", "", ("CVE-2026-1484",)),
        ("CVE-2026-3283_CVE-2026-3284.patch", "", ("CVE-2026-3283", "CVE-2026-3284")),
        ("CVE-2023-39615_1.patch", "", ("CVE-2023-39615",)),
        ("cve-2026-7598.patch", "", ("CVE-2026-7598",)),
        (
            "fix.patch",
            "Subject: a bug\nBug-CVE: CVE-2026-12345,\n CVE-2026-2345\n",
            ("CVE-2026-2345", "CVE-2026-12345"),
        ),
        ("fix.patch", "Not a field: it follows CVE-2026-0001\n", ()),
        ("fix.patch", "--- a/x\n+++ b/x\nSubject: CVE-2026-0001\n", ()),
    ],
)
def test_the_vulnerabilities_that_a_patch_fixes_are_in_its_name_or_header(
    file: str, header: str, fixes: tuple[str, ...]
) -> None:
    assert find_fixes(f"debian/patches/{file}", header.encode()) == fixes


@pytest.mark.parametrize(
    ("url", "old", "new", "expected"),
    [
        ("https://x/R_2_8_3.tar.gz", "2.8.3", "2.9.0", "https://x/R_2_9_0.tar.gz"),
        ("https://x/glib/2.84/glib-{version}.tar.xz", "2.84.4", "2.88.0", "https://x/glib/2.88/glib-{version}.tar.xz"),
        ("https://x/libexif-0_6_25-release.tar.gz", "0.6.25", "0.6.26", "https://x/libexif-0_6_26-release.tar.gz"),
        ("https://x/v{version}/21.0.tar.gz", "1.0", "2.0", "https://x/v{version}/21.0.tar.gz"),
        ("https://x/10.46/a", "10.46", "10.48", "https://x/10.48/a"),
    ],
)
def test_urls_get_the_version_in_their_own_spelling(url: str, old: str, new: str, expected: str) -> None:
    assert respell(url, old, new) == expected


def test_a_file_that_an_editor_changed_meanwhile_is_not_replaced(project: Project) -> None:
    recipe = load_recipe(project.recipe)
    overlay = project.recipe.parent / "overlay" / "meson.build"
    overlay.parent.mkdir()
    overlay.write_text("old")
    project.recipe.write_text("edited")
    changes = [FileChange(name=name, old="old", new="new") for name in ("overlay/meson.build", "recipe.toml")]

    with pytest.raises(UsageError, match="was changed during the update"):
        replace_files(recipe, changes)

    assert (project.recipe.read_text(), overlay.read_text()) == ("edited", "old")
    assert sorted(path.name for path in project.recipe.parent.rglob("*")) == ["meson.build", "overlay", "recipe.toml"]


@needs_apt
def test_the_version_in_the_overlay_is_changed_as_well(project: Project, run: Run) -> None:
    overlay = project.recipe.parent / "overlay" / "meson.build"
    overlay.parent.mkdir()
    text = "# 1.0\nproject('foo', 'c', version: '1.0', license: 'MIT',\n  meson_version: '>=1.0')\nsoversion = '1.0'\n"
    overlay.write_text(text)
    project.add("1.2-1~deb13u1", pack_patches({}), NEW)

    dry = run("update", "--dry-run", "libfoo")
    assert overlay.read_text() == text
    assert "+project('foo', 'c', version: '1.2', license: 'MIT',\n" in dry.output

    assert run("update", "--no-build", "libfoo").exit_code == 0
    assert overlay.read_text() == text.replace("version: '1.0', license", "version: '1.2', license")
