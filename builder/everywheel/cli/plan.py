"""Command `plan`."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from everywheel.cli.options import Selection, json_option, selection_options, shard_option, target_set_option
from everywheel.cli.output import echo, make_table, print_table
from everywheel.cli.run_plan import apply_target_set, choose_targets
from everywheel.config.project import Project
from everywheel.errors import UsageError, count_noun
from everywheel.pipeline import plan_targets
from everywheel.planning.plan import finish_plan
from everywheel.planning.shards import Shard, ShardNumber, split_plan
from everywheel.planning.steps import Plan, Step
from everywheel.platforms.target import Target
from everywheel.remote.lookup import find_missing
from everywheel.store.local import Store, default_store
from everywheel.toolchains.compilers import EngineName
from everywheel.wheels.build_lock import find_build_lock


@click.command("plan", short_help="Show the steps of a build, and which are in the store.")
@selection_options
@target_set_option
@shard_option
@json_option
@click.pass_obj
def plan_command(root: Path, selection: Selection, target_set: str, shard: ShardNumber | None, as_json: bool) -> None:
    """Show every step of a build with its cache key, and whether the store has it. Builds nothing.

    With --shard, show one of several parts of the plan, what it needs from the others, and the command that builds it.

    Example: everywheel plan --target musllinux_1_2_aarch64
    """
    show_plan(root, apply_target_set(selection, target_set, root), as_json=as_json, shard=shard)


def check_shard(shard: ShardNumber | None, engine: EngineName) -> None:
    """Raise UsageError for a shard of the container engine, which builds whole wheels."""
    if shard is not None and engine is EngineName.CONTAINER:
        raise UsageError(
            "the container engine builds whole wheels, which are not split into shards",
            hint="start a job for each target: `everywheel matrix` lists them",
        )


def show_plan(root: Path, selection: Selection, *, as_json: bool, shard: ShardNumber | None = None) -> None:
    """Print the plan of a selection, or one shard of it, as a table or as JSON."""
    check_shard(shard, selection.engine)
    store = Store(default_store(), create=False)
    project = find_build_lock(selection.load_project(root), store)
    targets = choose_targets(project, selection.targets, selection.engine)
    if selection.engine is EngineName.CONTAINER:
        plan = _plan_containers(project, targets, store)
    else:
        plan = plan_targets(project, targets, selection.engine)
    missing = find_missing(plan, store).steps
    states = {
        id: "build" if id in missing else "cached" if store.find(step.key) else "not needed"
        for id, step in plan.steps.items()
    }
    part = None if shard is None else split_plan(plan, shard.count)[shard.index - 1]
    shown = plan if part is None else Plan(steps={id: plan.steps[id] for id in part.steps}, priority=plan.priority)
    command = None if shard is None else _list_command(root, selection, shard)
    if as_json:
        facts = {} if part is None else _describe_shard(part, plan, command or ())
        echo(json.dumps({**facts, "steps": _describe_steps(shown, states)}, indent=1))
        return
    table = make_table("step", "version", "target", "key", "")
    for id, step in shown.steps.items():
        table.add_row(step.name, step.version, step.platform, step.key[:12], states[id])
    print_table(table)
    to_build = sum(states[id] == "build" for id in shown.steps)
    if part is None:
        echo(f"{count_noun(len(shown.steps), 'step')}, {to_build} to build")
        return
    echo(f"shard {shard}: {count_noun(len(shown.steps), 'step')} of {len(plan.steps)}, {to_build} to build")
    others = count_noun(len(set(part.needs.values())), "other shard")
    echo(f"needs {count_noun(len(part.needs), 'artifact')} of {others}" if part.needs else "needs no other shard")
    echo(f"command: {shlex.join(command or ())}")


def _list_command(root: Path, selection: Selection, shard: ShardNumber) -> tuple[str, ...]:
    """Return the command that builds a shard; it names the project's folder only if that is not the current one."""
    project = () if root.absolute() == Path.cwd() else ("--project", str(root))
    return ("everywheel", *project, "build", *selection.arguments, "--shard", str(shard))


def _describe_shard(shard: Shard, plan: Plan, command: Sequence[str]) -> dict[str, object]:
    return {
        "shard": str(shard.number),
        "command": list(command),
        "needs": [{"id": id, "key": plan.steps[id].key, "shard": number} for id, number in shard.needs.items()],
    }


def _describe_steps(plan: Plan, states: Mapping[str, str]) -> list[dict[str, object]]:
    return [
        {
            "id": id,
            "kind": step.kind,
            "name": step.name,
            "version": step.version,
            "target": step.platform,
            "key": step.key,
            "state": states[id],
            "requires": list(step.requires),
        }
        for id, step in plan.steps.items()
    ]


def _plan_containers(project: Project, targets: Sequence[Target], store: Store) -> Plan:
    from everywheel.containers.build_wheels import describe_container, plan_container
    from everywheel.containers.catalog import find_catalog, load_catalog
    from everywheel.containers.image_choice import choose_image
    from everywheel.containers.runtime import find_runtime

    catalog = load_catalog(find_catalog(project.root))
    steps: dict[str, Step] = {}
    with find_runtime() as runtime:
        for target in targets:
            image = choose_image(target, catalog, runtime.images, pull=False)
            steps |= plan_container(find_build_lock(project, store, describe_container(image)), image).steps
    return finish_plan(steps)


COMMAND = plan_command
