"""The steps of a plan: a recipe built for a target, or the wheel of a target."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from everywheel.config.python_spec import PythonSpec
from everywheel.config.recipe import ResolvedRecipe
from everywheel.planning.graph import transitive_closure
from everywheel.platforms.target import Target

ANY_PLATFORM = "any"


class StepKind(StrEnum):
    """The three kinds of steps; a program is a library step whose result runs on the build machine."""

    LIBRARY = "library"
    PROGRAM = "program"
    WHEEL = "wheel"


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryStep:
    """One recipe built for one target; `kind` is LIBRARY or PROGRAM.

    Attributes:
        id: the unique name of the step in its plan, such as `zlib:win_amd64`.
        key: the cache key.
        platform: the target's platform tag, or `any` for headers, which all targets share.
        link: the ids of the steps whose artifacts make up the prefix: the direct and indirect requirements.
        direct_link: those of the direct requirements.
        programs: the ids of the steps whose programs run during the build.
        debug_data: the compiler's flag for the debug data that the compiled files keep, or empty.
    """

    id: str
    key: str
    kind: StepKind
    platform: str
    target: Target
    recipe: ResolvedRecipe
    link: tuple[str, ...]
    direct_link: tuple[str, ...]
    programs: tuple[str, ...]
    debug_data: str = ""

    @property
    def name(self) -> str:
        return self.recipe.name

    @property
    def version(self) -> str:
        return self.recipe.version

    @property
    def requires(self) -> tuple[str, ...]:
        return (*self.link, *self.programs)

    @property
    def direct(self) -> tuple[str, ...]:
        """The requirements from which all others follow."""
        return (*self.direct_link, *self.programs)

    @property
    def label(self) -> str:
        return _make_label(self)

    @property
    def debug_source(self) -> str:
        """The directory that debug data names instead of the workspace; empty without debug data."""
        return f"/everywheel/{self.name}-{self.version}" if self.debug_data else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelStep:
    """The wheel of one target and one Python; `link` are the ids of the library steps that make up its prefix.

    `name` is unique among the wheels of a target: it also names the log and the workspace. With `debug_data`, the compiled
    files keep debug data, which a released wheel must not have.
    """

    id: str
    key: str
    name: str
    version: str
    target: Target
    python: PythonSpec
    link: tuple[str, ...]
    debug_data: str = ""

    @property
    def kind(self) -> StepKind:
        return StepKind.WHEEL

    @property
    def platform(self) -> str:
        return self.target.tag

    @property
    def programs(self) -> tuple[str, ...]:
        return ()

    @property
    def requires(self) -> tuple[str, ...]:
        return self.link

    @property
    def direct(self) -> tuple[str, ...]:
        return self.link

    @property
    def label(self) -> str:
        return _make_label(self)

    @property
    def debug_source(self) -> str:
        """The directory that debug data names instead of the workspace; empty without debug data."""
        return f"/everywheel/{self.name}-{self.version}" if self.debug_data else ""


Step: TypeAlias = LibraryStep | WheelStep


def step_id(name: str, platform: str) -> str:
    """Return the id of the step that builds `name` for a platform tag."""
    return f"{name}:{platform}"


def _make_label(step: Step) -> str:
    return f"{step.name} {step.version} for {step.platform}{' with debug data' if step.debug_data else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Steps by id, in topological order.

    `priority` is the length of the longest path from a step to a final step; steps with a higher priority start first.
    """

    steps: Mapping[str, Step]
    priority: Mapping[str, float]

    def select(self, ids: Iterable[str]) -> Plan:
        """Return the plan for the named steps and their direct and indirect requirements."""
        selected = set(transitive_closure(ids, lambda id: self.steps[id].requires))
        return Plan(steps={id: step for id, step in self.steps.items() if id in selected}, priority=self.priority)

    @property
    def libraries(self) -> Mapping[str, LibraryStep]:
        """The steps that build a library, headers or a program, by id."""
        return {id: step for id, step in self.steps.items() if isinstance(step, LibraryStep)}

    @property
    def wheels(self) -> Mapping[str, WheelStep]:
        """The steps that build a wheel, by id."""
        return {id: step for id, step in self.steps.items() if isinstance(step, WheelStep)}

    @property
    def recipes(self) -> tuple[ResolvedRecipe, ...]:
        """One resolved recipe for each name; a recipe has the same source for every target."""
        return tuple({step.name: step.recipe for step in self.libraries.values()}.values())
