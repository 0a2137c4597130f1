"""Assembly of an SDK from the artifacts in the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from everywheel.config.recipe import Linkage
from everywheel.libraries.library_facts import Library, load_libraries
from everywheel.planning.steps import ANY_PLATFORM, LibraryStep, Plan, StepKind
from everywheel.platforms.target import Target
from everywheel.sdk.archive_symbols import check_archives
from everywheel.sdk.cmake_packages import write_packages
from everywheel.sdk.contents import Entry, SdkFacts, arrange, read_prefix, select_shared
from everywheel.sdk.pkgconfig import write_modules
from everywheel.store.local import Store


def assemble_sdk(
    plans: Mapping[Linkage, Plan], target: Target, roots: Sequence[str], profile: str, store: Store
) -> tuple[SdkFacts, dict[str, Entry]]:
    """Return the facts and the files, without documents, of the SDK for a target. The plans must be in the store.

    `profile` is that of the first recipe, if it is not the one for SDKs.
    """
    steps = _select_steps(plans[Linkage.STATIC], target)
    with TemporaryDirectory(dir=store.root / "tmp") as folder:
        prefix, shared_prefix = Path(folder, "static"), Path(folder, "shared")
        for path in (prefix, shared_prefix):
            path.mkdir()
        for step in steps:
            store.unpack(step.key, prefix)
        for step in _select_steps(plans[Linkage.SHARED], target):
            if step.recipe.linkage is Linkage.SHARED:
                store.unpack(step.key, shared_prefix)
        libraries = _choose_facts(load_libraries(prefix), load_libraries(shared_prefix))
        entries = arrange(read_prefix(prefix), select_shared(read_prefix(shared_prefix)))
    first = next(step for step in steps if step.name == roots[0])
    facts = SdkFacts(
        name=first.name,
        version=first.version,
        profile=profile,
        target=target,
        roots=tuple(roots),
        modules={step.name: step.recipe.products.pkgconfig for step in steps},
        libraries=libraries,
        archives={step.name: step.recipe.products.libraries for step in steps},
    )
    return facts, write_packages(write_modules(entries, check_archives(entries, facts), facts.modules), facts)


def _select_steps(plan: Plan, target: Target) -> list[LibraryStep]:
    platforms = (target.tag, ANY_PLATFORM)
    return [s for s in plan.libraries.values() if s.platform in platforms and s.kind is StepKind.LIBRARY]


def _choose_facts(static: Sequence[Library], shared: Sequence[Library]) -> tuple[Library, ...]:
    """Return the facts about each library once: about its shared form if there is one."""
    return tuple(sorted({x.name: x for x in (*static, *shared)}.values(), key=lambda library: library.name))
