"""Command `recipes new`: the draft of a recipe from the address of a source archive."""

from __future__ import annotations

import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import unquote, urlsplit

import click

from everywheel.cli.options import verbose_option
from everywheel.cli.output import echo
from everywheel.cli.store_lease import open_store
from everywheel.config.recipe_loader import load_recipe
from everywheel.config.text_rules import RECIPE_NAME, URL, VERSION
from everywheel.errors import SourceError, UsageError
from everywheel.execution.files import hash_file, translate_os_errors
from everywheel.execution.retry import RetryPolicy
from everywheel.recognition.library_source import LibrarySource, recognize_library
from everywheel.sources.deadline import Deadline, DeadlineExceeded
from everywheel.sources.http import Limits, download
from everywheel.sources.request import PinnedFile, Unavailable
from everywheel.sources.unpack import unpack_archive

_TIME_LIMIT = 600.0  # seconds
_NUMBERS = r"(\d+(?:[._]\d+)*[A-Za-z0-9.]*?)"
_VERSION = re.compile(rf"(?:^|[-_/v]){_NUMBERS}(?:\+[a-z0-9]+)?(?:\.orig)?\.(?:tar\.\w+|tgz|tbz2|txz)$")
_HINT = "the address is that of the archive itself, such as https://…/foo-1.0.tar.gz"

# The comments of a draft in [build], for build systems without switches for tests and parts.
_COMMENTS = {
    "make": (
        '# configure = ["./configure", "--prefix={prefix}"]  # if the source has a script that is not of autoconf',
        "# compile = []  # targets of make: those of the library only",
        "# options = {}  # variables of make",
    )
}


@click.command("new", short_help="Draft a recipe from the address of a source archive.")
@click.argument("name")
@click.argument("url")
@click.option("--version", metavar="TEXT", default="", help="The version [default: the one in the address].")
@verbose_option
@click.pass_obj
def new_command(root: Path, name: str, url: str, version: str) -> None:
    """Download a library's source archive, and draft its recipe in recipes/NAME: pin, build system, license and products.

    The draft is a beginning: it names what to check, and `everywheel deps NAME` builds it.

    Example: everywheel recipes new libfoo https://example.org/libfoo-1.0.tar.gz
    """
    folder = root / "recipes" / name
    version = version or _find_version(url)
    for rule, text, title in ((RECIPE_NAME, name, "name"), (URL, url, "address"), (VERSION, version, "version")):
        if not rule.accepts(text):
            hint = "name it with --version" if title == "version" else _HINT if title == "address" else rule.hint
            raise UsageError(f"'{text}' is not {rule.description}" if text else f"{url} has no version", hint=hint)
    if folder.exists():
        raise UsageError(f"{folder} exists", hint="remove it, or choose another name")
    with TemporaryDirectory(dir=open_store().root / "tmp") as temporary:
        archive = Path(temporary) / "archive"
        _download(url, archive)
        filename = unquote(urlsplit(url).path).rpartition("/")[2]
        pin = PinnedFile(label=f"{name} {version}", filename=filename, sha256=hash_file(archive))
        unpack_archive(pin, archive, Path(temporary) / "source")
        source = recognize_library(Path(temporary) / "source", name)
        text = _render(name, version, url, pin.sha256, archive.stat().st_size, source)
    with translate_os_errors(folder):
        folder.mkdir(parents=True)
        (folder / "recipe.toml").write_text(text, encoding="utf-8")
    load_recipe(folder / "recipe.toml")
    echo(f"written: {folder / 'recipe.toml'}")
    if not source.system:
        echo(f"the source has no build file that is known: write {folder / 'overlay' / 'meson.build'}")
    if not source.license_files:
        echo("the source has no file with a license at its top: name the files with its text in `license`")
    echo(f"check the comments in it, then run `everywheel deps {name}`")


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


def _render(name: str, version: str, url: str, sha256: str, size: int, source: LibrarySource) -> str:
    """Return the text of recipe.toml; comments name what was not recognized, or guessed."""
    files = source.license_files or ("LICENSE",)
    license_note = "read from the source: compare it" if source.license else "not recognized: name the license"
    if not source.license_files:
        license_note += ", and the files with its text"
    lines = [
        f"name = {json.dumps(name)}",
        f"version = {json.dumps(version)}",
        f'summary = "{name}"  # one line',
        f"# {license_note}",
        f"license = {{ spdx = {json.dumps(source.license or f'LicenseRef-{name}')}, files = {json.dumps(list(files))} }}",
        "# requires = []  # recipes of the libraries that it is linked to",
        "",
        "[source]",
        f"urls = [{json.dumps(url.replace(version, '{version}'))}]",
        f'sha256 = "{sha256}"',
        f"size = {size}",
        "",
        "[build]",
        f'system = "{source.system or "meson"}"',
        *([f"subdir = {json.dumps(source.subdir)}"] if source.subdir else []),
        *_COMMENTS.get(source.system, ("# disable = []  # tests, programs and optional parts",)),
        "",
        "[products]",
        "# guessed from the build files: what the build must install",
        f"libraries = {json.dumps(list(source.libraries))}",
        f"pkgconfig = {json.dumps(list(source.pkgconfig))}",
        "# sonames and exports are for a shared library; see the page about recipes",
    ]
    return "\n".join(lines) + "\n"
