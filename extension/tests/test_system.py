"""Linkage `system`: loading of the system's libraries, and errors if they are missing or too old."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import webpencode

if importlib.util.find_spec("webpencode._missing_library") is None:
    pytest.skip("this wheel has bundled libraries", allow_module_level=True)

from webpencode._missing_library import _read_release, find_command, make_message


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
def test_the_command_that_installs_a_library(release: dict[str, str], library: str, command: str) -> None:
    assert find_command(library, release) == command


def test_the_message_for_an_unknown_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webpencode._missing_library._read_release", dict)

    assert make_message("libwebp", "", "libwebp.so.7: not found") == (
        "libwebp 0.6 or newer is required, but none could be opened\n"
        "  dlopen: libwebp.so.7: not found\n"
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
def test_the_message_for_a_library_that_is_too_old(
    monkeypatch: pytest.MonkeyPatch, release: dict[str, str], command: str
) -> None:
    monkeypatch.setattr("webpencode._missing_library._read_release", lambda: release)

    assert make_message("libvips", "8.7.4", "/usr/lib/libvips.so.42") == (
        "libvips 8.10 or newer is required, but this system has 8.7.4\n"
        "  library: /usr/lib/libvips.so.42\n"
        f"  hint: `{command}`; if there is no newer version, install a wheel of webpencode with bundled libraries"
    )


def test_the_message_for_a_library_that_is_too_old_on_an_unknown_distribution(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("webpencode._missing_library._read_release", dict)

    assert make_message("libvips", "8.7.4", "/opt/libvips.so.42") == (
        "libvips 8.10 or newer is required, but this system has 8.7.4\n"
        "  library: /opt/libvips.so.42\n"
        "  hint: install libvips 8.10 or newer, or a wheel of webpencode with bundled libraries"
    )


def run_with(folder: Path, program: str) -> str:
    """Run a program with a directory in LD_LIBRARY_PATH; return its output."""
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
        message = str(error)
    else:
        raise SystemExit("no error")
print(message)
"""


def test_arrays_need_no_libvips_and_other_calls_report_that_it_is_missing(tmp_path: Path) -> None:
    # An invalid library: the loader finds it before that of the system.
    (tmp_path / "libvips.so.42").write_bytes(b"")

    lines = run_with(tmp_path, CALLS).splitlines()

    assert lines[0] == "libvips 8.10 or newer is required, but none could be opened"
    assert lines[1].startswith("  dlopen: ")
    assert "libvips.so.42: " in lines[1]
    assert lines[2].startswith("  hint: ")
    assert len(lines) == 3


@pytest.mark.skipif("WEBPENCODE_OLD_LIBVIPS" not in os.environ, reason="no library that claims to be libvips 8.9")
def test_a_libvips_that_is_too_old_is_reported_with_its_version() -> None:
    folder = Path(os.environ["WEBPENCODE_OLD_LIBVIPS"])

    output = run_with(folder, CALLS)

    # The tests above check the commands.
    command = find_command("libvips", _read_release(), is_installed=True)
    next_step = (
        f"`{command}`; if there is no newer version, install" if command else "install libvips 8.10 or newer, or"
    )
    assert output == (
        "libvips 8.10 or newer is required, but this system has 8.9.2\n"
        f"  library: {folder}/libvips.so.42\n"
        f"  hint: {next_step} a wheel of webpencode with bundled libraries\n"
    )


def test_importing_opens_no_library() -> None:
    program = (
        "import webpencode; print([w for w in open('/proc/self/maps').read().split() if 'vips.' in w or 'webp.' in w])"
    )

    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "[]\n"


def test_versions_returns_the_versions_of_the_system() -> None:
    major, minor, _ = webpencode.versions()["libvips"].split(".")

    assert (int(major), int(minor)) >= (8, 10)


def test_untrusted_loaders_are_rejected_without_blocking_them() -> None:
    # They are not blocked for other users of the same libvips in the process.
    with pytest.raises(webpencode.UnsupportedFormatError, match=r"^VipsForeignLoad: buffer is not in a known format$"):
        webpencode.encode(b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')


def test_the_command_reports_a_missing_library_once(tmp_path: Path) -> None:
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
    assert ended.stderr.count("error: libvips 8.10 or newer is required") == 1
