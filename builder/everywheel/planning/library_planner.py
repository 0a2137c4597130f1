"""The steps of libraries, and of the programs that run during their builds, for any number of targets.

The cost of a large plan is that of its steps: what does not depend on a target is computed once for all targets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from everywheel.config.project import Project
from everywheel.config.recipe import BuildSystem, Linkage, Recipe, ResolvedRecipe
from everywheel.config.recipe_resolver import locate_requirement, match_overrides, resolve_recipe
from everywheel.errors import UsageError
from everywheel.planning.graph import sort_topologically, transitive_closure
from everywheel.planning.step_keys import Identities, digest_facts, digest_program, digest_recipe
from everywheel.planning.steps import ANY_PLATFORM, LibraryStep, StepKind, step_id
from everywheel.platforms.target import Target, build_machine_target


@dataclass(frozen=True, slots=True, kw_only=True)
class _Variant:
    """A recipe that is resolved in the same way for several targets, and the hash of its facts."""

    recipe: ResolvedRecipe
    digest: str

    @property
    def is_headers(self) -> bool:
        """True for a recipe that only installs headers, which are the same for every target."""
        return self.recipe.build.system is BuildSystem.HEADERS


class LibraryPlanner:
    """The planner of a project's libraries, for one target after the other.

    Programs that run during a build are built for `machine`, by default the build machine.
    """

    def __init__(self, project: Project, identities: Identities, machine: Target | None = None) -> None:
        self._project = project
        self._identities = identities
        self._machine = build_machine_target() if machine is None else machine
        self._variants: dict[tuple[str, Linkage, tuple[int, ...]], _Variant] = {}
        self._graphs: dict[tuple[tuple[str, tuple[str, ...]], ...], dict[str, tuple[str, ...]]] = {}
        self._programs: dict[tuple[str, ...], dict[str, LibraryStep]] = {}
        self._tools: dict[str, str] = {}

    def plan(self, target: Target, roots: Sequence[str]) -> dict[str, LibraryStep]:
        """Plan the recipes `roots`, and all their direct and indirect requirements, for one target; return the steps by id.

        Raises UsageError for recipes that require each other in a cycle, and for a program that requires other recipes.
        """
        project = self._project.for_target(target)
        shared = frozenset(project.shared)
        variants: dict[str, _Variant] = {}

        def list_requirements(name: str) -> tuple[str, ...]:
            linkage = Linkage.SHARED if name in shared else Linkage.STATIC
            variants[name] = self._resolve(project.recipes[name], target, linkage, project.features.get(name, ()))
            return variants[name].recipe.requires

        names = transitive_closure(roots, list_requirements)
        links = self._find_links({name: variants[name].recipe.requires for name in names})
        tag = target.tag
        ids = {name: step_id(name, ANY_PLATFORM if variants[name].is_headers else tag) for name in names}
        programs: dict[str, LibraryStep] = {}
        steps: dict[str, LibraryStep] = {}
        # The key of headers does not depend on what they require, but a library that uses them can.
        bases: dict[str, str] = {}
        for name, link in links.items():
            variant = variants[name]
            recipe = variant.recipe
            programs |= self._plan_programs(recipe.build_requires)
            requires = {ids[requirement]: bases[requirement] for requirement in recipe.requires}
            key = self._make_key(variant, tag, requires)
            bases[name] = digest_facts(key, requires) if variant.is_headers else key
            steps[ids[name]] = LibraryStep(
                id=ids[name],
                key=key,
                kind=StepKind.LIBRARY,
                platform=ANY_PLATFORM if variant.is_headers else tag,
                target=target,
                recipe=recipe if recipe.target is target else replace(recipe, target=target),
                link=tuple(map(ids.__getitem__, link)),
                direct_link=tuple(requires),
                programs=self._name_programs(recipe),
                debug_data="" if variant.is_headers else self._identities.debug_data,
            )
        return programs | steps

    def _resolve(self, recipe: Recipe, target: Target, linkage: Linkage, features: Sequence[str]) -> _Variant:
        """Resolve a recipe once for all targets that match the same overrides; the target of the result is any of them."""
        same = (recipe.name, linkage, match_overrides(recipe, target, linkage))
        if same not in self._variants:
            resolved = resolve_recipe(recipe, target, linkage=linkage, features=features)
            self._variants[same] = _Variant(recipe=resolved, digest=digest_recipe(resolved))
        return self._variants[same]

    def _find_links(self, requires: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
        """Return the direct and indirect requirements of recipes, in topological order of their names.

        They are found once for all targets with the same direct requirements.
        """
        same = tuple(requires.items())
        if same not in self._graphs:
            links: dict[str, tuple[str, ...]] = {}
            for name in sort_topologically(requires, self._locate):
                parts = ((requirement, *links[requirement]) for requirement in requires[name])
                links[name] = tuple(dict.fromkeys(chain.from_iterable(parts)))
            self._graphs[same] = links
        return self._graphs[same]

    def _locate(self, name: str, requirement: str) -> str:
        return locate_requirement(self._project.recipes[name], requirement, self._project.features.get(name, ()))

    def _make_key(self, variant: _Variant, tag: str, requires: Mapping[str, str]) -> str:
        if variant.is_headers:
            return digest_facts("headers", self._identities.artifacts, variant.digest)
        with_debug_data = [self._identities.debug_data] if self._identities.debug_data else []
        code = (self._identities.artifacts, self._identities.toolchain, *with_debug_data)
        return digest_facts("library", *code, tag, variant.digest, requires, self._find_tools(variant.recipe))

    def _find_tools(self, recipe: ResolvedRecipe) -> dict[str, str]:
        """Return the hashes of the programs that run during a build, by name.

        Programs produce the same output on every build machine, so a key contains their recipes, but not the machine.
        """
        for name in recipe.build_requires:
            if name not in self._tools:
                self._tools[name] = digest_program(name, self._project.recipes)
        return {name: self._tools[name] for name in recipe.build_requires}

    def _name_programs(self, recipe: ResolvedRecipe) -> tuple[str, ...]:
        return tuple(step_id(name, self._machine.tag) for name in recipe.build_requires)

    def _plan_programs(self, names: tuple[str, ...]) -> Mapping[str, LibraryStep]:
        """Plan programs for the build machine, after the programs that run during their own builds; return the steps by id.

        Raises UsageError for a program that requires libraries, and for programs that require each other in a cycle.
        """
        if names in self._programs:
            return self._programs[names]
        recipes: dict[str, ResolvedRecipe] = {}

        def list_programs(name: str) -> tuple[str, ...]:
            recipes[name] = resolve_recipe(self._project.recipes[name], self._machine, linkage=Linkage.STATIC)
            return recipes[name].build_requires

        needed = transitive_closure(names, list_programs)
        steps = {}
        for name in sort_topologically({name: recipes[name].build_requires for name in needed}, self._locate):
            step = self._plan_program(recipes[name])
            steps[step.id] = step
        self._programs[names] = steps
        return steps

    def _plan_program(self, recipe: ResolvedRecipe) -> LibraryStep:
        if recipe.requires:
            raise UsageError(
                f"{recipe.name} is a program for the build machine and may not require libraries",
                details={"requires": ", ".join(recipe.requires)},
            )
        code, tag = (self._identities.artifacts, self._identities.toolchain), self._machine.tag
        return LibraryStep(
            id=step_id(recipe.name, tag),
            key=digest_facts("program", *code, tag, digest_recipe(recipe), self._find_tools(recipe)),
            kind=StepKind.PROGRAM,
            platform=tag,
            target=self._machine,
            recipe=recipe,
            link=(),
            direct_link=(),
            programs=self._name_programs(recipe),
        )
