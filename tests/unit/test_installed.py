"""Installed directories: their manifests, the RECORDs of packages, and the settings that pip receives."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from everywheel.errors import MachineError
from everywheel.execution.notices import listen_to_notices
from everywheel.store.stamped_dir import STAMP, ensure_stamped_dir, find_damage
from everywheel.toolchains.installed import find_damaged_installations
from everywheel.toolchains.pip import write_requirements
from everywheel.toolchains.pip_settings import filter_environment, list_indexes, pip_environment, read_pip_settings
from everywheel.toolchains.record import find_missing_packages, find_record_damage

SITE = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"


def fill(folder: Path) -> None:
    """Write a package with a RECORD, a program and a link, as an installation has them."""
    site = folder / SITE
    (site / "demo").mkdir(parents=True)
    (site / "demo-1.0.dist-info").mkdir()
    (site / "demo" / "header.h").write_text("#define A 1\n")
    (site / "demo-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n")
    digest = base64.urlsafe_b64encode(hashlib.sha256(b"#define A 1\n").digest()).decode().rstrip("=")
    record = f"demo/header.h,sha256={digest},12\ndemo-1.0.dist-info/METADATA,,\ndemo-1.0.dist-info/RECORD,,\n"
    (site / "demo-1.0.dist-info" / "RECORD").write_text(record)
    (folder / "bin").mkdir()
    (folder / "bin" / "demo").write_text("#!/bin/sh\n")
    (folder / "bin" / "demo").chmod(0o755)
    (folder / "lib64").symlink_to("lib")


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    return ensure_stamped_dir(tmp_path / "store" / "tools" / "demo", fill, title="demo")


def change_header(folder: Path) -> None:
    header = folder / SITE / "demo" / "header.h"
    header.write_text("#define A 2\n")
    os.utime(header, ns=(0, 0))


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "an edited header": (change_header, f"changed: {SITE}/demo/header.h"),
    "a truncated program": (lambda folder: (folder / "bin" / "demo").write_bytes(b""), "changed: bin/demo"),
    "a program that is not executable": (lambda folder: (folder / "bin" / "demo").chmod(0o644), "changed: bin/demo"),
    "another target of a link": (
        lambda folder: ((folder / "lib64").unlink(), (folder / "lib64").symlink_to("/usr/lib")),
        "changed: lib64",
    ),
    "a removed file": (lambda folder: (folder / "bin" / "demo").unlink(), "missing: bin/demo"),
    "an added .pth file": (lambda folder: (folder / SITE / "x.pth").write_text("import os"), f"added: {SITE}/x.pth"),
    "an empty stamp": (lambda folder: (folder / STAMP).write_text(""), "unreadable: "),
    "a stamp of another form": (
        lambda folder: (folder / STAMP).write_text('{"files": 3}'),
        "unreadable: not a manifest",
    ),
    "a deep stamp": (lambda folder: (folder / STAMP).write_text("[" * 100_000), "unreadable: "),
    "a stamp that is a folder": (
        lambda folder: ((folder / STAMP).unlink(), (folder / STAMP).mkdir()),
        "unreadable: ",
    ),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_directory_is_reported_in_one_line_and_filled_again(installed: Path, kind: str) -> None:
    damage_files, line = DAMAGE[kind]
    damage_files(installed)

    damage = find_damage(installed)
    notices: list[str] = []
    with listen_to_notices(notices.append):
        ensure_stamped_dir(installed, fill, title="demo")

    assert damage[0].startswith(line)
    assert [notice.partition(" (")[0] for notice in notices] == ["demo: damaged in the store"]
    assert find_damage(installed, thorough=True) == []


def test_a_link_or_a_file_in_place_of_a_directory_is_replaced(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    canary.mkdir()
    (canary / "file").write_text("kept")
    (tmp_path / "link").symlink_to(canary)
    (tmp_path / "file").write_text("")

    folders = [ensure_stamped_dir(tmp_path / name, fill, title="demo") for name in ("link", "file")]

    assert [folder.is_symlink() for folder in folders] == [False, False]
    assert [path.name for path in canary.iterdir()] == ["file"]


def test_offline_a_damaged_directory_is_an_error(installed: Path) -> None:
    change_header(installed)

    with pytest.raises(MachineError) as raised:
        ensure_stamped_dir(installed, fill, title="demo", offline=True)

    assert raised.value.render() == (
        f"error: demo: damaged in the store (changed: {SITE}/demo/header.h), and --offline forbids the download\n"
        f"  path: {installed}\n"
        "  hint: run the same command once without --offline"
    )


def test_a_copied_directory_is_read_once_and_is_intact(installed: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy" / "demo"
    shutil.copytree(installed, copy, symlinks=True)
    before = (copy / STAMP).read_text()

    assert [find_damage(copy), find_damage(copy)] == [[], []]
    assert (copy / STAMP).read_text() != before == (installed / STAMP).read_text()


def test_names_that_may_change_are_not_compared(tmp_path: Path) -> None:
    folder = ensure_stamped_dir(tmp_path / "demo", fill, title="demo", ignored=("cache",))
    (folder / "cache").mkdir()
    (folder / "cache" / "module.pyc").write_text("")

    assert find_damage(folder, thorough=True) == []


def test_a_thorough_check_compares_files_with_their_records(installed: Path, tmp_path: Path) -> None:
    assert find_damaged_installations(tmp_path / "store") == {}

    # Someone who can write a file can also write a manifest for it.
    (installed / STAMP).unlink()
    shutil.move(installed, tmp_path / "moved")

    def put_back(folder: Path) -> None:
        shutil.copytree(tmp_path / "moved", folder, symlinks=True, dirs_exist_ok=True)
        change_header(folder)

    ensure_stamped_dir(installed, put_back, title="demo")

    assert find_damaged_installations(tmp_path / "store") == {installed: ["changed: demo/header.h of demo"]}


def test_files_that_differ_from_a_record_are_named(installed: Path) -> None:
    site = installed / SITE
    (site / "sitecustomize.py").write_text("")
    (site / "demo" / "header.h").unlink()

    assert find_record_damage(site) == ["in no RECORD: sitecustomize.py", "missing: demo/header.h of demo"]


def test_packages_that_are_not_installed_are_named(installed: Path) -> None:
    requirements = ["Demo==1.0", "demo>=2", "other", "more; python_version < '3'", "demo[extra]"]

    assert find_missing_packages(installed / SITE, requirements) == ["demo>=2", "other"]


HOSTILE = {
    "PIP_TARGET": "/t",
    "PIP_PREFIX": "/p",
    "PIP_ROOT": "/r",
    "PIP_DRY_RUN": "1",
    "PIP_NO_DEPS": "1",
    "PIP_USER": "1",
    "PIP_REQUIRE_VIRTUALENV": "1",
    "PIP_CONSTRAINT": "/c",
    "PIP_ONLY_BINARY": ":all:",
    "PIP_PYTHON": "/python",
    "PIP_QUIET": "3",
    "PIP_USE_FEATURE": "fast-deps truststore",
    "PYTHONPATH": "/modules",
    "PYTHONHOME": "/home",
    "PYTHONSTARTUP": "/start.py",
    "VIRTUAL_ENV": "/venv",
    "UV_INDEX_URL": "https://uv.invalid",
    "CFLAGS": "-march=native",
    "LD_PRELOAD": "/lib.so",
}
KEPT = {"HOME": "/nowhere", "PATH": "/bin", "https_proxy": "http://proxy.invalid", "SSL_CERT_FILE": "/cert.pem"}


def test_pip_receives_index_proxy_and_certificate_settings_only(tmp_path: Path) -> None:
    """Variables have precedence over files, and a command's section over `[global]`; empty variables count for nothing."""
    config = tmp_path / "pip.conf"
    config.write_text(
        "[global]\nindex-url = https://global.invalid\nproxy = http://a.invalid\ntarget = /t\nquiet = 3\n"
        "extra-index-url =\n  https://one.invalid\n  https://two.invalid/it's\n"
        "[install]\nproxy = http://b.invalid\nno-deps = true\ndry-run = true\n[download]\nproxy = http://c.invalid\n"
    )
    environ = {**HOSTILE, **KEPT, "PIP_CONFIG_FILE": str(config), "PIP_CERT": "/c.pem", "PIP_INDEX_URL": ""}

    environment = pip_environment("install", environ)

    assert environment == {
        **KEPT,
        "PIP_CERT": "/c.pem",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_EXTRA_INDEX_URL": "\nhttps://one.invalid\nhttps://two.invalid/it's",
        "PIP_INDEX_URL": "https://global.invalid",
        "PIP_NO_INPUT": "1",
        "PIP_PROXY": "http://b.invalid",
        "PIP_USE_FEATURE": "truststore",
    }


