"""Addresses of dask schedulers, and the check that one answers there, encrypted beyond this machine."""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from everywheel.errors import MachineError, UsageError, find_page

if TYPE_CHECKING:
    from distributed.security import Security

_DEFAULT_PORT = 8786
_TIMEOUT = 10.0  # seconds
_HINT = "dask://127.0.0.1:8786 for a scheduler on this machine, tls://HOST:8786 for any other"
_SETTINGS = {"tls_ca_file": "ca-file", "tls_{}_cert": "{}.cert", "tls_{}_key": "{}.key"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerAddress:
    """The address of a dask scheduler."""

    host: str
    port: int
    is_encrypted: bool

    @property
    def url(self) -> str:
        """The address as dask names it."""
        return f"{'tls' if self.is_encrypted else 'tcp'}://{self._location}"

    @property
    def name(self) -> str:
        """The address as a user names it."""
        return f"{'tls' if self.is_encrypted else 'dask'}://{self._location}"

    @property
    def _location(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_scheduler(text: str) -> SchedulerAddress:
    """Return the address that a text names: `dask://HOST[:PORT]`, or `tls://HOST[:PORT]` for an encrypted connection.

    Raises UsageError for other texts, and for an address beyond this machine without encryption.
    """
    match = re.fullmatch(r"(dask|tls)://(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(?::([0-9]{1,5}))?/?", text)
    port = int(match[3] or _DEFAULT_PORT) if match else 0
    if match is None or not 0 < port < 1 << 16:
        raise UsageError(f"'{text}' is not the address of a dask scheduler", hint=_HINT)
    address = SchedulerAddress(host=match[2].strip("[]"), port=port, is_encrypted=match[1] == "tls")
    if not address.is_encrypted and not _is_this_machine(address.host):
        raise UsageError(
            f"{address.name} is another machine, and the connection would not be encrypted: all who can connect to a "
            "scheduler can run programs on its workers",
            hint=f"use tls://{address.host}:{port}; {find_page('cluster.md')} describes the certificates",
        )
    return address


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def load_security(address: SchedulerAddress, role: str) -> Security:
    """Return the TLS settings for the connections of a role, `client` or `worker`, which are those of dask's configuration.

    Raises UsageError for an encrypted address when files are not configured, missing or not usable.
    """
    from distributed.security import Security

    security = Security(require_encryption=address.is_encrypted)
    if not address.is_encrypted:
        return security
    names = {field.format(role): setting.format(role) for field, setting in _SETTINGS.items()}
    missing = [setting for field, setting in names.items() if not getattr(security, field)]
    hint = f"set them in the environment or in dask's configuration: {find_page('cluster.md')} has an example"
    if missing:
        raise UsageError(
            f"{address.name} needs certificates that are not configured",
            details={"missing": ", ".join(f"distributed.comm.tls.{setting}" for setting in missing)},
            hint=hint,
        )
    try:
        security.get_connection_args(role)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        files = ", ".join(str(getattr(security, field)) for field in names)
        raise UsageError(
            f"the certificates for {address.name} cannot be used",
            details={"files": files, "reason": (getattr(error, "strerror", None) or str(error)).lower()},
            hint=hint,
        ) from None
    return security


def check_scheduler(address: SchedulerAddress, security: Security, role: str) -> None:
    """Raise MachineError unless a scheduler answers at an address, with the certificates of a role if it is encrypted."""
    context = security.get_connection_args(role).get("ssl_context") if address.is_encrypted else None
    try:
        with socket.create_connection((address.host, address.port), timeout=_TIMEOUT) as connection:
            _await_greeting(connection, context, address)
    except ssl.SSLCertVerificationError as error:
        reason = f"its certificate is not signed by the configured authority: {error.verify_message}"
        raise _report_tls(address, reason) from None
    except ssl.SSLError as error:
        raise _report_tls(address, _explain_tls(error)) from None
    except TimeoutError:
        raise _report_silence(address) from None
    except OSError as error:
        raise MachineError(
            f"no dask scheduler answers at {address.name}",
            details={"reason": (error.strerror or str(error)).lower()},
            hint=f"start one on that machine with `dask scheduler --host {address.host} --port {address.port}`",
        ) from None


def _await_greeting(connection: socket.socket, context: ssl.SSLContext | None, address: SchedulerAddress) -> None:
    """Read the first byte: a scheduler sends one without a request, and a server of another kind or with TLS does not."""
    if context is None:
        greeting = connection.recv(1)
    else:
        with context.wrap_socket(connection, server_hostname=address.host) as encrypted:
            greeting = encrypted.recv(1)
    if not greeting:
        raise _report_silence(address)


def _explain_tls(error: ssl.SSLError) -> str:
    text = str(error)
    if "WRONG_VERSION_NUMBER" in text or "RECORD_LAYER" in text:
        return "it answers without TLS"
    if "ALERT" in text:
        return "it refuses the certificate of this machine"
    return (error.reason or text).lower().replace("_", " ")


def _report_tls(address: SchedulerAddress, reason: str) -> MachineError:
    return MachineError(
        f"the encrypted connection to {address.name} failed",
        details={"reason": reason},
        hint=f"scheduler, workers and clients need certificates of one authority: {find_page('cluster.md')} has an example",
    )


def _report_silence(address: SchedulerAddress) -> MachineError:
    other = "" if address.is_encrypted else f"; if it uses TLS, its address is tls://{address.host}:{address.port}"
    return MachineError(
        f"{address.name} accepts connections, but does not answer as a dask scheduler",
        hint=f"is it the port of `dask scheduler`, and not of its dashboard?{other}",
    )
