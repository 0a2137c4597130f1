"""Command line options that several commands share, and the dataclasses with their values."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from everywheel.cli.project_source import choose_wheelhouse_folder, config_option
from everywheel.config.project import Project
from everywheel.config.python_spec import read_python_tag
from everywheel.config.recipe import Linkage
from everywheel.errors import UsageError
from everywheel.recognition.project_loader import load_project
from everywheel.toolchains.compilers import EngineName

if TYPE_CHECKING:
    from everywheel.pipeline import BuildOptions
    from everywheel.planning.shards import ShardNumber
    from everywheel.remote.opening import RemoteOptions

_Command = Callable[..., None]
_Decorator = Callable[[_Command], _Command]

target_option = click.option(
    "--target", "-t", "targets", multiple=True, metavar="TAG", help="Platform tag of a target; repeatable."
)
target_set_option = click.option(
    "--targets",
    "target_set",
    type=click.Choice(["project", "release", "all"]),
    default="project",
    metavar="NAME",
    help="Without --target: project (default), release or all.",
)


def _parse_shard(ctx: click.Context, param: click.Parameter, value: str | None) -> ShardNumber | None:
    from everywheel.planning.shards import parse_shard

    return None if value is None else parse_shard(value)


shard_option = click.option(
    "--shard",
    metavar="INDEX/COUNT",
    callback=_parse_shard,
    help="Only this part of the steps: one of COUNT of about the same work.",
)
jobs_option = click.option(
    "--jobs", "-j", type=click.IntRange(1), metavar="N", help="Parallel jobs [default: usable processors]."
)
offline_option = click.option("--offline", is_flag=True, help="Never use the network.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output.")
runtime_option = click.option("--runtime", metavar="NAME", help="docker or podman [default: the first that responds].")
timeout_option = click.option(
    "--timeout",
    type=click.IntRange(1),
    default=1800,
    show_default=True,
    metavar="SECONDS",
    help="Time limit for all sources together.",
)


remote_option = click.option(
    "--remote",
    multiple=True,
    metavar="URL",
    help="Remote store: a folder, https://, s3:// or gs://; repeatable.",
)
no_remote_option = click.option("--no-remote", is_flag=True, help="Use no remote store: build everything here.")


def remote_key_options(*, hidden: bool) -> tuple[Any, Any]:
    """Return the options for keys; the commands that build have too many options to list them, and variables."""
    keys = click.option(
        "--remote-keys",
        type=click.Path(path_type=Path),
        metavar="FILE",
        hidden=hidden,
        help="OpenSSH public keys: entries that none has signed are refused.",
    )
    sign_key = click.option(
        "--remote-sign-key",
        type=click.Path(path_type=Path),
        metavar="FILE",
        hidden=hidden,
        help="OpenSSH key that signs uploads; none without it.",
    )
    return (keys, sign_key)


def _set_verbose(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    from everywheel.cli.progress import start_verbose

    if value:
        start_verbose(ctx)


verbose_option = click.option(
    "--verbose",
    "-v",
    is_flag=True,
    expose_value=False,
    callback=_set_verbose,
    help="Print every command and its output as it runs.",
)


def _check_profiles(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if not all(value.partition("=")):
            raise UsageError(
                f"'--profile {value}' does not have the form RECIPE=NAME",
                hint="`everywheel recipes show RECIPE` lists the profiles of a recipe",
            )
    return values


_keep_option = click.option("--keep-workspaces", "keep", is_flag=True, help="Keep the workspaces of successful steps.")
_engine_option = click.option(
    "--engine",
    type=click.Choice([name.value for name in EngineName]),
    default=EngineName.ZIG.value,
    metavar="NAME",
    help="zig (default), container or native (local).",
)
profile_option = click.option(
    "--profile",
    "profiles",
    multiple=True,
    metavar="RECIPE=NAME",
    callback=_check_profiles,
    help="Select a recipe's profile; repeatable.",
)
_linkage_option = click.option(
    "--linkage",
    type=click.Choice([name.value for name in Linkage]),
    default=Linkage.SHARED.value,
    metavar="NAME",
    help="shared (default), static (in the module), or system (the user's).",
)


def _read_pythons(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Return the tags of Pythons, of which some may be versions: `cp312` for `3.12`, `cp314t` for `3.14t`."""
    return tuple(map(read_python_tag, values))


