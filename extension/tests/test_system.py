"""Linkage `system`: what is said where the system's libraries are missing, too old, or not all there."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import webpencode

if importlib.util.find_spec("webpencode._system") is None:
    pytest.skip("this wheel has its libraries inside", allow_module_level=True)

from webpencode._system import _read_release, explain, find_command


@pytest.mark.parametrize(
    ("release", "library", "command"),
    [
        ({"ID": "debian", "VERSION_ID": "11"}, "libvips", "apt install libvips42"),
        ({"ID": "debian", "VERSION_ID": "11"}, "libwebp", "apt install libwebp6"),
        ({"ID": "debian", "VERSION_ID": "12"}, "libwebp", "apt install libwebp7"),
        ({"ID": "debian", "VERSION_ID": "13"}, "libvips", "apt install libvips42t64"),
        ({"ID": "debian"}, "libvips", "apt install libvips42t64"),
        ({"ID": "ubuntu", "ID_LIKE": "debian", "VERSION_ID": "20.04"}, "libwebp", "apt install libwebp6"),
        ({"ID": "ubuntu", "ID_LIKE": "debian", "VERSION_ID": "22.04"}, "libvips", "apt install libvips42"),
        ({"ID": "ubuntu", "ID_LIKE": "debian", "VERSION_ID": "24.04"}, "libvips", "apt install libvips42t64"),
        ({"ID": "linuxmint", "ID_LIKE": "ubuntu debian", "VERSION_ID": "22"}, "libvips", "apt install libvips42"),
        ({"ID": "fedora", "VERSION_ID": "43"}, "libvips", "dnf install vips"),
        ({"ID": "rocky", "ID_LIKE": "rhel centos fedora"}, "libvips", "dnf install vips"),
        ({"ID": "alpine"}, "libvips", "apk add vips"),
        ({"ID": "alpine"}, "libwebpmux", "apk add libwebpmux"),
        ({"ID": "manjaro", "ID_LIKE": "arch"}, "libvips", "pacman -S libvips"),
        ({"ID": "opensuse-tumbleweed", "ID_LIKE": "opensuse suse"}, "libvips", "zypper install libvips42"),
        ({"ID": "macos"}, "libvips", "brew install vips"),
        ({"ID": "plan9"}, "libvips", ""),
        ({}, "libvips", ""),
    ],
)
def test_what_installs_a_library(release: dict[str, str], library: str, command: str) -> None:
    assert find_command(library, release) == command


def test_a_system_that_nobody_knows_is_told_what_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webpencode._system._read_release", dict)

    assert explain("libwebp", "", "libwebp.so.7: not there") == (
        "libwebp 0.6 or newer is needed, and this system has none that can be opened\n"
        "  dlopen: libwebp.so.7: not there\n"
        "  hint: install libwebp 0.6 or newer with this system's package manager"
    )


@pytest.mark.parametrize(
    ("release", "command"),
    [
        ({"ID": "debian", "VERSION_ID": "10"}, "apt install libvips42"),
        ({"ID": "fedora"}, "dnf upgrade vips"),
        ({"ID": "rocky", "ID_LIKE": "rhel centos fedora"}, "dnf upgrade vips"),
        ({"ID": "alpine"}, "apk add --upgrade vips"),
        ({"ID": "arch"}, "pacman -Syu libvips"),
        ({"ID": "opensuse-leap", "ID_LIKE": "suse opensuse"}, "zypper update libvips42"),
        ({"ID": "gentoo"}, "emerge --update media-libs/vips"),
        ({"ID": "void"}, "xbps-install --update libvips"),
        ({"ID": "macos"}, "brew upgrade vips"),
    ],
    ids=lambda value: value if isinstance(value, str) else value["ID"],
)
def test_a_library_that_is_too_old_is_made_newer(
    monkeypatch: pytest.MonkeyPatch, release: dict[str, str], command: str
) -> None:
    monkeypatch.setattr("webpencode._system._read_release", lambda: release)

    assert explain("libvips", "8.7.4", "/usr/lib/libvips.so.42") == (
        "libvips 8.10 or newer is needed, and this system's is 8.7.4\n"
        "  library: /usr/lib/libvips.so.42\n"
        f"  hint: `{command}`; if that brings no newer one, install a wheel of webpencode that has it inside"
    )


def test_a_library_that_is_too_old_on_a_system_that_nobody_knows_is_told_what_is_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("webpencode._system._read_release", dict)

    assert explain("libvips", "8.7.4", "/opt/libvips.so.42") == (
        "libvips 8.10 or newer is needed, and this system's is 8.7.4\n"
        "  library: /opt/libvips.so.42\n"
        "  hint: install libvips 8.10 or newer, or a wheel of webpencode that has it inside"
    )


def run_with(folder: Path, program: str) -> str:
    """Run a program that finds its libraries in a folder first; return what it prints."""
    environment = {**os.environ, "LD_LIBRARY_PATH": str(folder)}
    return subprocess.run(
        [sys.executable, "-c", program], env=environment, text=True, capture_output=True, check=True, timeout=60
    ).stdout


CALLS = """
import webpencode
assert webpencode.encode(memoryview(bytes(12)).cast("B", (2, 2, 3)))[:4] == b"RIFF"
for call in (webpencode.versions, webpencode.formats, lambda: webpencode.probe(b"GIF89a"), lambda: webpencode.decode(b"x"),
             lambda: webpencode.encode(b"x"), lambda: webpencode.encode(memoryview(bytes(12)).cast("B", (2, 2, 3)), width=1)):
    try:
        call()
    except webpencode.MissingLibraryError as error:
        words = str(error)
    else:
        raise SystemExit("no error")
