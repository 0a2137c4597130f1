"""The command line: every command reads its arguments, calls one room, and prints what came back."""

from __future__ import annotations

import importlib
import signal
import sys
import traceback
from pathlib import Path

import click

from everywheel import __doc__ as package_words
from everywheel.errors import EverywheelError
from everywheel.execution.cancellation import Interrupted

_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


# Which module has which command: only that one is imported, since some take longer to import than others to run.
_MODULES = {
    "build": ("plan", "build"),
    "deps": ("deps", "shell"),
    "wheels": ("repair", "audit", "doctor"),
    "smoke": ("smoke",),
    "images": ("images",),
    "recipes": ("recipes",),
    "release": ("matrix", "sdist", "release"),
    "sources": ("sources",),
    "store": ("store",),
}


class Commands(click.Group):
    """The group of all commands; it turns errors into words and exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for names in _MODULES.values() for name in names]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = next((module for module, names in _MODULES.items() if cmd_name in names), None)
        if module is None:
            return None
        found: tuple[click.Command, ...] = importlib.import_module(f"everywheel.cli.{module}").COMMANDS
        return next(command for command in found if command.name == cmd_name)

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except EverywheelError as error:
            if ctx.params.get("traceback"):
                traceback.print_exc()
            click.echo(error.render(), err=True)
            ctx.exit(error.exit_code)
        except (KeyboardInterrupt, Interrupted):
            click.echo("interrupted: what was finished is kept, the next run goes on from there", err=True)
            ctx.exit(130)


@click.group(cls=Commands, context_settings=_CONTEXT, help=package_words)
@click.option("--project", "-p", type=click.Path(path_type=Path), default=Path(), help="Folder of the project.")
@click.option("--traceback", is_flag=True, help="Show where in the code an error arose.")
@click.version_option(package_name="everywheel")
@click.pass_context
def main(ctx: click.Context, project: Path, traceback: bool) -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a cancelled CI job ends as tidily as Ctrl-C does
    ctx.obj = project


if __name__ == "__main__":
    sys.exit(main())
