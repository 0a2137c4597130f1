"""Addresses of schedulers: which are accepted, and what is reported when no scheduler answers, or with other certificates."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import dask
import pytest
from distributed.security import Security
from everywheel.cluster import scheduler_address
from everywheel.cluster.scheduler_address import SchedulerAddress, check_scheduler, load_security, parse_scheduler
from everywheel.errors import EverywheelError, UsageError

FORMS = "  hint: dask://127.0.0.1:8786 for a scheduler on this machine, tls://HOST:8786 for any other"


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("dask://127.0.0.1:8786", "tcp://127.0.0.1:8786"),
        ("dask://localhost", "tcp://localhost:8786"),
        ("dask://[::1]:1/", "tcp://[::1]:1"),
        ("tls://scheduler.example.org", "tls://scheduler.example.org:8786"),
        ("tls://10.0.0.7:443", "tls://10.0.0.7:443"),
    ],
)
def test_an_address_is_that_of_dask(text: str, url: str) -> None:
    assert parse_scheduler(text).url == url


@pytest.mark.parametrize(
    "text",
    ["", "localhost:8786", "tcp://127.0.0.1:1", "dask://", "dask://h:0", "dask://h:65536", "dask://a b", "tls://h:1/x"],
)
def test_any_other_text_is_an_error(text: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_scheduler(text)

    assert raised.value.render() == f"error: '{text}' is not the address of a dask scheduler\n{FORMS}"


@pytest.mark.parametrize("host", ["scheduler", "10.0.0.7", "[2001:db8::1]", "localhost.example.org"])
def test_another_machine_needs_encryption(host: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_scheduler(f"dask://{host}:8786")

    assert raised.value.fact == (
        f"dask://{host}:8786 is another machine, and the connection would not be encrypted: all who can connect to a "
        "scheduler can run programs on its workers"
    )


class Authority:
    """Certificates of one authority in a folder, as settings of dask."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        security = Security.temporary()
        self.cert, self.key = folder / "cert.pem", folder / "key.pem"
        self.cert.write_text(security.tls_client_cert)
        self.key.write_text(security.tls_client_key)
        files = {"ca-file": self.cert, "client.cert": self.cert, "client.key": self.key}
        self.settings = {f"distributed.comm.tls.{name}": str(file) for name, file in files.items()}

    def make_server_context(self, accepted: Authority) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(accepted.cert))
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(self.cert, self.key)
        return context


@contextlib.contextmanager
def serve(greeting: bytes, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Accept connections and send a greeting on each; yield the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                    if context is not None:
                        client = context.wrap_socket(client, server_side=True)
                    client.sendall(greeting)
                    client.recv(1)
                except ssl.SSLError:
                    continue
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]


def try_scheduler(port: int, settings: dict[str, str] | None = None) -> str:
    """Check a scheduler, with the settings for TLS if it is encrypted; return the error without the port."""
    address = SchedulerAddress(host="127.0.0.1", port=port, is_encrypted=settings is not None)
    with dask.config.set(settings or {}):
        try:
            check_scheduler(address, load_security(address, "client"), "client")
        except EverywheelError as error:
            text = error.render().split("; /")[0].split("; docs")[0]
            return text.replace(str(port), "PORT").partition("\n  hint: scheduler, workers")[0]
    return "connected"


def test_a_scheduler_greets_its_clients(tmp_path: Path) -> None:
    own = Authority(tmp_path / "own")
    with serve(b"x") as plain, serve(b"x", own.make_server_context(own)) as encrypted:
        assert try_scheduler(plain) == "connected"
        assert try_scheduler(encrypted, own.settings) == "connected"


def test_without_a_scheduler_the_command_that_starts_one_is_shown() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    assert try_scheduler(port) == (
        "error: no dask scheduler answers at dask://127.0.0.1:PORT\n"
        "  reason: connection refused\n"
        "  hint: start one on that machine with `dask scheduler --host 127.0.0.1 --port PORT`"
    )


def test_a_server_of_another_kind_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A server of TLS waits for the client, as one of HTTP does."""
    monkeypatch.setattr(scheduler_address, "_TIMEOUT", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        error = try_scheduler(listener.getsockname()[1])

    assert error == (
        "error: dask://127.0.0.1:PORT accepts connections, but does not answer as a dask scheduler\n"
        "  hint: is it the port of `dask scheduler`, and not of its dashboard?; if it uses TLS, its address is "
        "tls://127.0.0.1:PORT"
    )


@pytest.mark.parametrize(
    ("server", "accepted", "reason"),
    [
        ("other", "own", "its certificate is not signed by the configured authority: self-signed certificate"),
        ("own", "other", "it refuses the certificate of this machine"),
        ("", "", "it answers without TLS"),
    ],
)
def test_each_kind_of_wrong_certificate_has_its_reason(tmp_path: Path, server: str, accepted: str, reason: str) -> None:
    authorities = {name: Authority(tmp_path / name) for name in ("own", "other")}
    context = authorities[server].make_server_context(authorities[accepted]) if server else None
    with serve(b"xxxxxxxxxxxxxxxx", context) as port:
        error = try_scheduler(port, authorities["own"].settings)

    assert error == f"error: the encrypted connection to tls://127.0.0.1:PORT failed\n  reason: {reason}"


def test_missing_and_unusable_certificates_are_errors_before_a_connection(tmp_path: Path) -> None:
    own = Authority(tmp_path / "own")
    address = SchedulerAddress(host="scheduler", port=1, is_encrypted=True)

    ca_file = "distributed.comm.tls.ca-file"
    with dask.config.set({**own.settings, ca_file: None}), pytest.raises(UsageError) as raised:
        load_security(address, "client")
    assert raised.value.fact == "tls://scheduler:1 needs certificates that are not configured"
    assert raised.value.details == {"missing": ca_file}

    own.key.write_text("no key")
    with dask.config.set(own.settings), pytest.raises(UsageError) as raised:
        load_security(address, "client")
    assert raised.value.fact == "the certificates for tls://scheduler:1 cannot be used"

    own.key.unlink()
    with dask.config.set(own.settings), pytest.raises(UsageError) as raised:
        load_security(address, "client")
    assert raised.value.details["reason"] == "no such file or directory"
