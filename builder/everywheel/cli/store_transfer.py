"""Commands `store push` and `store pull`: entries of a project's plan to and from remote stores."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from everywheel.cli.failures import describe_interruption
from everywheel.cli.options import (
    collect_options,
    make_remote_options,
    remote_key_options,
    remote_option,
    target_option,
    target_set_option,
)
from everywheel.cli.output import echo
from everywheel.cli.progress import ProgressDisplay, make_console, open_display
from everywheel.cli.run_plan import choose_targets, list_target_set
from everywheel.cli.store_lease import open_store
from everywheel.config.project import Project
from everywheel.config.remote_settings import RemoteSettings, load_remote_settings
from everywheel.config.settings_file import find_settings, has_project
from everywheel.errors import MachineError, UsageError, count_noun
from everywheel.pipeline import plan_targets
from everywheel.planning.steps import Step
from everywheel.recognition.project_loader import load_project
from everywheel.remote.exchange import Exchange
from everywheel.remote.opening import ADDRESSES_VARIABLE, RemoteOptions, open_remotes
from everywheel.remote.stores import PARALLEL, RemoteStores
from everywheel.sources.deadline import Deadline
from everywheel.sources.lanes import run_in_lanes
from everywheel.store.local import Store
from everywheel.wheels.build_lock import ensure_build_lock, find_build_lock

_ARRIVED_IS_KEPT = "entries that arrived are kept, and the next run transfers the others"
_NO_LIMIT = 7 * 86400.0  # seconds; each request has its own limit

transfer_options = collect_options("options", make_remote_options, remote_option, *remote_key_options(hidden=False))


def find_remotes(root: Path, options: RemoteOptions, **settings: Any) -> tuple[Exchange, ...]:
    """Return the remote stores that a command names, or those of the project in a folder. Raises UsageError without any."""
    own = RemoteSettings()
    if has_project(root):
        settings_file = find_settings(root)
        own = load_remote_settings(settings_file.table, settings_file.folder)
    exchanges = open_remotes(own, options, **settings)
    if not exchanges:
        raise UsageError(
            "no remote store is named",
            hint=f"name one with --remote or {ADDRESSES_VARIABLE}, or with `remote` in the project's settings",
        )
    return exchanges


def select_steps(project: Project, tags: Sequence[str], target_set: str) -> list[Step]:
    """Return the steps of the plan for targets of a project."""
    targets = choose_targets(project, tags or list_target_set(project, target_set))
    return list(plan_targets(project, targets).steps.values())


@click.command("push", short_help="Upload the results of a project to remote stores.")
@target_option
@target_set_option
@click.option("--all", "everything", is_flag=True, help="Upload every entry of the store.")
@transfer_options
@click.pass_obj
@describe_interruption(_ARRIVED_IS_KEPT)
def push_command(
    root: Path, targets: tuple[str, ...], target_set: str, everything: bool, options: RemoteOptions
) -> None:
    """Upload the artifacts and wheels of the project's plan to the remote stores that do not have them.

    Each is signed with the key of --remote-sign-key or EVERYWHEEL_REMOTE_SIGN_KEY.

    Example: everywheel store push --remote s3://bucket/store --remote-sign-key ~/.ssh/id_ed25519
    """
    exchanges = [exchange for exchange in find_remotes(root, options) if exchange.can_send]
    if not exchanges:
        raise UsageError(
            "no remote store accepts uploads",
            hint="name a folder or a bucket without `#read-only`, and the key that signs with --remote-sign-key",
        )
    store = open_store()
    if everything:
        keys = store.list_keys()
    else:
        project = find_build_lock(load_project(root), store)
        keys = [step.key for step in select_steps(project, targets, target_set)]
    entries = [entry for entry in map(store.find, keys) if entry is not None]
    with open_display(make_console(), total=len(entries), noun="entries") as display:
        remotes = RemoteStores(exchanges, store, display.fetch)
        tasks = [partial(remotes.send, entry.key) for entry in entries]
        lanes = run_in_lanes({"": tasks}, jobs=PARALLEL, deadline=Deadline(_NO_LIMIT), per_host=PARALLEL)
        complete = sum(count == len(exchanges) for count in lanes)
    _fail_on_faults(exchanges, len(entries) - complete, "uploaded")
    names = " and ".join(exchange.name for exchange in exchanges)
    echo(f"{complete} of {count_noun(len(entries), 'entry', 'entries')} in {names}")


@click.command("pull", short_help="Receive the results of a project from remote stores.")
@target_option
@target_set_option
@transfer_options
@click.pass_obj
@describe_interruption(_ARRIVED_IS_KEPT)
def pull_command(root: Path, targets: tuple[str, ...], target_set: str, options: RemoteOptions) -> None:
    """Receive the artifacts and wheels of the project's plan that the store does not have from remote stores.

    Each must be signed by a key of --remote-keys or EVERYWHEEL_REMOTE_KEYS. A build receives what it needs by itself.

    Example: everywheel store pull --remote https://example.org/store --remote-keys builders.pub
    """
    exchanges = find_remotes(root, options)
    store = open_store()
    steps = select_steps(ensure_build_lock(load_project(root), store), targets, target_set)
    missing = [step for step in steps if store.find(step.key) is None]
    with open_display(make_console(), total=len(missing), noun="entries") as display:
        received = _receive(exchanges, missing, store, display)
    left = len(missing) - received
    _fail_on_faults(exchanges, left, "received")
    echo(f"{received} received, {len(steps) - len(missing)} were in the store, {left} in no remote store")


def _receive(exchanges: Sequence[Exchange], missing: Sequence[Step], store: Store, display: ProgressDisplay) -> int:
    return len(RemoteStores(exchanges, store, display.fetch).fetch(missing))


def _fail_on_faults(exchanges: Sequence[Exchange], left: int, verb: str) -> None:
    """Raise MachineError when entries were not transferred because of the faults of a remote."""
    faulty = [exchange for exchange in exchanges if exchange.faults]
    if left and faulty:
        raise MachineError(
            f"{count_noun(left, 'entry was', 'entries were')} not {verb}",
            details={"faults": ", ".join(f"{exchange.name}: {exchange.faults}" for exchange in faulty)},
            hint="the warnings above have the reasons; the next run transfers only what is missing",
        )
