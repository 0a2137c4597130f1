"""Command `init`: the settings and a workflow for a project, from what its build files state."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

import click

from everywheel.cli.output import echo
from everywheel.cli.project_source import choose_wheelhouse_folder
from everywheel.config.collection import list_recipe_folders, load_collections
from everywheel.config.project import DEFAULT_TARGETS
from everywheel.config.python_spec import default_pythons, oldest_python
from everywheel.config.recipe import Recipe
from everywheel.config.settings_file import SETTINGS_FILE, find_settings
from everywheel.config.toml_reader import Table, read_toml
from everywheel.errors import NothingSelectedError, UsageError, find_page
from everywheel.platforms.target import parse_target
from everywheel.recognition.evidence import LIBRARY_KINDS, Evidence, Kind
from everywheel.recognition.matching import Matches, match_libraries
from everywheel.recognition.project import RecognizedProject, choose_stable_tag, recognize_project
from everywheel.recognition.settings_text import ProposedSettings, format_workflow, is_action

_PYPROJECT = "pyproject.toml"
_WORKFLOW = Path(".github", "workflows", "wheels.yml")


@click.command("init", short_help="Write the settings of a project, from its build files.")
@click.option(
    "--file",
    "file_name",
    type=click.Choice([_PYPROJECT, SETTINGS_FILE]),
    metavar="NAME",
    help="pyproject.toml (default if there is one) or everywheel.toml.",
)
@click.option("--workflow", is_flag=True, help="Also write .github/workflows/wheels.yml; needs --action.")
@click.option("--action", metavar="OWNER/REPO@REF", help="This toolkit's repository on GitHub, for the workflow.")
@click.option("--target", "-t", "targets", multiple=True, metavar="TAG", help="Target to write; repeatable.")
@click.option("--dry-run", is_flag=True, help="Print the files and write nothing.")
@click.pass_obj
def init_command(
    root: Path, file_name: str | None, workflow: bool, action: str | None, targets: tuple[str, ...], dry_run: bool
) -> None:
    """Recognize the project's extension modules and libraries, and write its settings.

    Reads setup.py, setup.cfg, pyproject.toml, meson.build, CMakeLists.txt and scripts of cffi without running them. Finds
    recipes of libraries by the names of pkg-config files and libraries. Nothing that exists is replaced.

    Example: everywheel init --dry-run
    """
    root = root.absolute()
    _check_action(workflow, action)
    for tag in targets:
        parse_target(tag)
    find_settings(root)  # the errors for a folder without a project, and for settings in two files
    project = recognize_project(root)
    _check_modules(root, project)
    recipes = load_collections(list_recipe_folders(root, Table({}, root / _PYPROJECT)))
    matches = match_libraries(project.list_evidence(*LIBRARY_KINDS), recipes)
    settings = ProposedSettings(
        requires=tuple(matches.recipes),
        python=_choose_pythons(root, project, recipes),
        targets=tuple(dict.fromkeys(targets)) or DEFAULT_TARGETS,
    )
    path = _choose_file(root, file_name)
    files = {path: _add_settings(path, settings)}
    if workflow and action is not None:
        repository = _find_repository(root)
        folder = PurePosixPath(root.relative_to(repository).as_posix())
        files[repository / _WORKFLOW] = format_workflow(action, folder)
    _print_findings(project, settings, matches)
    if not dry_run:
        _check_new(root, files)
    for path, text in files.items():
        added = settings.format("[tool.everywheel]") if path.name == _PYPROJECT else text
        echo(
            f"\n{'would write' if dry_run else 'wrote'} {path.relative_to(root) if path.is_relative_to(root) else path}:"
        )
        echo("".join(f"  {line}".rstrip() + "\n" for line in added.splitlines()).rstrip("\n"))
        if not dry_run:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
    if not dry_run:
        echo(f"\nnext: {_next_command(root, path)}")


def _check_action(workflow: bool, action: str | None) -> None:
    """Raise UsageError unless --workflow and --action are given together, and the action is one of another repository."""
    if workflow and action is None:
        raise UsageError(
            "--workflow needs --action: this installation does not know the repository that it comes from",
            hint="`--action OWNER/everywheel@v1`, with the owner of a repository that you trust; a commit pins it",
        )
    if action is not None and not workflow:
        raise UsageError("--action is for the workflow", hint="add --workflow")
    if action is not None and not is_action(action):
        raise UsageError(
            "--action must be a repository and a tag, branch or commit",
            details={"value": repr(action)},
            hint="such as `--action OWNER/everywheel@v1`",
        )


def _check_modules(root: Path, project: RecognizedProject) -> None:
    """Raise NothingSelectedError when no build file defines an extension module."""
    if project.list_evidence(Kind.MODULE):
        return
    details: dict[str, object] = {"backend": project.backend.module}
    if project.unread:
        details["not read"] = "; ".join(project.unread)
    if project.rust:
        details["Rust"] = f"{project.rust}: modules in Rust are not supported"
    raise NothingSelectedError(
        f"{root}: no build file defines an extension module",
        details=details,
        hint="a pure Python project needs no wheels for each target: `pip wheel`; if it has a module, write the settings "
        f"that {find_page('other-projects.md')} describes",
    )


def _choose_pythons(root: Path, project: RecognizedProject, recipes: Mapping[str, Recipe]) -> tuple[str, ...]:
    """Return the entries of `python`: one with the stable ABI, else the supported CPythons."""
    try:
        if project.stable_abi is not None:
            return (choose_stable_tag(project.stable_abi, oldest_python(project.requires_python)),)
        return default_pythons(project.requires_python, recipes)
    except ValueError as error:
        raise UsageError(
            f"{root}: its supported Pythons (Requires-Python) are not a version specifier",
            details={"reason": error},
            hint='such as `requires-python = ">=3.11"`',
        ) from None


def _choose_file(root: Path, name: str | None) -> Path:
    """Return the file for the settings; that of an sdist, which is unpacked in the store, is in the working directory."""
    if choose_wheelhouse_folder(root, None) is None:
        return root / (name or (_PYPROJECT if (root / _PYPROJECT).exists() else SETTINGS_FILE))
    if name == _PYPROJECT:
        raise UsageError(
            "a source distribution is not changed", hint=f"`--file {SETTINGS_FILE}` writes to the working directory"
        )
    return Path.cwd() / SETTINGS_FILE


def _next_command(root: Path, path: Path) -> str:
    return "`everywheel build`" if path.parent == root else f"`everywheel build … --config {path.name}`"


def _add_settings(path: Path, settings: ProposedSettings) -> str:
    """Return the content of a file with the settings at its end; raise UsageError if they cannot be added."""
    if path.name != _PYPROJECT:
        return settings.format("")
    text = path.read_bytes().decode() if path.exists() else ""
    newline = "\r\n" if "\r\n" in text else "\n"
    separator = "" if not text else newline if text.endswith("\n") else newline * 2
    added = text + separator + settings.format("[tool.everywheel]").replace("\n", newline)
    if "everywheel" in tomllib.loads(text).get("tool", {}):
        return text
    try:
        tomllib.loads(added)
    except tomllib.TOMLDecodeError:
        raise UsageError(
            f"{path}: a table cannot be added at its end, since `tool` is written as an inline table",
            hint=f"`everywheel init --file {SETTINGS_FILE}`",
        ) from None
    return added


def _check_new(root: Path, files: Iterable[Path]) -> None:
    """Raise UsageError when the project has settings, or when a file exists that would be replaced."""
    pyproject = root / _PYPROJECT
    tool = read_toml(pyproject).table("tool", {}) if pyproject.exists() else Table({}, pyproject)
    existing = [f"{pyproject}: [tool.everywheel]"] if tool.has("everywheel") else []
    existing += [
        str(path) for path in dict.fromkeys((root / SETTINGS_FILE, *files)) if path.exists() and path != pyproject
    ]
    if existing:
        raise UsageError(
            f"{existing[0]} exists, and is not replaced",
            hint="edit it, or remove it first; `everywheel init --dry-run` prints what would be written",
        )


def _find_repository(root: Path) -> Path:
    """Return the root of the git checkout that contains the project, or the project's folder."""
    return next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), root)


