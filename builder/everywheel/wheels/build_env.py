"""The last steps of a target: build the extension's wheel against the prefix, repair it, audit it, keep it."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from everywheel.config.project import Project, digest_tree
from everywheel.config.recipe import Linkage, Optimize
from everywheel.errors import AuditError, BuildError
from everywheel.libraries.build import BuildContext, open_workspace
from everywheel.planning.plan import Plan, Step
from everywheel.store.local import FIXED_TIME
from everywheel.toolchains.build_tools import pinned_versions
from everywheel.toolchains.compilers import EngineName
from everywheel.toolchains.toolchain import Toolchain, write_toolchain
from everywheel.toolchains.virtual_env import ensure_environment, environment_identity, environment_python
from everywheel.wheels.system_linkage import ProvidedSymbols, check_system_linkage, drop_libraries


def build_wheel_step(
    site: BuildContext, step: Step, plan: Plan, project: Project, set_stage: Callable[[str], None]
) -> None:
    """Build, repair and audit the wheel of one target and put it into the store.

    Raises BuildError when a part of it fails and AuditError, with all findings, when the finished wheel is not clean.
    """
    # Imported here: a run in which nothing is to do must not pay for what only a build needs.
    from everywheel.audit import audit_wheel, fail_on_findings
    from everywheel.repair import RepairRequest, repair_wheel
    from everywheel.wheels.macos_availability import check_availability
    from everywheel.wheels.pep517 import WheelBuild, ask_requirements, build_wheel, copy_source
    from everywheel.wheels.wheel import read_wheel

    log = site.log(step)
    log.unlink(missing_ok=True)
    set_stage("prepare")
    workspace, toolchain = prepare_wheel(site, step, plan, project.linkage)
    offered = drop_libraries(workspace / "prefix") if project.linkage is Linkage.SYSTEM else ProvidedSymbols()
    python = step.python or project.python
    headers = project.recipes[python.headers]
    build = WheelBuild(
        target=step.target,
        source=project.extension,
        workspace=workspace,
        prefix=workspace / "prefix",
        python=ensure_backend(site, project),
        python_version=headers.version,
        limited_api=python.is_limited,
        free_threaded=python.is_free_threaded,
        cross_file=toolchain.cross_file,
        native_file=toolchain.native_file,
        cmake_file=toolchain.cmake_file,
        environment={**toolchain.environment, **compiler_environment(toolchain), **site.environment},
        log=log,
        label=f"{project.name} {project.version}",
        settings={name: given[0] if len(given) == 1 else list(given) for name, given in project.settings.items()},
    )
    set_stage("build")
    if asked := ask_requirements(build):
        build = replace(build, python=ensure_backend(site, project, asked))
    if digest_tree(copy_source(build)) != project.digest:
        raise BuildError(f"{step.label}: the extension was changed while the build ran", hint="run the build again")
    try:
        built = build_wheel(build)
    except BuildError as error:
        if project.linkage is Linkage.SYSTEM and error.hint is None:
            error.hint = "linkage is system: the prefix has headers and pkg-config files, and no library to link"
        raise
    leave_out = {python.headers}
    if project.linkage is Linkage.SYSTEM:
        check_system_linkage(built, offered, step.label)
        leave_out |= {plan.steps[id].name for id in step.link}
    set_stage("repair")
    repair = RepairRequest(
        target=step.target,
        prefix=workspace / "prefix",
        patchelf=site.tools.patchelf,
        work=workspace / "repair",
        log=log,
        epoch=FIXED_TIME,
        leave_out=leave_out,
        python=python.tag,
        abi=python.abi,
        native=site.engine.name is EngineName.NATIVE,
    )
    finished = repair_wheel(built, repair, workspace / "finished")
    if step.target.os == "darwin":
        compiler = toolchain.program("cc")
        environ = {**toolchain.environment, **site.environment}
        check_availability(
            read_wheel(finished), step.target, compiler, what=step.label, folder=workspace, environ=environ
        )
    set_stage("audit")
    try:
        fail_on_findings((audit_wheel(finished),))
    except AuditError as error:
        error.details.setdefault("wheel", finished)
        raise
    site.store.put_wheel(step.key, finished, name=step.name, version=step.version, target=step.target.tag)
    if not site.keep:
        shutil.rmtree(workspace, ignore_errors=True)


def prepare_wheel(
    site: BuildContext, step: Step, plan: Plan, linkage: Linkage = Linkage.SHARED
) -> tuple[Path, Toolchain]:
    """Make a wheel's workspace: the target's prefix and compilers for the extension."""
    workspace = open_workspace(site, step, plan)
    linked = {id: resolved for id in step.link if (resolved := plan.steps[id].resolved) is not None}
    # Archives name what they need in turn; a shared library has it inside, and naming it would link it twice.
    shared = [id for id, resolved in linked.items() if resolved.linkage is Linkage.SHARED]
    toolchain = write_toolchain(
        step.target,
        site.engine.compilers(step.target),
        site.tools,
        workspace,
        optimize=Optimize.SPEED,
        # What comes out of archives is the module's own business: nobody else's library may be bound to it.
        exports=() if shared and linkage is Linkage.SHARED else ("PyInit_*",),
        static_pkgconfig=not shared,
    )
    remove_bundled_archives(plan, step.link, workspace / "prefix")
    return workspace, toolchain


def remove_bundled_archives(plan: Plan, steps: Sequence[str], prefix: Path) -> None:
    """Drop archives that a shared library of the same prefix has inside: nobody must link them a second time."""
    linked = {id: resolved for id in steps if (resolved := plan.steps[id].resolved) is not None}
    shared = [id for id, resolved in linked.items() if resolved.linkage is Linkage.SHARED]
    inside = {need for id in shared for need in plan.steps[id].link if linked[need].linkage is Linkage.STATIC}
    for name in (name for id in inside for name in linked[id].recipe.products.libraries):
        (prefix / "lib" / f"lib{name}.a").unlink(missing_ok=True)


def ensure_backend(site: BuildContext, project: Project, asked: Sequence[str] = ()) -> Path:
    """Return the Python of an environment with the extension's build requirements, and what its backend asked for.

    The tools' own pins hold there as well.
    """
    requires = sorted({*project.build_requires, *asked})
    constraints = "".join(f"{name}=={pinned}\n" for name, pinned in sorted(pinned_versions().items()))
    identity = environment_identity("\n".join([*requires, constraints]), site.store.root)
    tools = site.store.root / "tools"
    pins = tools / f"constraints-{hashlib.sha256(constraints.encode()).hexdigest()[:12]}.txt"
    if not pins.exists():
        pins.write_text(constraints)
    environment = ensure_environment(
        tools / f"backend-{identity}",
        ["-c", str(pins), *requires],
        what=f"build requirements of {project.name}",
        log=site.store.root / "logs" / "backend.log",
        offline=site.offline,
    )
    return environment_python(environment)


def compiler_environment(toolchain: Toolchain) -> dict[str, str]:
    """Return the variables by which build backends without cross files find the compilers."""
    flags = " ".join(toolchain.compile_flags)
    return {
        "CC": str(toolchain.program("cc")),
        "CXX": str(toolchain.program("c++")),
        "AR": str(toolchain.program("ar")),
        "LDSHARED": f"{toolchain.program('cc')} -shared",
        "PKG_CONFIG": str(toolchain.program("pkg-config")),
        "CFLAGS": flags,
        "CXXFLAGS": flags,
        "LDFLAGS": " ".join(toolchain.link_flags),
    }