print(words)
"""


def test_arrays_need_no_libvips_and_all_else_says_that_it_is_missing(tmp_path: Path) -> None:
    # A file that is no library: the loader takes it before the system's own, if there is one.
    (tmp_path / "libvips.so.42").write_bytes(b"")

    words = run_with(tmp_path, CALLS).splitlines()

    assert words[0] == "libvips 8.10 or newer is needed, and this system has none that can be opened"
    assert words[1].startswith("  dlopen: ")
    assert "libvips.so.42: " in words[1]
    assert words[2].startswith("  hint: ")
    assert len(words) == 3


@pytest.mark.skipif(
    "WEBPENCODE_OLD_LIBVIPS" not in os.environ, reason="no library is there that says it is libvips 8.9"
)
def test_a_libvips_that_is_too_old_is_named_with_its_version() -> None:
    folder = Path(os.environ["WEBPENCODE_OLD_LIBVIPS"])

    said = run_with(folder, CALLS)

    # Which command is whose, the tests above say.
    command = find_command("libvips", _read_release(), is_there=True)
    next_step = f"`{command}`; if that brings no newer one, install" if command else "install libvips 8.10 or newer, or"
    assert said == (
        "libvips 8.10 or newer is needed, and this system's is 8.9.2\n"
        f"  library: {folder}/libvips.so.42\n"
        f"  hint: {next_step} a wheel of webpencode that has it inside\n"
    )


def test_importing_opens_nothing() -> None:
    program = (
        "import webpencode; print([w for w in open('/proc/self/maps').read().split() if 'vips.' in w or 'webp.' in w])"
    )

    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "[]\n"


def test_the_versions_are_those_of_the_system() -> None:
    major, minor, _ = webpencode.versions()["libvips"].split(".")

    assert (int(major), int(minor)) >= (8, 10)


def test_loaders_that_are_not_safe_are_ours_to_refuse() -> None:
    # They are not blocked for others in the process who use the same libvips.
    with pytest.raises(webpencode.UnsupportedFormatError, match=r"^VipsForeignLoad: buffer is not in a known format$"):
        webpencode.encode(b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')


def test_the_command_says_it_once(tmp_path: Path) -> None:
    (tmp_path / "libvips.so.42").write_bytes(b"")
    picture = tmp_path / "x.png"
    picture.write_bytes(b"")

    ended = subprocess.run(
        [sys.executable, "-m", "webpencode", str(picture), str(picture)],
        env={**os.environ, "LD_LIBRARY_PATH": str(tmp_path)},
        text=True,
        capture_output=True,
        check=False,
        timeout=60,
    )

    assert ended.returncode == 1
    assert ended.stderr.count("error: libvips 8.10 or newer is needed") == 1
