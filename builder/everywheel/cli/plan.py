"""Command `plan`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from everywheel.cli.options import Selection, json_option, selection_options
from everywheel.cli.output import echo, make_table, print_table
from everywheel.cli.run_plan import choose_targets
from everywheel.config.project import Project
from everywheel.errors import count_noun
from everywheel.pipeline import plan_targets
from everywheel.planning.plan import finish_plan
from everywheel.planning.steps import Plan, Step
from everywheel.platforms.target import Target
from everywheel.remote.lookup import find_missing
from everywheel.store.local import Store, default_store
from everywheel.toolchains.compilers import EngineName
from everywheel.wheels.build_lock import find_build_lock


@click.command("plan", short_help="Show the steps of a build, and which are in the store.")
@selection_options
@json_option
@click.pass_obj
def plan_command(root: Path, selection: Selection, as_json: bool) -> None:
    """Show every step of a build with its cache key, and whether the store has it. Builds nothing.

    Example: everywheel plan --target musllinux_1_2_aarch64
    """
    show_plan(root, selection, as_json=as_json)


def show_plan(root: Path, selection: Selection, *, as_json: bool) -> None:
    """Print the plan of a selection as a table or as JSON."""
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
    if as_json:
        echo(json.dumps({"steps": _describe_steps(plan, states)}, indent=1))
        return
    table = make_table("step", "version", "target", "key", "")
    for id, step in plan.steps.items():
        table.add_row(step.name, step.version, step.platform, step.key[:12], states[id])
    print_table(table)
    echo(f"{count_noun(len(plan.steps), 'step')}, {len(missing)} to build")


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
    from everywheel.containers.build_wheels import choose_image, describe_container, plan_container
    from everywheel.containers.catalog import find_catalog, load_catalog
    from everywheel.containers.runtime import find_runtime

    catalog = load_catalog(find_catalog(project.root))
    steps: dict[str, Step] = {}
    with find_runtime() as runtime:
        for target in targets:
            image = choose_image(target, catalog, runtime.images, pull=False)
            steps |= plan_container(find_build_lock(project, store, describe_container(image)), image).steps
    return finish_plan(steps)


COMMAND = plan_command