_python_help = "Python, such as 3.12, cp312 or cp311-abi3; repeatable."
_python_option = click.option(
    "--python", "pythons", multiple=True, metavar="TAG", callback=_read_pythons, help=_python_help
)
_requires_option = click.option(
    "--requires", multiple=True, metavar="RECIPE", help="Library that the extension is linked to; repeatable."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The part of a project to build: target tags (empty for the project's own), engine, profiles and linkage.

    `config` is a file with settings, and `pythons` and `requires` replace these keys of the settings.
    """

    targets: tuple[str, ...] = ()
    engine: EngineName = EngineName.ZIG
    profiles: tuple[str, ...] = ()
    linkage: Linkage = Linkage.SHARED
    config: Path | None = None
    pythons: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()

    def load_project(self, root: Path) -> Project:
        """Load the project in a folder with the selected settings, profiles and linkage."""
        options = {"python": list(self.pythons), "requires": list(self.requires)}
        return load_project(
            root,
            self.profiles,
            self.linkage,
            config=self.config,
            options={key: values for key, values in options.items() if values},
            wheelhouse=choose_wheelhouse_folder(root, self.config),
        )

    @property
    def arguments(self) -> tuple[str, ...]:
        """The options of a command line that makes this selection."""
        options = {
            "--target": self.targets,
            "--engine": () if self.engine is EngineName.ZIG else (self.engine,),
            "--profile": self.profiles,
            "--linkage": () if self.linkage is Linkage.SHARED else (self.linkage,),
            "--config": () if self.config is None else (str(self.config),),
            "--python": self.pythons,
            "--requires": self.requires,
        }
        return tuple(text for option, values in options.items() for value in values for text in (option, str(value)))


def collect_options(name: str, make: Callable[..., object], *options: _Decorator) -> _Decorator:
    """Return a decorator that adds options to a command, which receives them as one argument.

    `make` is called with the values of the options as keyword arguments; the command receives its result as `name`.
    """

    def decorate(command: _Command) -> _Command:
        @functools.wraps(command)
        def wrapper(*args: Any, **kwargs: Any) -> None:
            values = {parameter: kwargs.pop(parameter) for parameter in parameters}
            command(*args, **{name: make(**values)}, **kwargs)

        decorated: Any = wrapper
        first = len(getattr(command, "__click_params__", ()))
        for option in reversed(options):
            decorated = option(decorated)
        parameters = [option.name for option in decorated.__click_params__[first:] if option.expose_value]
        return cast(_Command, decorated)

    return decorate


def _make_selection(
    targets: tuple[str, ...],
    engine: str,
    profiles: tuple[str, ...],
    config: Path | None,
    linkage: str = Linkage.SHARED.value,
    pythons: tuple[str, ...] = (),
    requires: tuple[str, ...] = (),
) -> Selection:
    return Selection(
        targets=targets,
        engine=EngineName(engine),
        profiles=profiles,
        linkage=Linkage(linkage),
        config=config,
        pythons=pythons,
        requires=requires,
    )


def _make_build_options(
    jobs: int | None, offline: bool, timeout: int, keep: bool = False, **remote: Any
) -> BuildOptions:
    # Imported here: `--help` and small commands start faster without it.
    from everywheel.execution.jobserver import default_jobs
    from everywheel.pipeline import BuildOptions

    return BuildOptions(
        jobs=jobs or default_jobs(), offline=offline, timeout=timeout, keep=keep, remote=make_remote_options(**remote)
    )


def make_remote_options(
    remote: tuple[str, ...], remote_keys: Path | None, remote_sign_key: Path | None, no_remote: bool = False
) -> RemoteOptions:
    """Return the values of the options for remote stores."""
    from everywheel.remote.opening import RemoteOptions

    return RemoteOptions(addresses=remote, keys=remote_keys, sign_key=remote_sign_key, is_disabled=no_remote)


selection_options = collect_options(
    "selection",
    _make_selection,
    target_option,
    _engine_option,
    profile_option,
    _linkage_option,
    config_option,
    _python_option,
    _requires_option,
)
# For commands that build libraries in more than one linkage, and no wheels.
library_selection_options = collect_options(
    "selection", _make_selection, target_option, _engine_option, profile_option, config_option
)
_BUILD_OPTIONS = (jobs_option, offline_option, timeout_option, verbose_option)
_REMOTE_OPTIONS = (remote_option, *remote_key_options(hidden=True), no_remote_option)
build_options = collect_options("options", _make_build_options, *_BUILD_OPTIONS, *_REMOTE_OPTIONS)
worker_options = collect_options(
    "options",
    _make_build_options,
    jobs_option,
    offline_option,
    timeout_option,
    remote_option,
    *remote_key_options(hidden=False),
)
build_and_keep_options = collect_options(
    "options", _make_build_options, *_BUILD_OPTIONS, _keep_option, *_REMOTE_OPTIONS
)
