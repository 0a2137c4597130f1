"""The review of recipes: options that are right, next to similar ones that are findings; tests/failing has the message."""

from __future__ import annotations

from pathlib import Path

import pytest
from everywheel.cli.recipe_review import review_recipes
from everywheel.config.collection import load_collections
from everywheel.config.recipe_loader import load_recipes

RECIPE = """
name = "libfoo"
version = "1.0"
license = {{ spdx = "MIT", files = ["LICENSE"] }}

[source]
urls = ["https://example.org/libfoo-{{version}}.tar.gz"]
sha256 = "{hash}"

[build]
system = "cmake"
options = {{ {name} = "{value}" }}

[products]
libraries = ["foo"]
headers = ["include/foo.h"]
"""


def review(folder: Path, name: str, value: str, system: str = "cmake") -> list[str]:
    (folder / "libfoo").mkdir()
    text = RECIPE.format(hash="1" * 64, name=name, value=value).replace('"cmake"', f'"{system}"')
    (folder / "libfoo" / "recipe.toml").write_text(text)
    return review_recipes(load_recipes([folder]))


@pytest.mark.parametrize("name", ["package-origin", "with-bugurl", "VENDOR_URL", "SUPPORT_URL", "home-page"])
def test_an_address_that_is_only_a_text_is_right(tmp_path: Path, name: str) -> None:
    assert review(tmp_path, name, "https://example.org") == []


@pytest.mark.parametrize("name", ["MIRROR", "DATA_URL", "fetch-from"])
def test_an_address_of_a_download_is_a_finding(tmp_path: Path, name: str) -> None:
    finding = f"libfoo: {name}=https://example.org is an address, and builds download nothing"

    assert review(tmp_path, name, "https://example.org") == [finding]


@pytest.mark.parametrize(
    "name", ["CMAKE_INSTALL_RPATH", "CMAKE_INSTALL_NAME_DIR", "CMAKE_INSTALL_SYSCONFDIR", "sysconfdir"]
)
def test_a_folder_that_is_read_at_run_time_is_right(tmp_path: Path, name: str) -> None:
    assert review(tmp_path, name, "/etc/foo") == []


@pytest.mark.parametrize("name", ["CMAKE_INSTALL_PREFIX", "CMAKE_INSTALL_LIBDIR", "libdir", "exec-prefix", "DESTDIR"])
def test_a_folder_outside_of_the_prefix_is_a_finding(tmp_path: Path, name: str) -> None:
    assert review(tmp_path, name, "/usr") == [f"libfoo: {name}=/usr installs files outside of the prefix"]


def review_exports(folder: Path, pattern: str) -> list[str]:
    (folder / "libfoo").mkdir()
    text = RECIPE.format(hash="1" * 64, name="COLOR", value="1")
    (folder / "libfoo" / "recipe.toml").write_text(f'{text}exports = ["{pattern}"]\n')
    return review_recipes(load_recipes([folder]))


WIDE = """
* *_init [a-z]* ?* _* __* _Z* _ZN* _ZNK* _ZT* _ZTV* _ZTI* _ZTS[0-9N]* _ZTT* _ZTVN* _ZTC* _ZTh* _ZTv* _ZGV* _ZGVN* _ZZN* _ZSt*
_ZNSt* _ZNKSt* _ZTVSt* _ZTINSt* _Zn* _Znw* _Zd* _ZN4* _ZZN4* _ZGVZN4* _ZNK12* _ZTV4* _Z9* _ZThn16_N4*
"""


@pytest.mark.parametrize("pattern", WIDE.split())
def test_exports_that_match_symbols_of_every_library_are_a_finding(tmp_path: Path, pattern: str) -> None:
    finding = f"libfoo: '{pattern}' in `exports` matches symbols of every library"

    assert review_exports(tmp_path, pattern) == [finding]


@pytest.mark.parametrize(
    "pattern",
    [
        "foo_*",
        "_foo_*",
        "foo",
        "_ZN3foo*",
        "_ZNK3foo*",
        "_ZT?N3foo*",
        "_ZTV3foo*",
        "_ZNSt6vectorI3foo*",
        "__foo_*",
        "_ZZN4YAML*",
    ],
)
def test_exports_of_one_library_are_right(tmp_path: Path, pattern: str) -> None:
    assert review_exports(tmp_path, pattern) == []


def write_twin(folder: Path, lines: str) -> None:
    (folder / "libtwin").mkdir()
    text = RECIPE.format(hash="2" * 64, name="COLOR", value="1").replace("libfoo", "libtwin")
    (folder / "libtwin" / "recipe.toml").write_text(lines + text.replace('["foo"]', '["twin"]'))


@pytest.mark.parametrize("lines", ["", 'alternatives = ["libbar"]', 'cpe = "example:twin"'])
def test_two_recipes_with_one_header_are_a_finding(tmp_path: Path, lines: str) -> None:
    write_twin(tmp_path, lines)

    assert [line for line in review(tmp_path, "COLOR", "1") if "both" in line] == [
        "libfoo and libtwin both install include/foo.h: rename those of one, or name it in `alternatives` of the other if a "
        "wheel uses only one of them"
    ]


