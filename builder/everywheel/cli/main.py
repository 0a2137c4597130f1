"""The program `everywheel`: its commands, and the text and exit code for errors."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import click

from everywheel import __doc__ as package_summary
from everywheel.cli.failures import exit_for
from everywheel.cli.options import verbose_option
from everywheel.cli.output import echo
from everywheel.cli.project_source import open_project
from everywheel.config.suggestions import suggest
from everywheel.containers.command_report import record_command
from everywheel.errors import MachineError, UsageError, printable_line
from everywheel.execution.notices import listen_to_notices

_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
# Each command is defined in the module of the same name.
_COMMANDS = (
    "init",
    "plan",
    "build",
    "worker",
    "deps",
    "sdk",
    "shell",
    "repair",
    "audit",
    "explain",
    "vex",
    "provenance",
    "verify",
    "rebuild",
    "smoke",
    "images",
    "recipes",
    "sources",
    "store",
    "sdist",
    "lock",
    "matrix",
    "release",
    "doctor",
)


class Commands(click.Group):
    """The group of all commands; prints errors without a traceback, and exits with their exit codes.

    Only the module of the invoked command is imported: importing some modules takes longer than running other commands.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"everywheel.cli.{cmd_name}").COMMAND
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        # click suggests only commands that are already imported.
        if args[0] not in _COMMANDS and not args[0].startswith("-"):
            raise UsageError(f"there is no command '{args[0]}'", hint=suggest(args[0], _COMMANDS))
        return super().resolve_command(ctx, args)

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        try:
            return super().make_context(*args, **extra)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except (Exception, KeyboardInterrupt) as error:
            exit_for(error)

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except (Exception, KeyboardInterrupt) as error:
            exit_for(error, show_traceback=bool(ctx.params.get("traceback")))


@click.group(
    cls=Commands,
    context_settings=_CONTEXT,
    help=f"{package_summary}\n\nExample: everywheel build --target manylinux_2_28_aarch64",
)
@click.option(
    "--project",
    "-p",
    type=click.Path(path_type=Path),
    default=Path(),
    help="Directory or source distribution of the project [default: .].",
)
@verbose_option
@click.option("--traceback", is_flag=True, help="Show a Python traceback with an error.")
@click.option(
    "--report-dir",
    type=click.Path(path_type=Path),
    hidden=True,
    help="Write the command's stage and error to a file in this directory (for commands in build containers).",
)
@click.version_option(package_name="everywheel")
@click.pass_context
def main(ctx: click.Context, project: Path, traceback: bool, report_dir: Path | None) -> None:
    _check_working_directory()
    ctx.with_resource(listen_to_notices(_print_notice))
    ctx.obj = open_project(project)
    if report_dir is not None and ctx.invoked_subcommand is not None:
        ctx.with_resource(record_command(report_dir, ctx.invoked_subcommand))


def _print_notice(message: str) -> None:
    echo(printable_line(f"warning: {message}"), err=True)


def _check_working_directory() -> None:
    try:
        Path.cwd()
    except OSError as error:
        raise MachineError(
            "the working directory cannot be used",
            details={"reason": (error.strerror or str(error)).lower()},
            hint="it was deleted or made unreadable: change to another directory with `cd`",
        ) from None