def test_credentials_for_an_index_are_kept() -> None:
    kept = {"NETRC": "/n", "AWS_PROFILE": "p", "PYTHON_KEYRING_BACKEND": "k", "CLOUDSDK_CONFIG": "c"}

    assert filter_environment({**kept, "MAKEFLAGS": "-j", "CC": "gcc"}) == kept


def test_indexes_are_those_of_the_settings_and_else_the_default_of_pip(tmp_path: Path) -> None:
    config = tmp_path / "pip.conf"
    config.write_text("[global]\nextra-index-url = https://one.invalid https://two.invalid\n")
    environ = {"PIP_CONFIG_FILE": str(config), "PATH": "/bin", "HOME": str(tmp_path)}

    default, *extra = list_indexes("download", environ)

    assert re.fullmatch(r"https://[a-z.]+/simple", default)
    assert extra == ["https://one.invalid", "https://two.invalid"]
    assert list_indexes("download", {**environ, "PIP_INDEX_URL": "https://own.invalid"})[0] == "https://own.invalid"


def test_a_broken_configuration_of_pip_is_an_error(tmp_path: Path) -> None:
    config = tmp_path / "pip.conf"
    config.write_text("no section\n")

    with pytest.raises(MachineError, match="pip cannot read its configuration"):
        read_pip_settings("install", {"PIP_CONFIG_FILE": str(config), "PATH": "/bin"})


def test_an_incomplete_requirements_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    file = tmp_path / "constraints.txt"
    file.write_text("")

    write_requirements(file, "demo==1.0\n")

    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("constraints.txt", "demo==1.0\n")]