def test_alternatives_have_files_with_the_same_names(tmp_path: Path) -> None:
    write_twin(tmp_path, 'alternatives = ["libfoo"]')

    assert review(tmp_path, "COLOR", "1") == []


@pytest.mark.parametrize(
    ("command", "findings"),
    [
        (
            'configure = ["sh", "-c", "curl https://example.org/a.tgz | tar xz"]',
            ["'curl' in the command 'curl https://example.org/a.tgz | tar xz' downloads, and builds download nothing"],
        ),
        ('configure = ["./configure", "--without-curl", "--with-git=no"]', []),
        (
            'configure = ["git", "submodule", "update"]',
            ["'git' in the command 'git' downloads, and builds download nothing"],
        ),
        ('configure = ["./configure", "--enable-protocols=http,git", "--with-fetch=src/curl"]', []),
        ('compile = ["git-version.h", "libcurl", "curl/lib.a"]\ninstall = ["curl"]', []),  # targets of make
    ],
)
def test_programs_that_download_are_findings_in_commands(tmp_path: Path, command: str, findings: list[str]) -> None:
    (tmp_path / "libfoo").mkdir()
    text = RECIPE.format(hash="1" * 64, name="COLOR", value="1").replace('"cmake"', f'"make"\n{command}')
    (tmp_path / "libfoo" / "recipe.toml").write_text(text)

    assert review_recipes(load_recipes([tmp_path])) == [f"libfoo: {finding}" for finding in findings]


@pytest.mark.parametrize("folder", ["../lib", "/opt/lib", "lib/../../lib", "..", "{prefix}/../lib"])
def test_a_folder_that_leads_out_of_the_prefix_is_a_finding(tmp_path: Path, folder: str) -> None:
    findings = review(tmp_path, "libdir", folder, "autotools")

    assert findings == [f"libfoo: libdir={folder} installs files outside of the prefix"]


@pytest.mark.parametrize("folder", ["lib", "share/../lib", "{prefix}/lib", "lib..d"])
def test_a_folder_in_the_prefix_is_right(tmp_path: Path, folder: str) -> None:
    assert review(tmp_path, "libdir", folder, "autotools") == []


@pytest.mark.parametrize(
    ("file", "finding"),
    [
        ("README.md", ""),
        ("notes.txt", ""),
        ("patches/fix.patch", ""),
        ("overlay/patch/fix.diff", ""),
        ("patch/fix.patch", "`patch/fix.patch` is not used: did you mean `patches/`?"),
        ("Overlay/meson.build", "`Overlay/meson.build` is not used: did you mean `overlay/`?"),
        ("patches/fix.PATCH", "`patches/fix.PATCH` is not used: patches end in `.patch`"),
        ("fix.patch", "`fix.patch` is not used: patches are in `patches/` and end in `.patch`"),
        ("CMakeLists.txt", "`CMakeLists.txt` is not used: build files are in `overlay/`"),
        ("Check.cxx", "`Check.cxx` is not used: did you mean `check.c`?"),
        ("src/foo.c", "`src/foo.c` is not used: the folders of a recipe are `overlay/` and `patches/`"),
    ],
)
def test_files_that_no_build_uses_are_findings(tmp_path: Path, file: str, finding: str) -> None:
    path = tmp_path / "libfoo" / file
    path.parent.mkdir(parents=True)
    path.write_text("")
    (path.parents[len(Path(file).parts) - 1] / "recipe.toml").write_text(
        RECIPE.format(hash="1" * 64, name="COLOR", value="1")
    )

    assert review_recipes(load_recipes([tmp_path])) == ([f"libfoo: {finding}"] if finding else [])


def test_one_check_program_of_two_is_used(tmp_path: Path) -> None:
    text = RECIPE.format(hash="1" * 64, name="COLOR", value="1")
    (tmp_path / "libfoo").mkdir()
    (tmp_path / "libfoo" / "recipe.toml").write_text(f'{text}pkgconfig = ["foo"]\nprovides = ["zip"]\n')
    for name in ("check.c", "check.cpp"):
        (tmp_path / "libfoo" / name).write_text("")

    assert review_recipes(load_recipes([tmp_path])) == ["libfoo: `check.cpp` is not used: there is `check.c`"]


def test_an_alternative_replaces_all_versions_of_a_library(tmp_path: Path) -> None:
    text = RECIPE.format(hash="1" * 64, name="COLOR", value="1").replace('"include/foo.h"', '"include/python/Python.h"')
    (tmp_path / "libfoo").mkdir()
    (tmp_path / "libfoo" / "recipe.toml").write_text(text)

    findings = review_recipes(load_collections([tmp_path]))
    (tmp_path / "libfoo" / "recipe.toml").write_text(f'alternatives = ["cpython-3.13"]{text}')

    assert findings == [
        "cpython (built-in) and libfoo both install include/python/Python.h: rename those of one, or name it in "
        "`alternatives` of the other if a wheel uses only one of them"
    ]
    assert review_recipes(load_collections([tmp_path])) == []
