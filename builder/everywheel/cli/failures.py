"""The end of a command by an exception: the text that the user sees, and the exit code."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterator
from typing import NoReturn

import click

from everywheel.cli.output import echo
from everywheel.containers.command_report import record_error
from everywheel.errors import EverywheelError, MachineError
from everywheel.execution.cancellation import Interrupted, current_cancellation
from everywheel.execution.files import describe_os_error

INTERRUPTED = 130
CLOSED_OUTPUT = 141
"""The exit code of a program whose reader has ended, such as `head`: 128 and the number of SIGPIPE."""
INTERRUPTION = "interrupted"


@contextlib.contextmanager
def describe_interruption(state: str) -> Iterator[None]:
    """Add to the message for an interruption of the body what is left of its work; commands differ in it."""
    try:
        yield
    except BaseException as error:
        if _is_interruption(error) and not hasattr(error, "__notes__"):
            error.add_note(state)
        raise


def _is_interruption(raised: BaseException) -> bool:
    return isinstance(raised, KeyboardInterrupt | Interrupted | click.Abort) or current_cancellation().is_canceled


def exit_for(raised: BaseException, *, show_traceback: bool = False) -> NoReturn:
    """Print what ended a command, and end the program with its exit code through click."""
    raise click.exceptions.Exit(_report(raised, show_traceback=show_traceback))


def _report(raised: BaseException, *, show_traceback: bool) -> int:
    if _is_interruption(raised):
        record_error(EverywheelError("interrupted"))
        _print(": ".join([INTERRUPTION, *getattr(raised, "__notes__", ())]))
        return INTERRUPTED
    if isinstance(raised, BrokenPipeError):
        return CLOSED_OUTPUT
    error = _describe(raised)
    if show_traceback:
        _print("".join(traceback.format_exception(raised)))
    record_error(error)
    _print(error.render())
    return error.exit_code


def _describe(raised: BaseException) -> EverywheelError:
    """Return an exception as an error of the user interface."""
    if isinstance(raised, EverywheelError):
        return raised
    if isinstance(raised, OSError) and raised.errno is not None:
        return describe_os_error(raised)
    return EverywheelError(
        f"unexpected {type(raised).__name__}: {raised}",
        hint="`everywheel --traceback …` shows where it is raised: please report it with that output",
    )


def _print(text: str) -> None:
    with contextlib.suppress(OSError, MachineError):  # a closed or full standard error
        echo(text, err=True)
