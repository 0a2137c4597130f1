"""DSSE envelopes (https://github.com/secure-systems-lab/dsse): statements with signatures by keys in PEM files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import (
    FormatError,
    UnsupportedLibraryError,
    UnverifiedSignatureError,
    VerificationError,
)
from securesystemslib.signer import CryptoSigner, Signature, SSlibKey

from everywheel.errors import UsageError
from everywheel.execution.input_files import UnusableFile, read_file
from everywheel.provenance.statement import parse_json

PAYLOAD_TYPE = "application/vnd.in-toto+json"
_LARGEST_KEY = 64 << 10  # bytes
_MOST_SIGNATURES = 100
_MAKE_KEY = (
    "`openssl genpkey -algorithm ed25519 -out key.pem` makes a key, `openssl pkey -in key.pem -pubout` its public key"
)


class InvalidEnvelope(Exception):
    """A file is not an envelope, or none of the keys has signed it; the text is the reason."""


def sign_statement(statement: bytes, key: Path) -> bytes:
    """Return an envelope, as JSON, with a statement and its signature by a private key in a PEM file without a passphrase.

    Raises UsageError when the key cannot be used.
    """
    try:
        signer = CryptoSigner(load_pem_private_key(_read_key(key), password=None))
    except (ValueError, TypeError, UnsupportedAlgorithm, UnsupportedLibraryError) as error:
        raise _refuse_key(key, error) from None
    envelope = Envelope(statement, PAYLOAD_TYPE, {})
    envelope.sign(signer)
    return f"{json.dumps(envelope.to_dict(), sort_keys=True)}\n".encode()


def load_public_keys(files: Sequence[Path]) -> tuple[SSlibKey, ...]:
    """Return the public keys in PEM files; raise UsageError for other files."""
    keys = []
    for file in files:
        try:
            keys.append(SSlibKey.from_crypto(load_pem_public_key(_read_key(file))))
        except (ValueError, TypeError, UnsupportedAlgorithm, UnsupportedLibraryError) as error:
            raise _refuse_key(file, error) from None
    return tuple(keys)


def open_envelope(content: bytes, keys: Sequence[SSlibKey]) -> bytes:
    """Return the statement in an envelope, after one of the keys has verified its signature; without keys, unverified.

    Raises InvalidEnvelope for anything else.
    """
    try:
        document = parse_json(content)
        signatures = document["signatures"]
        if len(signatures) > _MOST_SIGNATURES:
            raise InvalidEnvelope(f"it has {len(signatures)} signatures")
        # A key's identifier is a hint that other tools leave out or make otherwise, and that is not signed.
        numbered = [{**signature, "keyid": str(number)} for number, signature in enumerate(signatures)]
        envelope = Envelope.from_dict({**document, "signatures": numbered})
    except (ValueError, KeyError, TypeError, AttributeError, FormatError, RecursionError) as error:
        raise InvalidEnvelope(f"it is not an envelope: {str(error)[:200] or type(error).__name__}") from None
    if envelope.payload_type != PAYLOAD_TYPE:
        raise InvalidEnvelope(f"its payload is {str(envelope.payload_type)[:100]!r}, not {PAYLOAD_TYPE!r}")
    if keys and not any(
        _is_signed(envelope, signature, key) for key in keys for signature in envelope.signatures.values()
    ):
        raise InvalidEnvelope("none of the keys has signed it")
    return bytes(envelope.payload)


def _is_signed(envelope: Envelope, signature: Signature, key: SSlibKey) -> bool:
    try:
        key.verify_signature(Signature(key.keyid, signature.signature), envelope.pae())
    except (VerificationError, UnverifiedSignatureError, ValueError):
        return False
    return True


def is_envelope(content: bytes) -> bool:
    """Return whether a file claims to be an envelope: JSON with a payload and signatures."""
    try:
        document = json.loads(content.decode())
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and {"payload", "signatures"} <= document.keys()


def _read_key(file: Path) -> bytes:
    try:
        return read_file(file, _LARGEST_KEY)
    except FileNotFoundError:
        raise UsageError(f"{file}: no such file", hint=_MAKE_KEY) from None
    except UnusableFile as error:
        raise UsageError(str(error), hint=_MAKE_KEY) from None


def _refuse_key(file: Path, error: Exception) -> UsageError:
    return UsageError(
        f"{file} is not a key in PEM without a passphrase",
        details={"reason": str(error).splitlines()[0][:200] if str(error) else type(error).__name__},
        hint=_MAKE_KEY,
    )
