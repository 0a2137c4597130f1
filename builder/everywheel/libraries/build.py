"""Building one library: a recipe for a target in a workspace of its own, with an engine's compilers and nothing else."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from everywheel.config.recipe import BuildSystem, Recipe, ResolvedRecipe
from everywheel.errors import BuildError
from everywheel.execution.files import hash_file
from everywheel.execution.process import run_logged
from everywheel.libraries.build_systems import build_commands
from everywheel.libraries.features import check_features
from everywheel.libraries.products import check_products, list_spellings, normalize_prefix
from everywheel.planning.plan import Plan, Step, StepKind
from everywheel.sources import PinnedFile, apply_patch, list_source_files, unpack_archive
from everywheel.store.local import Store, pack_tree
from everywheel.toolchains.build_tools import Tools
from everywheel.toolchains.compilers import Engine
from everywheel.toolchains.toolchain import PREFIX, Toolchain, write_toolchain


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildContext:
    """What every step of one run shares: the store, the engine, the tools, the sources, the job pool's environment."""

    store: Store
    engine: Engine
    tools: Tools
    sources: Mapping[str, Path]
    environment: Mapping[str, str]
    keep: bool = False
    offline: bool = False

    def workspace(self, step: Step) -> Path:
        """Return the folder in which a step is built; its key is in the name, so that two plans never share one."""
        return self.store.root / "work" / f"{step.name}-{step.place}-{step.key[:12]}"

    def log(self, step: Step) -> Path:
        return self.store.root / "logs" / f"{step.name}-{step.place}.log"


def open_workspace(site: BuildContext, step: Step, plan: Plan) -> Path:
    """Make an empty workspace for a step, with `prefix` and `build-prefix` filled from the artifacts it requires."""
    workspace = site.workspace(step)
    if workspace.exists():
        # Something of a killed run may still be writing there; it goes on in a folder that nobody looks at.
        aside = workspace.with_name(f".aside-{workspace.name}")
        shutil.rmtree(aside, ignore_errors=True)
        workspace.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)
    for folder, needs in (("prefix", step.link), ("build-prefix", step.programs)):
        (workspace / folder).mkdir(parents=True)
        for need in needs:
            site.store.unpack(plan.steps[need].key, workspace / folder)
    return workspace


def prepare(site: BuildContext, step: Step, plan: Plan) -> tuple[Path, Toolchain]:
    """Make a library's workspace: requirements, patched source, toolchain; nothing is configured yet."""
    assert step.resolved is not None
    resolved, workspace = step.resolved, open_workspace(site, step, plan)
    prepare_source(site, resolved, workspace / "source")
    build, products = resolved.build, resolved.recipe.products
    toolchain = write_toolchain(
        step.target,
        site.engine.compilers(step.target),
        site.tools,
        workspace,
        optimize=build.optimize,
        flags=[*(f"-D{define}" for define in build.defines), *build.flags],
        link_flags=build.link_flags,
        exports=products.exports if resolved.linkage == "shared" else (),
        cxx_runtime=build.cxx_runtime,
    )
    return workspace, toolchain


def prepare_source(site: BuildContext, resolved: ResolvedRecipe, into: Path) -> None:
    """Unpack a recipe's source, apply its patches and copy its overlay over it."""
    handed_in = patched_source(site.store, resolved.recipe)
    if handed_in.exists():
        with tarfile.open(handed_in) as tree:
            tree.extractall(into)  # packed by `hand_in_source`, from bytes that were checked
    else:
        _unpack(resolved.recipe, site.sources, into)
    if resolved.recipe.overlay is not None:
        shutil.copytree(resolved.recipe.overlay, into, dirs_exist_ok=True)
    _check_unchanged(resolved, into)


def _unpack(recipe: Recipe, sources: Mapping[str, Path], into: Path) -> None:
    """Unpack a recipe's archive and apply the patches that it pins, then those that lie beside it."""
    archive, *patches = list_source_files([recipe])
    unpack_archive(archive, sources[archive.sha256], into)
    for patch in patches:
        apply_patch(patch, sources[patch.sha256], into)
    for name in recipe.patches:
        own = PinnedFile(label=archive.label, filename=name, sha256=recipe.files[name], patches=archive.sha256)
        apply_patch(own, recipe.directory / name, into)


