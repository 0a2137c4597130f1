"""Exported symbols of a built library, compared with the patterns that its recipe declares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from everywheel.config.recipe import ResolvedRecipe

_SHOWN = 5


def check_exports(file: str, exports: Sequence[str], recipe: ResolvedRecipe) -> Iterator[str]:
    """Yield a problem if a file exports no symbol, or symbols that no pattern in the recipe's `exports` matches.

    The linker hides a symbol that no pattern matches, so a misspelled pattern would make a library that nothing can call.
    """
    patterns = recipe.products.exports
    if patterns and not exports:
        rest = " …" if len(patterns) > _SHOWN else ""
        yield f"{file} exports no symbol: none of its own matches {', '.join(patterns[:_SHOWN])}{rest} in `exports`"
    leaked = [s for s in exports if patterns and not any(fnmatchcase(s, p) for p in patterns)]
    if leaked:
        rest = f" and {len(leaked) - _SHOWN} more" if len(leaked) > _SHOWN else ""
        yield f"{file} exports undeclared symbols: {', '.join(leaked[:_SHOWN])}{rest}"
