"""Projects with modules in Rust, for which this package has no compiler."""

from __future__ import annotations

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from everywheel.config.build_backend import BuildBackend
from everywheel.errors import UsageError

_TOOLS = frozenset(("maturin", "setuptools-rust"))
"""Build requirements that run cargo for each wheel."""


def reject_rust(name: str, backend: BuildBackend) -> None:
    """Raise UsageError when the build of a project runs cargo, before anything of it is downloaded."""
    for text in backend.requires:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue  # the resolution of the build requirements reports it
        if canonicalize_name(requirement.name) in _TOOLS:
            raise UsageError(
                f"{name}: modules in Rust are not supported",
                details={"build requirement": f"{text}, which runs cargo"},
                hint="cibuildwheel builds such wheels; `everywheel audit` and `everywheel smoke` check finished ones",
            )
