"""Signed bundles: made and verified by OpenSSH itself, and refused with another signature, another key, or none."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from everywheel.errors import MachineError, SourceError, UsageError
from everywheel.sources.bundle import bundle_sources
from everywheel.sources.bundle_import import import_bundle
from everywheel.sources.bundle_index import BundledFile
from everywheel.sources.cache import hash_bytes
from everywheel.sources.request import PinnedFile

A = b"first archive"
PINNED = (PinnedFile(label="foo 1.0", filename="foo-1.0.tar.gz", sha256=hash_bytes(A)),)
FILES = (BundledFile(label="foo 1.0", filename="foo-1.0.tar.gz", sha256=hash_bytes(A), size=len(A)),)
HINT = "get the bundle again from where you trust it, or the public key of the one who signs it; nothing was imported"
KEY_HINT = "it has a key in each line, such as `ssh-ed25519 AAAA…`; the file of a private key has one next to it, .pub"


def make_key(path: Path, *options: str, passphrase: str = "") -> Path:
    kind = options or ("-t", "ed25519")
    subprocess.run(["ssh-keygen", "-q", *kind, "-N", passphrase, "-C", "release of foo", "-f", path], check=True)
    return path


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two keys, `ours` and `theirs`."""
    folder = tmp_path_factory.mktemp("keys")
    make_key(folder / "ours")
    make_key(folder / "theirs")
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Path:
    (tmp_path / "store" / "sources").mkdir(parents=True)
    (tmp_path / "store" / "sources" / hash_bytes(A)).write_bytes(A)
    return tmp_path / "store"


@pytest.fixture
def signed(store: Path, keys: Path, tmp_path: Path) -> Path:
    """A signed bundle that is a folder."""
    bundle_sources(PINNED, tmp_path / "mirror", store=store, key=keys / "ours")
    return tmp_path / "mirror"


def stored(store: Path) -> list[str]:
    return sorted(path.name for path in (store / "sources").glob("*"))


@pytest.mark.parametrize("name", ["mirror", "mirror.tar"])
def test_a_signed_bundle_is_imported_with_the_public_key(name: str, store: Path, keys: Path, tmp_path: Path) -> None:
    bundle_sources(PINNED, tmp_path / name, store=store, key=keys / "ours")

    files = import_bundle(tmp_path / name, store=tmp_path / "other", public_key=keys / "ours.pub")

    assert files == FILES
    assert stored(tmp_path / "other") == [hash_bytes(A)]


def test_a_signed_bundle_is_imported_without_a_key(signed: Path, tmp_path: Path) -> None:
    assert import_bundle(signed, store=tmp_path / "other") == FILES


def test_one_of_several_keys_is_enough(signed: Path, keys: Path, tmp_path: Path) -> None:
    texts = [(keys / f"{name}.pub").read_text() for name in ("theirs", "ours")]
    (tmp_path / "accepted").write_text(f"# our release managers\n\n{''.join(texts)}")

    assert import_bundle(signed, store=tmp_path / "other", public_key=tmp_path / "accepted") == FILES


def test_openssh_and_sha256sum_verify_an_unpacked_bundle(store: Path, keys: Path, tmp_path: Path) -> None:
    bundle_sources(PINNED, tmp_path / "sources.tar", store=store, key=keys / "ours")
    with tarfile.open(tmp_path / "sources.tar") as tar:
        tar.extractall(tmp_path / "unpacked", filter="data")
    (tmp_path / "signers").write_text(f"releases@example.com {(keys / 'ours.pub').read_text()}")
    script = (
        "ssh-keygen -Y verify -n everywheel-sources -f ../signers -I releases@example.com -s SHA256SUMS.sig < SHA256SUMS"
        " && sha256sum --check --strict SHA256SUMS"
    )

    result = subprocess.run(["sh", "-c", script], cwd=tmp_path / "unpacked", capture_output=True, text=True)

    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith('Good "everywheel-sources" signature for releases@example.com with ED25519 key')


def test_a_key_and_sources_give_one_bundle(store: Path, keys: Path, tmp_path: Path) -> None:
    for name in ("one.tar", "two.tar"):
        bundle_sources(PINNED, tmp_path / name, store=store, key=keys / "ours")

    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


def refused(bundle: Path, keys: Path, tmp_path: Path, key: str = "ours.pub") -> str:
    """Return the error of an import of which the store has nothing."""
    with pytest.raises(SourceError) as caught:
        import_bundle(bundle, store=tmp_path / "other", public_key=keys / key)
    assert not (tmp_path / "other").exists()
    return caught.value.render()


@pytest.mark.parametrize("name", ["mirror", "mirror.tar"])
def test_a_bundle_without_a_signature_is_refused(name: str, store: Path, keys: Path, tmp_path: Path) -> None:
    bundle_sources(PINNED, tmp_path / name, store=store)

    assert refused(tmp_path / name, keys, tmp_path) == (
        f"error: {tmp_path}/{name} is not signed\n  required: a signature by a key in {keys}/ours.pub\n  hint: {HINT}"
    )


def test_a_bundle_that_another_key_signed_is_refused(signed: Path, keys: Path, tmp_path: Path) -> None:
    assert refused(signed, keys, tmp_path, "theirs.pub") == (
        f"error: {signed} is not signed by a key in {keys}/theirs.pub\n  | Could not verify signature.\n  hint: {HINT}"
    )