def _print_findings(project: RecognizedProject, settings: ProposedSettings, matches: Matches) -> None:
    echo(f"backend: {project.backend.module}")
    for module in project.list_evidence(Kind.MODULE):
        echo(f"extension module: {module.name} ({module.location})")
    if project.stable_abi is not None:
        echo(f"python: {settings.python[0]}, since it uses the stable ABI ({project.stable_abi.location})")
    else:
        reason = f"requires-python {project.requires_python}" if project.requires_python else "no requires-python"
        echo(f"python: {', '.join(settings.python)} ({reason})")
    for recipe, evidence in matches.recipes.items():
        echo(f"recipe {recipe}: {_describe(evidence)}")
    for recipe, evidence in matches.chosen.items():
        echo(
            f"recipe {recipe} is left out, since the project has a copy: {_describe(evidence)} if {evidence[0].choice}"
        )
    if not matches.recipes and not matches.missing and not matches.chosen:
        echo("libraries: none")
    for item in matches.missing:
        echo(f"no recipe: {_describe([item])}{', which is optional' if item.is_optional else ''}")
    if matches.missing:
        echo(f"`everywheel recipes list` lists the recipes, and {find_page('recipes.md')} describes how to write one")
    for note in project.unread:
        echo(f"not read: {note}")


def _describe(evidence: Iterable[Evidence]) -> str:
    return ", ".join(f"{item.kind} {item.name} ({item.location})" for item in evidence)


COMMAND = init_command
