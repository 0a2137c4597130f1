"""Errors of a container runtime: exceptions of its client library, translated into MachineError."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import requests
from docker.errors import APIError, DockerException

from everywheel.errors import MachineError
from everywheel.execution.cancellation import current_cancellation

START_HINT = "start it with `systemctl start docker`, or `dockerd &` without systemd"


@contextlib.contextmanager
def translate_errors(runtime: str) -> Iterator[None]:
    """Raise MachineError if the runtime stops answering or refuses a request; Interrupted after a cancellation."""
    try:
        yield
    except (requests.RequestException, DockerException) as error:
        current_cancellation().check()
        reason = describe_error(error)
        if "no space left" in reason:
            raise MachineError(
                f"{runtime}'s disk is full",
                details={"reason": reason},
                hint="`everywheel images prune` removes images of everywheel; `docker system df` lists all others",
            ) from None
        if isinstance(error, requests.RequestException):
            raise MachineError(f"{runtime} stopped answering", details={"reason": reason}, hint=START_HINT) from None
        raise MachineError(f"{runtime} refused a request", details={"reason": reason}) from None


def describe_error(error: BaseException) -> str:
    """Return the cause of an error of the client library, without the exceptions and URLs around it."""
    if isinstance(error, APIError) and error.explanation:
        return str(error.explanation)
    text = str(error)
    for cause in ("Permission denied", "Connection refused", "No such file or directory", "timed out"):
        if cause.lower() in text.lower():
            return cause.lower()
    return text
