"""Signatures of bundles and of remote stores: OpenSSH's (`ssh-keygen -Y sign`), which anyone can verify without this program.

OpenSSH itself signs and verifies, so that keys with a passphrase, in an agent or on a hardware token work as usual. The format
is PROTOCOL.sshsig of OpenSSH; it has a namespace, so that a signature for another purpose is not one of a bundle.
"""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory

from everywheel.errors import MachineError, SourceError, UsageError
from everywheel.execution.input_files import UnusableFile, read_text
from everywheel.execution.process import CommandResult, run_command

NAMESPACE = "everywheel-sources"
"""The purpose in the signatures of bundles, which `ssh-keygen -Y verify` receives with `-n`."""
LARGEST_SIGNATURE = 64 << 10  # bytes

_PROGRAM = "ssh-keygen"
_LARGEST_KEY_FILE = 1 << 20  # bytes
_IDENTITY = "signer"
# Without the options that may precede a key in such files, and without certificates.
_PUBLIC_KEY = re.compile(r"((?:sk-)?(?:ssh|ecdsa)-[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,2})(?:\s.*)?")


def check_key(key: Path) -> None:
    """Raise UsageError when there is no file of this name."""
    if not key.is_file():
        raise UsageError(f"there is no signing key {key}", hint=f"`{_PROGRAM} -t ed25519 -f {key}` creates one")


def sign(content: bytes, key: Path, namespace: str = NAMESPACE) -> bytes:
    """Return the signature of bytes by a private key; for a public key, that of the private key in the user's agent.

    The same key gives the same signature, if it is an Ed25519 or RSA key. Raises UsageError when the key cannot be used, and
    MachineError without OpenSSH.
    """
    check_key(key)
    result = _run("sign", namespace, "-f", str(key.absolute()), stdin=content, may_prompt=True)
    if result.exit_code or not result.stdout.startswith(b"-----BEGIN SSH SIGNATURE-----"):
        raise UsageError(
            f"OpenSSH cannot sign with the key {key}",
            excerpt=_list_messages(result),
            hint="name a private key, or the public key of one that `ssh-add` has added to the agent",
        )
    return result.stdout


def read_public_keys(file: Path) -> tuple[str, ...]:
    """Return the keys in a file of OpenSSH public keys, one in a line, without their comments.

    Raises UsageError for another file, and for one without a key.
    """
    try:
        text = read_text(file, _LARGEST_KEY_FILE)
    except (UnusableFile, FileNotFoundError) as error:
        reason = error if isinstance(error, UnusableFile) else f"{file}: no such file"
        raise UsageError(
            f"the public key cannot be read: {reason}",
            hint="name a file with one OpenSSH public key in each line, such as `ssh-ed25519 AAAA…`",
        ) from None
    lines = [line.strip() for line in text.splitlines()]
    matches = [_PUBLIC_KEY.fullmatch(line) for line in lines if line and not line.startswith("#")]
    keys = [match[1] for match in matches if match is not None]
    if not keys or len(keys) < len(matches):
        raise UsageError(
            f"{file} is not a file of OpenSSH public keys",
            hint="it has a key in each line, such as `ssh-ed25519 AAAA…`; the file of a private key has one next to it, .pub",
        )
    return tuple(keys)


def verify(content: bytes, signature: bytes, keys: tuple[str, ...], namespace: str = NAMESPACE) -> None:
    """Check that one of the public keys has signed bytes.

    Raises SourceError, whose details are the messages of OpenSSH, when none has, and MachineError without OpenSSH.
    """
    with TemporaryDirectory(prefix="everywheel-signature-") as name:
        folder = Path(name)
        (folder / "keys").write_text("".join(f'{_IDENTITY} namespaces="{namespace}" {key}\n' for key in keys))
        (folder / "signature").write_bytes(signature)
        options = ("-f", str(folder / "keys"), "-I", _IDENTITY, "-s", str(folder / "signature"))
        result = _run("verify", namespace, *options, stdin=content)
    if result.exit_code:
        messages = [line.replace(f"{folder}/", "") for line in _list_messages(result)]
        raise SourceError("the signature is not valid for the public key", excerpt=messages)


def _run(action: str, namespace: str, *options: str, stdin: bytes, may_prompt: bool = False) -> CommandResult:
    try:
        return run_command([_PROGRAM, "-Y", action, "-n", namespace, *options], stdin=stdin, may_prompt=may_prompt)
    except OSError:
        raise MachineError(
            f"{_PROGRAM} is missing, which signs and verifies bundles and the entries of remote stores",
            hint="install OpenSSH's client: `apt-get install openssh-client`, `dnf install openssh`, `apk add openssh-keygen`",
        ) from None


def _list_messages(result: CommandResult) -> list[str]:
    lines = [*result.output.splitlines(), *result.errors.splitlines()]
    return [line.strip() for line in lines if line.strip() and not line.startswith("Signing data")]