def patched_source(store: Store, recipe: Recipe) -> Path:
    """Return where a recipe's patched source is, if it was handed in to a machine that has neither git nor xz."""
    facts = "".join(
        [*(wanted.sha256 for wanted in list_source_files([recipe])), *(recipe.files[name] for name in recipe.patches)]
    )
    return store.root / "patched" / f"{recipe.name}-{hashlib.sha256(facts.encode()).hexdigest()[:16]}.tar.gz"


def stage_patched_source(store: Store, recipe: Recipe, sources: Mapping[str, Path]) -> None:
    """Unpack and patch a recipe's source, and keep the result in the store."""
    final = patched_source(store, recipe)
    if final.exists():
        return
    final.parent.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=store.root / "tmp") as folder:
        tree, packed = Path(folder) / "source", Path(folder) / "packed"
        _unpack(recipe, sources, tree)
        pack_tree(tree, packed, level=1)
        packed.replace(final)


def _check_unchanged(resolved: ResolvedRecipe, source: Path) -> None:
    """Raise BuildError when overlay or patches are not what the step's key was made from: it would name the wrong artifact."""
    recipe = resolved.recipe
    used = {name: source / name.removeprefix("overlay/") for name in recipe.files if name.startswith("overlay/")}
    used |= {name: recipe.directory / name for name in recipe.patches}
    for name, file in used.items():
        if not file.is_file() or hash_file(file) != recipe.files[name]:
            raise BuildError(
                f"{resolved.label}: the recipe was changed while the build ran",
                details={"file": recipe.directory / name},
                hint="run the build again",
            )


def build_library(site: BuildContext, step: Step, plan: Plan, set_stage: Callable[[str], None]) -> None:
    """Build a library or program and put it into the store; `tell` hears the stage that begins.

    Raises BuildError, naming recipe, target and stage, when any of it fails; the workspace is then kept.
    """
    assert step.resolved is not None
    resolved, log = step.resolved, site.log(step)
    log.unlink(missing_ok=True)
    set_stage("unpack")
    workspace, toolchain = prepare(site, step, plan)
    stage = workspace / "stage"
    prefix = stage / PREFIX.lstrip("/")
    environment = {**toolchain.environment, **site.environment}
    commands = build_commands(
        resolved.build,
        resolved.linkage,
        toolchain,
        site.tools,
        source=workspace / "source",
        into=workspace / "build",
        stage=stage,
    )
    for command in commands:
        set_stage(command.stage)
        run_logged(
            command.words,
            cwd=workspace,
            env={**environment, **command.environment},
            log=log,
            what=f"{step.label}: {command.stage}",
            hint=_hint(step),
        )
    if resolved.build.system is BuildSystem.HEADERS:
        copy_headers(workspace / "source", prefix, resolved)
    set_stage("check")
    # Not the store's own path: that of a store in /store stands in many a comment.
    check_products(prefix, resolved, list_spellings((workspace, site.store.root / "tools", site.store.root / "zig")))
    normalize_prefix(prefix, resolved, workspace / "source")
    check_features(site, step, workspace, toolchain, prefix, log)
    site.store.put_tree(step.key, prefix, name=step.name, version=step.version, target=step.place)
    if not site.keep:
        shutil.rmtree(workspace, ignore_errors=True)


def _hint(step: Step) -> str:
    target = "" if step.kind is StepKind.PROGRAM else f" --target {step.target.tag}"
    return f"`everywheel shell {step.name}{target}` opens the kept workspace"


def copy_headers(source: Path, prefix: Path, resolved: ResolvedRecipe) -> None:
    """Copy a headers recipe's folders into the prefix."""
    for origin, place in resolved.build.headers.items():
        shutil.copytree(source / origin, prefix / place, dirs_exist_ok=True)
