"""The commands for remote stores, with the texts of their errors, and the addresses and keys that they accept."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from everywheel.cli.main import main
from everywheel.config.remote_settings import RemoteSettings
from everywheel.errors import MachineError
from everywheel.remote.address import RemoteKind
from everywheel.remote.opening import RemoteOptions, list_addresses, open_remotes
from everywheel.store.local import Store
from remote_stores import ZLIB, finish, make_key

LIBPNG = "ab" * 32


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without a project that has a key, `builder`; the store has zlib and a wheel's artifact."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVERYWHEEL_STORE", str(tmp_path / "store"))
    make_key(tmp_path / "builder")
    store = Store(tmp_path / "store")
    finish(store, ZLIB)
    (tmp_path / "tree").mkdir()
    store.put_tree(LIBPNG, tmp_path / "tree", name="libpng", version="1.6.48", target="any")
    return tmp_path


def run(*args: str) -> Result:
    return CliRunner().invoke(main, ["store", *args], prog_name="everywheel")


def push(remote: str) -> Result:
    return run("push", "--all", "--remote", remote, "--remote-sign-key", "builder")


def test_the_store_is_uploaded_listed_and_removed(machine: Path) -> None:
    assert push("remote").stdout == f"2 of 2 entries in {machine / 'remote'}\n"
    assert push("remote").stdout == f"2 of 2 entries in {machine / 'remote'}\n"
    assert len(list((machine / "remote" / "files").iterdir())) == 2

    output = run("ls", "--remote", "remote").stdout
    assert [line.split()[:4] for line in output.splitlines()[1:3]] == [
        ["artifact", "libpng", "1.6.48", "any"],
        ["artifact", "zlib", ZLIB.version, ZLIB.platform],
    ]
    assert output.splitlines()[-1] == f"{machine / 'remote'}: 2 entries, 0.0 MB"

    old = time.time() - 40 * 86400
    os.utime(machine / "remote" / "entries" / f"{LIBPNG}.json", (old, old))
    expected = f"artifact libpng 1.6.48 for any (0.00 MB)\n{machine / 'remote'}: 1 entry and 2 files {{}}, 0.0 MB\n"
    assert run("gc", "--all", "--remote", "remote", "--dry-run").stdout == expected.format("would be removed")
    assert run("gc", "--all", "--remote", "remote").stdout == expected.format("removed")
    assert [path.stem for path in (machine / "remote" / "entries").iterdir()] == [ZLIB.key]
    assert len(list((machine / "remote" / "files").iterdir())) == 1


def test_files_without_an_entry_are_removed_after_a_day(machine: Path) -> None:
    """A new one may belong to an upload that has not ended; other files are never touched."""
    push("remote")
    new, old = (machine / "remote" / "files" / (digit * 64) for digit in "12")
    other = machine / "remote" / "files" / "notes.txt"
    broken = machine / "remote" / "entries" / f"{'3' * 64}.json"
    for path in (new, old, other, broken):
        path.write_text("x")
    for path in (old, other, broken):
        os.utime(path, (1.0, 1.0))

    run("gc", "--all", "--remote", "remote", "--older-than", "1")

    assert [path.exists() for path in (new, old, other, broken)] == [True, False, True, False]


def test_a_push_to_a_remote_that_refuses_fails(machine: Path) -> None:
    (machine / "remote").touch()

    result = push("remote")

    assert result.exit_code == 7
    lines = [line for line in result.output.splitlines() if not line.startswith("[")]
    reason = f"warning: remote store {machine / 'remote'}: artifact"
    assert sorted(lines[:2]) == [
        f"{reason} libpng 1.6.48 for any: not a directory",
        f"{reason} {ZLIB.label}: not a directory",
    ]
    assert lines[2:] == [
        "error: 2 entries were not uploaded",
        f"  faults: {machine / 'remote'}: 2",
        "  hint: the warnings above have the reasons; the next run transfers only what is missing",
    ]


def test_a_bucket_requires_the_extra(monkeypatch: pytest.MonkeyPatch, machine: Path) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)

    result = push("s3://bucket/store")

    assert result.exit_code == 7
    assert result.output == (
        "error: the remote store s3://bucket/store needs packages that are not installed\n"
        "  missing: s3fs\n"
        "  hint: install everywheel with its extra `remote`: `pip install 'everywheel[remote]'`\n"
    )


def test_without_openssh_a_remote_is_an_error(monkeypatch: pytest.MonkeyPatch, machine: Path) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")

    with pytest.raises(MachineError, match="ssh-keygen is missing"):
        open_remotes(RemoteSettings(), RemoteOptions(addresses=("remote",), sign_key=Path("builder")))


def test_options_replace_variables_which_replace_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = RemoteSettings(folder=Path("/project"), addresses=("store", "https://u:p@example.org/store/#read-only"))

    names = [(address.kind, address.name, address.can_write) for address in list_addresses(settings, RemoteOptions())]
    assert names == [
        (RemoteKind.FOLDER, "/project/store", True),
        (RemoteKind.WEB, "https://example.org/store", False),
    ]
    monkeypatch.setenv("EVERYWHEEL_REMOTE", " s3://bucket/a  gs://other#read-only ")
    names = [(address.kind, address.name, address.can_write) for address in list_addresses(settings, RemoteOptions())]
    assert names == [(RemoteKind.S3, "s3://bucket/a", True), (RemoteKind.GCS, "gs://other", False)]
    (address,) = list_addresses(settings, RemoteOptions(addresses=("file:///srv/a%20b",)))
    assert (address.kind, address.location) == (RemoteKind.FOLDER, "/srv/a b")
    disabled = RemoteOptions(addresses=("store",), is_disabled=True)
    assert open_remotes(settings, disabled) == ()


def test_offline_leaves_out_all_but_folders(machine: Path) -> None:
    options = RemoteOptions(addresses=("https://example.org/store", "remote"), sign_key=Path("builder"))

    assert [exchange.name for exchange in open_remotes(RemoteSettings(), options, offline=True)] == [
        str(machine / "remote")
    ]


def test_a_remote_is_larger_than_allowed_and_its_oldest_entry_is_removed(machine: Path) -> None:
    push("remote")
    os.utime(machine / "remote" / "entries" / f"{ZLIB.key}.json", (time.time() - 3600,) * 2)
    size = sum(path.stat().st_size for path in (machine / "remote" / "files").iterdir())

    run("gc", "--all", "--remote", "remote", "--max-size", str((size - 1) / 1e9))

    assert [path.stem for path in (machine / "remote" / "entries").iterdir()] == [LIBPNG]


def test_a_copy_of_a_remote_folder_is_a_remote(machine: Path) -> None:
    push("remote")
    shutil.copytree("remote", "copy")

    assert push("copy").stdout == f"2 of 2 entries in {machine / 'copy'}\n"
