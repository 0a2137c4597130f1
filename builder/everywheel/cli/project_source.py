"""The project that a command is for: a folder, a source distribution, or a name on a package index."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from everywheel.cli.output import echo
from everywheel.config.collection import report_unread_recipes
from everywheel.config.settings_file import has_project
from everywheel.errors import SourceError, UsageError
from everywheel.execution.files import hash_file, translate_os_errors

_EMPTY = '[project]\nname = "libraries"\nversion = "0"\n'

config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Settings (everywheel.toml) of an untouched project.",
)


def open_project(path: Path) -> Path:
    """Return the folder of a project: a folder as it is, and an sdist unpacked into the store.

    Raises UsageError for a file that is not an sdist.
    """
    if not path.is_file():
        return path
    from everywheel.cli.store_lease import open_store
    from everywheel.wheels.project_sdist import open_sdist

    return open_sdist(path, open_store())


def find_project(text: str, *, offline: bool = False) -> Path:
    """Return the folder of a project that is named by its folder, its sdist, or its name on the index.

    Raises UsageError for any other text, and SourceError when no index has the project.
    """
    path = Path(text)
    if path.exists():
        return open_project(path)
    if "/" in text or text.endswith((".tar.gz", ".whl", ".zip")):
        raise UsageError(f"{text}: no such file or folder", hint="check the path, or run in the project's folder")
    from everywheel.cli.store_lease import open_store
    from everywheel.wheels.project_sdist import fetch_named_sdist, open_sdist, parse_project_name

    store = open_store()
    name, version = parse_project_name(text)
    try:
        path = fetch_named_sdist(name, version, store, offline=offline)
    except SourceError as error:
        if not version:  # it may as well be meant as a folder
            error.details = {"folder": f"{path.absolute()} does not exist either", **error.details}
        raise
    echo(f"{path.name}: sha256 {hash_file(path)}", err=True)
    return open_sdist(path, store)


@contextlib.contextmanager
def open_empty_project() -> Iterator[Path]:
    """Yield the folder of a temporary project without settings, for commands that need none."""
    from everywheel.cli.store_lease import open_store

    temporary = open_store().root / "tmp"
    with translate_os_errors(temporary), TemporaryDirectory(dir=temporary) as name:
        (Path(name) / "pyproject.toml").write_text(_EMPTY)
        yield Path(name)


def find_recipe_project(ctx: click.Context, root: Path, *, has_recipes: bool) -> Path:
    """Return the folder of the project whose recipes a command uses: outside of any project, the built-in ones.

    Without recipe names on the command line, the project itself is needed.
    """
    if not has_recipes or root != Path() or has_project(root):
        return root
    report_unread_recipes(root)
    return ctx.with_resource(open_empty_project())


def choose_wheelhouse_folder(root: Path, config: Path | None) -> Path | None:
    """Return the folder for the wheels of a project that was not given as its own folder; None for all others."""
    from everywheel.store.local import default_store

    outside = config is not None or root.absolute().is_relative_to(default_store().resolve())
    return Path.cwd() / "wheelhouse" if outside else None
