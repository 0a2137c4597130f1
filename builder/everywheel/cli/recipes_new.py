"""Command `recipes new`: the draft of a recipe from a source package, or from the address of a source archive."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import SplitResult, unquote, urlsplit

import click

from everywheel.cli.output import echo
from everywheel.cli.project_source import open_empty_project
from everywheel.cli.recipe_draft import pin_address, pin_package, render_draft
from everywheel.cli.recipe_trial import Trial, list_findings, trial_options, try_recipe
from everywheel.cli.store_lease import open_store
from everywheel.config.collection import is_built_in, load_available_recipes
from everywheel.config.recipe import Recipe
from everywheel.config.recipe_loader import load_recipe
from everywheel.config.settings_file import has_project
from everywheel.config.text_rules import DEBIAN_PACKAGE, RECIPE_NAME, URL, VERSION
from everywheel.errors import SourceError, UsageError
from everywheel.execution.files import hash_file, translate_os_errors
from everywheel.execution.retry import RetryPolicy
from everywheel.pipeline import BuildOptions
from everywheel.recognition.library_source import LibrarySource, recognize_library
from everywheel.recognition.matching import Matches, match_libraries
from everywheel.sources.cache import store_source
from everywheel.sources.deadline import Deadline, DeadlineExceeded
from everywheel.sources.http import download
from everywheel.sources.locations import find_locations
from everywheel.sources.package_draft import fetch_package
from everywheel.sources.request import CHECK_NETWORK, NoConnection, PinnedFile, Unavailable, Unreachable
from everywheel.sources.unpack import unpack_archive
from everywheel.sources.url import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """The facts about a new recipe before its trial; `skipped` is why a newer version was not taken, if there is one.

    `replaced` is the version of the built-in recipe with the same name, which the project then does not use.
    """

    name: str
    version: str
    source: LibrarySource
    pin: list[str]
    matches: Matches = field(default_factory=lambda: Matches(recipes={}, missing=(), chosen={}))
    skipped: str = ""
    replaced: str = ""


_TIME_LIMIT = 600.0  # seconds
_SHOWN = 3  # locations in one line
_NUMBERS = r"(\d+(?:[._]\d+)*[A-Za-z0-9.]*?)"
_VERSION = re.compile(rf"(?:^|[-_/v]){_NUMBERS}(?:\+[a-z0-9]+)?(?:\.orig)?\.(?:tar\.\w+|tgz|tbz2|txz)$")
_HINT = "the address is that of the archive itself, such as https://…/foo-1.0.tar.gz"
_NO_ZIP = "use upstream's .tar.gz, or Debian's source package with --debian"
_OTHER_ARCHIVE = "name the tar archive that upstream publishes, or Debian's source package with --debian"


@click.command("new", short_help="Draft a recipe from a source package or archive, and try it.")
@click.argument("name")
@click.argument("address", metavar="[URL]", required=False, default="")
@click.option("--url", metavar="URL", default="", help="The address of a source archive, as the argument.")
@click.option(
    "--debian", metavar="PACKAGE", default="", help="Debian's source package, such as `tiff`, instead of an address."
)
@click.option(
    "--version", metavar="TEXT", default="", help="The version [default: that of the address, or the newest one]."
)
@click.option("--no-trial", is_flag=True, help="Build nothing: the products are guessed from the build files.")
@trial_options
@click.pass_context
def new_command(
    ctx: click.Context,
    name: str,
    address: str,
    url: str,
    debian: str,
    version: str,
    no_trial: bool,
    options: BuildOptions,
) -> None:
    """Download a library's source archive, draft its recipe in recipes/NAME, and try it on this machine.

    The draft has the pin, the build system with its options, the license, and the recipes of required libraries. With
    --debian, the pins are those of the distribution's signed lists, with patches that fix vulnerabilities. The trial builds
    the library, static and shared, and proposes what was installed: libraries, headers, pkg-config files, sonames, exports.

    \b
    Example: everywheel recipes new libfoo --url https://example.org/libfoo-1.0.tar.gz
    Example: everywheel recipes new libtiff --debian tiff
    """
    root: Path = ctx.obj
    url = _check_arguments(name, address, url, debian)
    folder = root / "recipes" / name
    if folder.exists():
        again = f"`everywheel recipes try {name}` builds it; " if (folder / "recipe.toml").exists() else ""
        raise UsageError(f"{folder} exists", hint=f"{again}remove it to draft it again, or choose another name")
    store = open_store()
    draft = _make_draft(name, url, debian, version, root, store.root)
    recipe, trial = _write(draft, None, folder), None
    echo(f"written: {folder / 'recipe.toml'}")  # before the trial, which may be interrupted
    if draft.source.system and not no_trial:
        project = root if has_project(root) else ctx.with_resource(open_empty_project())
        trial = try_recipe(recipe, project, store, options)
        _write(draft, trial, folder)
    for line in _list_undecided(draft, trial, root, folder):
        echo(line)
    if has_project(root):
        command = "recipes check --build" if trial is not None and trial.built else "recipes try"
        echo(f"check the comments in it, then run `everywheel {command} {name}`")
    if trial is not None and not trial.built and trial.errors:
        ctx.exit(trial.errors[0].exit_code)


def _check_arguments(name: str, address: str, url: str, debian: str) -> str:
    """Return the address of the archive, empty for a source package; raise UsageError for anything but one of them."""
    if sum(map(bool, (address, url, debian))) != 1:
        raise UsageError(
            "a recipe is drafted from an address or from a source package", hint="name URL or --debian PACKAGE"
        )
    _check_name(name)
    if debian and not DEBIAN_PACKAGE.accepts(debian):
        raise UsageError(
            f"'{debian}' is not {DEBIAN_PACKAGE.description}",
            hint="such as `--debian tiff`; --version names the version",
        )
    return url or address


def _make_draft(name: str, url: str, debian: str, version: str, root: Path, store: Path) -> Draft:
    """Download the source and return what its files state."""
    if url:
        version = version or _find_version(url)
        _check_address(url, version)
    with TemporaryDirectory(dir=store / "tmp") as temporary:
        if url:
            draft = _draft_archive(name, url, version, store, Path(temporary))
        else:
            draft = _draft_package(name, debian, version, store, Path(temporary))
    recipes = load_available_recipes(root)
    own = recipes.pop(name, None)
    replaced = own.version if own is not None and is_built_in(own) else ""
    return replace(draft, matches=match_libraries(draft.source.wanted, recipes), replaced=replaced)


def _write(draft: Draft, trial: Trial | None, folder: Path) -> Recipe:
    """Write the recipe, and return it as it is loaded."""
    text = render_draft(draft.name, draft.version, draft.source, draft.pin, draft.matches, trial)
    with translate_os_errors(folder, "check the owner and the mode of the folder that it is in"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "recipe.toml").write_text(text, encoding="utf-8")
    return load_recipe(folder / "recipe.toml")


def _list_undecided(draft: Draft, trial: Trial | None, root: Path, folder: Path) -> Iterator[str]:
    """Yield one line for everything that the maintainer decides or adds."""
    source = draft.source
    if draft.replaced:
        yield f"it replaces the built-in recipe {draft.name} {draft.replaced} here: to change that one, copy its folder"
    if draft.skipped:
        yield f"newer revisions of the source package were not available: {draft.skipped}"
    if not source.system:
        yield f"the source has no build file that is known: write {folder / 'overlay' / 'meson.build'}"
    if not source.license_files:
        where = f"at its top or on the path to {source.subdir}" if source.subdir else "at its top"
        yield f"the source has no file with a license {where}: name the files with its text in `license`"
    elif not source.license:
        yield "the license was not recognized: name its SPDX expression"
    if source.downloads:
        yield (
            f"the build files download sources that nothing pins ({', '.join(source.downloads[:_SHOWN])}): name their recipes "
            "in `requires`, or disable the parts that use them"
        )
    missing = [item.name for item in draft.matches.missing if not item.is_optional]
    if missing:
        yield f"no recipe has what the build files look for: {', '.join(missing)}"
    if trial is not None:
        yield from list_findings(trial)
    yield "summary, `provides` with a check.c, and `cpe` are yours to write"
    if not has_project(root):
        yield (
            "there is no project here, and `deps` builds a project's recipes: move the recipe to one, or add a pyproject.toml"
        )


def _check_name(name: str) -> None:
    if not RECIPE_NAME.accepts(name):
        raise UsageError(f"'{name}' is not {RECIPE_NAME.description}", hint=RECIPE_NAME.hint)


def _check_address(url: str, version: str) -> None:
    if _find_filename(url).casefold().endswith(".zip"):
        raise UsageError("zip archives are not supported", details={"address": url}, hint=_NO_ZIP)
    for rule, text, hint in ((URL, url, _HINT), (VERSION, version, "name it with --version")):
        if not rule.accepts(text):
            raise UsageError(f"'{text}' is not {rule.description}" if text else f"{url} has no version", hint=hint)
    if "@" in _split(url).netloc:
        raise UsageError(
            "the address has a user name or a password, which the recipe would contain",
            hint="name an address without them",
        )
    if not _find_filename(url):
        raise UsageError(f"{url} names no file", hint=_HINT)


def _draft_archive(name: str, url: str, version: str, store: Path, folder: Path) -> Draft:
    archive = folder / "archive"
    _download(url, archive)
    if not archive.stat().st_size:
        raise SourceError(f"{url} has no content", hint=_OTHER_ARCHIVE)
    pin = PinnedFile(label=f"{name} {version}", filename=_find_filename(url), sha256=hash_file(archive))
    lines = pin_address(url, version, pin.sha256, archive.stat().st_size)
    return Draft(name=name, version=version, source=_recognize(name, pin, archive, store, folder), pin=lines)


def _draft_package(name: str, debian: str, version: str, store: Path, folder: Path) -> Draft:
    package = fetch_package(debian, version, store, folder, find_locations().archives)
    pin = PinnedFile(label=f"{name} {package.version}", filename=package.archive.name, sha256=package.archive.sha256)
    source = _recognize(name, pin, package.path, store, folder)
    return Draft(name=name, version=package.version, source=source, pin=pin_package(package), skipped=package.skipped)


def _recognize(name: str, pin: PinnedFile, archive: Path, store: Path, folder: Path) -> LibrarySource:
    """Return the facts about a source, and keep its archive in the store: a build does not download it again."""
    try:
        unpack_archive(pin, archive, folder / "source")
    except SourceError as error:  # whose next step is about a pin, and no recipe has one yet
        raise SourceError(error.fact, details=error.details, hint=_OTHER_ARCHIVE) from None
    source = recognize_library(folder / "source", name)
    store_source(store, archive, pin.sha256)
    return source


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:  # such as a bracket without its pair
        raise UsageError(f"'{url}' is not {URL.description}", hint=_HINT) from None


def _find_filename(url: str) -> str:
    return unquote(_split(url).path).rpartition("/")[2]


def _find_version(url: str) -> str:
    """Return the version at the end of an archive's address, or an empty text."""
    match = _VERSION.search(unquote(_split(url).path))
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
        raise SourceError(f"{url} cannot be downloaded", details=details, hint=_choose_hint(error)) from None


def _choose_hint(error: Unavailable | DeadlineExceeded) -> str:
    if isinstance(error, NoConnection):
        return CHECK_NETWORK
    return "run it again, or name another address" if isinstance(error, (Unreachable, DeadlineExceeded)) else _HINT
