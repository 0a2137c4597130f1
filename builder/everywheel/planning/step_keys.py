"""Cache keys: the facts of a recipe that can change its artifact, and hashes of facts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from everywheel.config.recipe import Recipe, ResolvedRecipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Identities:
    """Hashes of the code, the tools and the packages that can change results, as parts of cache keys.

    Attributes:
        artifacts: the code that unpacks, patches, installs and packs; part of every key.
        toolchain: the compilers, their flags and the build tools; part of the keys of libraries, programs and wheels.
        packaging: the code and packages for repair, metadata, compression and audit; part of the keys of wheels.
        debug_data: the compiler's flag for the debug data that libraries and wheels keep, or empty; programs of the build
            machine have none.
    """

    artifacts: str
    toolchain: str
    packaging: str
    debug_data: str = ""


def digest_facts(*facts: object) -> str:
    """Return the sha256 of facts: of values that JSON has, and of mappings and sequences of them."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=dict).encode()).hexdigest()


def digest_recipe(recipe: ResolvedRecipe) -> str:
    """Return the hash of the parts of a resolved recipe that can change its artifact, which has metadata for the SBOM.

    The target is not among them.
    """
    return digest_facts(
        {
            "name": recipe.name,
            "version": recipe.version,
            "license": asdict(recipe.license),
            "identifiers": (recipe.cpe, recipe.source.packaging),
            "source": recipe.source.sha256,
            "url": recipe.source.urls[:1],
            "patches": [(patch.label, patch.sha256) for patch in recipe.source.patches],
            "requires": recipe.requires,
            "linkage": recipe.linkage,
            "features": recipe.features,
            "build": asdict(recipe.build),
            "products": asdict(recipe.products),
            "files": recipe.files,
            "executables": recipe.executables,
        }
    )


def digest_program(name: str, recipes: Mapping[str, Recipe]) -> str:
    """Return the hash of the parts of a recipe that can change the output of its program on any build machine."""
    recipe = recipes[name]
    systems = (recipe.build.system, *(override.system for override in recipe.overrides if override.system is not None))
    programs = dict.fromkeys((*(name for system in systems for name in system.programs), *recipe.build_requires))
    return digest_facts(
        {
            "name": recipe.name,
            "version": recipe.version,
            "source": recipe.source.sha256,
            "patches": [patch.sha256 for patch in recipe.source.patches],
            "build": asdict(recipe.build),
            "overrides": [asdict(override) for override in recipe.overrides],
            "products": asdict(recipe.products),
            "files": recipe.files,
            "executables": recipe.executables,
            "programs": [digest_program(program, recipes) for program in programs],
        }
    )
