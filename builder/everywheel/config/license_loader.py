"""Reading and validating `[license]` of a recipe.toml."""

from __future__ import annotations

import re
from collections.abc import Iterable

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from everywheel.config.known_keys import RECIPE_KEYS
from everywheel.config.recipe import License
from everywheel.config.suggestions import find_similar
from everywheel.config.text_rules import LINE, PATH
from everywheel.config.toml_reader import Table
from everywheel.errors import UsageError

# Many identifiers are similar to the ones that libraries have: 0BSD and NGPL to BSD and GPL.
_FREQUENT = (
    *("Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "GPL-2.0-only", "GPL-2.0-or-later", "GPL-3.0-only"),
    *("GPL-3.0-or-later", "ISC", "LGPL-2.1-only", "LGPL-2.1-or-later", "LGPL-3.0-only", "LGPL-3.0-or-later", "MIT"),
    *("MPL-2.0", "OpenSSL", "PSF-2.0", "Unlicense", "Zlib"),
)


def load_license(table: Table) -> License:
    """Read the table; raise UsageError, naming file and key, for an error in it."""
    table.check_keys(RECIPE_KEYS, "license")
    return License(spdx=_load_spdx(table), files=_load_files(table))


def _load_files(table: Table) -> tuple[str, ...]:
    files = table.texts("files", ..., rule=PATH)
    if not files:
        raise UsageError(
            f"{table.location}: 'files' names no file",
            hint="name the files of the source that have the license's text; if it has none, add one in `overlay/`",
        )
    return files


def _load_spdx(table: Table) -> str:
    """Return the canonical spelling of the license expression (PEP 639)."""
    text = table.text("spdx", rule=LINE)
    try:
        return str(canonicalize_license_expression(text))
    except InvalidLicenseExpression as error:
        raise UsageError(
            f"{table.location}: 'spdx' is not an SPDX license expression",
            details={"value": text, "reason": error},
            hint=_suggest_license(text),
        ) from None


def _suggest_license(text: str) -> str:
    """Return a hint for an expression that is not valid: the identifiers that the first unknown one in it may mean."""
    from license_expression import get_spdx_licensing  # takes longer to import than a plan takes

    known = [name for name, symbol in get_spdx_licensing().known_symbols.items() if not symbol.is_exception]
    valid = {name.lower() for name in known}
    for name in (text, *re.findall(r"\w[\w.+-]*", text)):
        if name.lower() not in valid and name.lower() not in ("and", "or", "with"):
            similar = [find_similar(name, _FREQUENT) if name != text or " " not in text else ""]
            meant = _find_beginning(name, _FREQUENT) or _find_beginning(name, known)[:1] or similar
            if any(meant):
                return "did you mean " + " or ".join(f"'{identifier}'" for identifier in meant) + "?"
    return "https://spdx.org/licenses lists the identifiers; `LicenseRef-…` names any other license"


def _find_beginning(name: str, identifiers: Iterable[str]) -> list[str]:
    """Return the identifiers that begin with a name; `GPLv2` is the beginning of `GPL-2.0-only`."""
    start = _simplify(name)
    return [identifier for identifier in identifiers if start and _simplify(identifier).startswith(start)]


def _simplify(name: str) -> str:
    return re.sub(r"v(?=\d)|[^a-z0-9.]", "", name.lower())
