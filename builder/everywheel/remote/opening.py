"""Opening the remote stores that options, environment variables or the project's settings name."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from everywheel.config.remote_settings import RemoteSettings
from everywheel.remote.address import RemoteAddress, RemoteKind, parse_address
from everywheel.remote.bucket import BucketRemote
from everywheel.remote.exchange import Exchange
from everywheel.remote.folder import FolderRemote
from everywheel.remote.protocol import Remote
from everywheel.remote.signed_record import Trust, load_trust
from everywheel.remote.web import WebRemote

ADDRESSES_VARIABLE = "EVERYWHEEL_REMOTE"
"""The environment variable with addresses of remote stores, separated by white space."""
KEYS_VARIABLE = "EVERYWHEEL_REMOTE_KEYS"
SIGN_KEY_VARIABLE = "EVERYWHEEL_REMOTE_SIGN_KEY"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteOptions:
    """The options of a command about remote stores; empty ones are taken from the environment, then from the settings.

    `keys` is a file of public keys, `sign_key` is the key that signs uploads, and `is_disabled` is that of --no-remote.
    """

    addresses: tuple[str, ...] = ()
    keys: Path | None = None
    sign_key: Path | None = None
    is_disabled: bool = False


def open_remotes(
    settings: RemoteSettings, options: RemoteOptions, *, offline: bool = False, checks_signatures: bool = True
) -> tuple[Exchange, ...]:
    """Return the exchanges with the remote stores of a run, which `list_addresses` returns.

    `offline` leaves out all but folders. Keys are not required if signatures are not checked. Raises UsageError for addresses
    and keys that cannot be used, and MachineError when the packages for a bucket are not installed.
    """
    addresses = () if options.is_disabled else list_addresses(settings, options)
    if offline:
        addresses = tuple(address for address in addresses if address.kind is RemoteKind.FOLDER)
    if not addresses:
        return ()
    trust = _load_trust(settings, options) if checks_signatures else Trust(keys=())
    return tuple(
        Exchange(open_remote(address), address.name, trust, can_change=address.can_write) for address in addresses
    )


def _load_trust(settings: RemoteSettings, options: RemoteOptions) -> Trust:
    keys = options.keys or _read_path(KEYS_VARIABLE) or settings.keys
    return load_trust((keys,) if keys else (), options.sign_key or _read_path(SIGN_KEY_VARIABLE))


def list_addresses(settings: RemoteSettings, options: RemoteOptions) -> tuple[RemoteAddress, ...]:
    """Return the addresses of the options, else of the environment, else of the settings. Raises UsageError."""
    here = Path.cwd()
    texts = options.addresses or tuple(os.environ.get(ADDRESSES_VARIABLE, "").split())
    if texts:
        return tuple(parse_address(text, here) for text in texts)
    return tuple(parse_address(text, settings.folder) for text in settings.addresses)


def open_remote(address: RemoteAddress) -> Remote:
    """Return the remote of an address; nothing is transferred yet. Raises MachineError like `open_remotes`."""
    if address.kind is RemoteKind.FOLDER:
        return FolderRemote(Path(address.location), must_exist=not address.can_write)
    return WebRemote(address.location) if address.kind is RemoteKind.WEB else BucketRemote(address)


def _read_path(variable: str) -> Path | None:
    value = os.environ.get(variable)
    return Path(value) if value else None
