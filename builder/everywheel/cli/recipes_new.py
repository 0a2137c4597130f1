"""Command `recipes new`: the draft of a recipe from a source package, or from the address of a source archive."""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import unquote, urlsplit

import click

from everywheel.cli.options import verbose_option
from everywheel.cli.output import echo
from everywheel.cli.recipe_draft import pin_address, pin_package, render_draft
from everywheel.cli.store_lease import open_store
from everywheel.config.recipe_loader import load_recipe
from everywheel.config.settings_file import has_project
from everywheel.config.text_rules import RECIPE_NAME, URL, VERSION
from everywheel.errors import SourceError, UsageError
from everywheel.execution.files import hash_file, translate_os_errors
from everywheel.execution.retry import RetryPolicy
from everywheel.recognition.library_source import LibrarySource, recognize_library
from everywheel.sources.deadline import Deadline, DeadlineExceeded
from everywheel.sources.http import download
from everywheel.sources.locations import find_locations
from everywheel.sources.package_draft import fetch_package
from everywheel.sources.request import PinnedFile, Unavailable
from everywheel.sources.unpack import unpack_archive
from everywheel.sources.url import Limits

_TIME_LIMIT = 600.0  # seconds
_NUMBERS = r"(\d+(?:[._]\d+)*[A-Za-z0-9.]*?)"
_VERSION = re.compile(rf"(?:^|[-_/v]){_NUMBERS}(?:\+[a-z0-9]+)?(?:\.orig)?\.(?:tar\.\w+|tgz|tbz2|txz)$")
_HINT = "the address is that of the archive itself, such as https://…/foo-1.0.tar.gz"


@click.command("new", short_help="Draft a recipe from a source package or archive.")
@click.argument("name")
@click.argument("url", required=False, default="")
@click.option(
    "--debian", metavar="PACKAGE", default="", help="Debian's source package, such as `tiff`, instead of an address."
)
@click.option(
    "--version", metavar="TEXT", default="", help="The version [default: that of the address, or the newest one]."
)
@verbose_option
@click.pass_obj
def new_command(root: Path, name: str, url: str, debian: str, version: str) -> None:
    """Download a library's source archive, and draft its recipe in recipes/NAME: pin, build system, license and products.

    With --debian, the pins are those of the distribution's signed lists: the archive, and patches that fix vulnerabilities.

    The draft is a beginning: it names what to check, and `everywheel deps NAME` builds it.

    \b
    Example: everywheel recipes new libfoo https://example.org/libfoo-1.0.tar.gz
    Example: everywheel recipes new libtiff --debian tiff
    """
    folder = root / "recipes" / name
    if bool(url) == bool(debian):
        raise UsageError(
            "a recipe is drafted from an address or from a source package", hint="name URL or --debian PACKAGE"
        )
    _check_name(name)
    if url:
        version = version or _find_version(url)
        _check_address(url, version)
    if folder.exists():
        raise UsageError(f"{folder} exists", hint="remove it, or choose another name")
    store = open_store()
    with TemporaryDirectory(dir=store.root / "tmp") as temporary:
        if url:
            source, text = _draft_archive(name, url, version, Path(temporary))
        else:
            source, text = _draft_package(name, debian, version, store.root, Path(temporary))
    with translate_os_errors(folder):
        folder.mkdir(parents=True)
        (folder / "recipe.toml").write_text(text, encoding="utf-8")
    load_recipe(folder / "recipe.toml")
    echo(f"written: {folder / 'recipe.toml'}")
    if not source.system:
        echo(f"the source has no build file that is known: write {folder / 'overlay' / 'meson.build'}")
    if not source.license_files:
        echo("the source has no file with a license at its top: name the files with its text in `license`")
    if not has_project(root):
        echo(
            "there is no project here, and `deps` builds a project's recipes: move the recipe to one, or add a pyproject.toml"
        )
    echo(f"check the comments in it, then run `everywheel deps {name}`")


def _check_name(name: str) -> None:
    if not RECIPE_NAME.accepts(name):
        raise UsageError(f"'{name}' is not {RECIPE_NAME.description}", hint=RECIPE_NAME.hint)


def _check_address(url: str, version: str) -> None:
    for rule, text, hint in ((URL, url, _HINT), (VERSION, version, "name it with --version")):
        if not rule.accepts(text):
            raise UsageError(f"'{text}' is not {rule.description}" if text else f"{url} has no version", hint=hint)


def _draft_archive(name: str, url: str, version: str, folder: Path) -> tuple[LibrarySource, str]:
    archive = folder / "archive"
    _download(url, archive)
    filename = unquote(urlsplit(url).path).rpartition("/")[2]
    pin = PinnedFile(label=f"{name} {version}", filename=filename, sha256=hash_file(archive))
    unpack_archive(pin, archive, folder / "source")
    source = recognize_library(folder / "source", name)
    lines = pin_address(url, version, pin.sha256, archive.stat().st_size)
    return source, render_draft(name, version, source, lines)


def _draft_package(name: str, debian: str, version: str, store: Path, folder: Path) -> tuple[LibrarySource, str]:
    package = fetch_package(debian, version, store, folder, find_locations().archives)
    pin = PinnedFile(label=f"{name} {package.version}", filename=package.archive.name, sha256=package.archive.sha256)
    unpack_archive(pin, package.path, folder / "source")
    source = recognize_library(folder / "source", name)
    return source, render_draft(name, package.version, source, pin_package(package))


def _find_version(url: str) -> str:
    """Return the version at the end of an archive's address, or an empty text."""
    match = _VERSION.search(unquote(urlsplit(url).path))
    return match[1] if match else ""


def _download(url: str, path: Path) -> None:
    try:
        download(
            url,
            path,
            limits=Limits(deadline=Deadline(_TIME_LIMIT)),
            retry_policy=RetryPolicy(),
            on_bytes=lambda size, total: None,
        )
    except (Unavailable, DeadlineExceeded) as error:
        details = {"reason": str(error).lower() or "too slow"}
        raise SourceError(f"{url} cannot be downloaded", details=details, hint=_HINT) from None
