"""Tests of wheels after their build, at the same time, on the machine that has built them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from everywheel.config.project import Project
from everywheel.execution.jobserver import open_job_pool
from everywheel.execution.scheduler import LocalExecutor, Outcome, Task, execute
from everywheel.pipeline import BuildOptions, SilentListener
from everywheel.platforms.target import Target
from everywheel.smoke.build_machine import check_on_build_machine
from everywheel.store.local import Store


def check_wheels(
    project: Project, wheels: Mapping[str, tuple[Path, Target]], store: Store, options: BuildOptions
) -> Mapping[str, str]:
    """Test the wheels that this machine and its interpreters can run; return what was tested by the wheel's step.

    Raises SmokeError, with the output, for the first wheel that fails.
    """
    tested: dict[str, str] = {}

    def run(id: str, set_stage: Callable[[str], None]) -> Outcome:
        wheel, target = wheels[id]
        tested[id] = check_on_build_machine(project, wheel, target, store, offline=options.offline)
        return Outcome.DONE

    tasks = [
        Task(id=id, label=f"test of {wheel.name}", requires=(), priority=0.0, work=partial(run, id))
        for id, (wheel, _) in wheels.items()
    ]
    with open_job_pool(options.jobs, options.pool) as pool:
        results = execute(tasks, LocalExecutor(pool), SilentListener()) if tasks else ()
    errors = {result.id: result.error for result in results}
    for error in (errors[id] for id in wheels):
        if error is not None:
            raise error
    return {id: tested[id] for id in wheels if tested[id]}
