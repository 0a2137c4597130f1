"""Exported symbols of a built library, compared with the patterns that its recipe declares."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from everywheel.config.recipe import ResolvedRecipe

_SHOWN = 5


def check_exports(file: str, exports: Iterable[str], recipe: ResolvedRecipe) -> Iterator[str]:
    """Yield a problem if a file exports symbols that no pattern in the recipe's `exports` matches."""
    patterns = recipe.products.exports
    leaked = [s for s in exports if patterns and not any(fnmatchcase(s, p) for p in patterns)]
    if leaked:
        rest = f" and {len(leaked) - _SHOWN} more" if len(leaked) > _SHOWN else ""
        yield f"{file} exports undeclared symbols: {', '.join(leaked[:_SHOWN])}{rest}"