def change_list(folder: Path, keys: Path) -> None:
    """Replace a source with the list of hashes and the index, as a hostile mirror would."""
    changed = b"FIRST ARCHIVE"
    for name in ("SHA256SUMS", "index.json"):
        text = (folder / name).read_text().replace(hash_bytes(A), hash_bytes(changed))
        (folder / name).write_text(text)
    (folder / "sources" / hash_bytes(A)).unlink()
    (folder / "sources" / hash_bytes(changed)).write_bytes(changed)


def sign_for_another_purpose(folder: Path, keys: Path) -> None:
    command = ["ssh-keygen", "-q", "-Y", "sign", "-n", "git", "-f", keys / "ours", folder / "SHA256SUMS"]
    (folder / "SHA256SUMS.sig").unlink()
    subprocess.run(command, check=True, capture_output=True)


def cut_signature(folder: Path, keys: Path) -> None:
    signature = folder / "SHA256SUMS.sig"
    signature.write_bytes(signature.read_bytes()[:-60])


def replace_signature(folder: Path, keys: Path) -> None:
    (folder / "SHA256SUMS.sig").write_bytes(b"\0\xff" * 1000)


@pytest.mark.parametrize("change", [change_list, sign_for_another_purpose, cut_signature, replace_signature])
def test_a_signature_that_does_not_fit_is_refused(
    change: Callable[[Path, Path], None], signed: Path, keys: Path, tmp_path: Path
) -> None:
    change(signed, keys)

    message = refused(signed, keys, tmp_path)

    assert message.startswith(f"error: {signed} is not signed by a key in {keys}/ours.pub\n  | ")
    assert message.endswith(f"  hint: {HINT}")


def test_an_empty_signature_is_none(signed: Path, keys: Path, tmp_path: Path) -> None:
    (signed / "SHA256SUMS.sig").write_bytes(b"")

    assert refused(signed, keys, tmp_path).startswith(f"error: {signed} is not signed\n")


def test_a_changed_source_in_a_signed_bundle_is_discarded(signed: Path, keys: Path, tmp_path: Path) -> None:
    (signed / "sources" / hash_bytes(A)).write_bytes(b"FIRST ARCHIVE")

    with pytest.raises(SourceError, match="1 of 1 files do not have the hash in the index and were discarded"):
        import_bundle(signed, store=tmp_path / "other", public_key=keys / "ours.pub")

    assert stored(tmp_path / "other") == []


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("# no key\n", id="only a comment"),
        pytest.param(
            "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1r\n-----END OPENSSH PRIVATE KEY-----\n", id="private"
        ),
        pytest.param("* cert-authority ssh-ed25519 AAAA\n", id="file of allowed signers"),
        pytest.param("ssh-ed25519 AAAA\nsomething else\n", id="a line without a key"),
    ],
)
def test_a_file_without_public_keys_is_refused(text: str, signed: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(text)

    with pytest.raises(UsageError) as caught:
        import_bundle(signed, store=tmp_path / "other", public_key=tmp_path / "key")

    assert caught.value.render() == (f"error: {tmp_path}/key is not a file of OpenSSH public keys\n  hint: {KEY_HINT}")


def test_a_missing_public_key_is_named(signed: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        import_bundle(signed, store=tmp_path / "other", public_key=tmp_path / "none.pub")

    assert caught.value.render() == (
        f"error: the public key cannot be read: {tmp_path}/none.pub: no such file\n"
        "  hint: name a file with one OpenSSH public key in each line, such as `ssh-ed25519 AAAA…`"
    )


def test_a_missing_signing_key_is_named_before_anything_is_packed(store: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        bundle_sources(PINNED, tmp_path / "mirror", store=store, key=tmp_path / "none")

    assert caught.value.render() == (
        f"error: there is no signing key {tmp_path}/none\n"
        f"  hint: `ssh-keygen -t ed25519 -f {tmp_path}/none` creates one"
    )


def test_a_key_that_cannot_sign_leaves_no_bundle(store: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("not a key\n")
    (tmp_path / "key").chmod(0o600)

    with pytest.raises(UsageError) as caught:
        bundle_sources(PINNED, tmp_path / "mirror", store=store, key=tmp_path / "key")

    assert caught.value.fact == f"OpenSSH cannot sign with the key {tmp_path}/key"
    assert caught.value.excerpt
    assert sorted(path.name for path in tmp_path.iterdir()) == ["key", "store"]


def test_a_key_in_an_agent_is_named_by_its_public_key(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The private key is only in the agent."""
    key = make_key(tmp_path / "key")
    folder = tempfile.TemporaryDirectory()  # its path is short, as that of a socket must be
    socket = Path(folder.name) / "agent"
    with folder, subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL) as agent:
        try:
            monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
            while not socket.exists():
                assert agent.poll() is None
                time.sleep(0.01)
            subprocess.run(["ssh-add", "-q", key], check=True, env={**os.environ}, capture_output=True)
            key.unlink()
            bundle_sources(PINNED, tmp_path / "mirror", store=store, key=tmp_path / "key.pub")
        finally:
            agent.terminate()

    assert import_bundle(tmp_path / "mirror", store=tmp_path / "other", public_key=tmp_path / "key.pub") == FILES


def test_the_error_without_openssh_names_what_to_install(
    signed: Path, keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))

    with pytest.raises(MachineError) as caught:
        import_bundle(signed, store=tmp_path / "other", public_key=keys / "ours.pub")

    assert caught.value.render() == (
        "error: ssh-keygen is missing, which signs and verifies bundles and the entries of remote stores\n"
        "  hint: install OpenSSH's client: `apt-get install openssh-client`, `dnf install openssh`,"
        " `apk add openssh-keygen`"
    )
    assert shutil.which("ssh-keygen") is None
