"""The SBOMs inside a wheel (PEP 770, CycloneDX), from this or any other tool."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any

from packaging.utils import canonicalize_name

from everywheel.wheels.sbom_properties import EXPORTS, FILE, LINKAGE, NO_EXPORTS
from everywheel.wheels.wheel import Wheel

# Scopes of components that are not part of what is shipped. cargo-cyclonedx, and maturin with it, writes `excluded` for crates
# that only build scripts use (https://cyclonedx.org/docs/1.6/json/#components_items_scope).
_NOT_SHIPPED = ("excluded", "optional")


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One library that an SBOM lists; `exports` is None if the SBOM does not declare the exported symbols."""

    name: str
    version: str
    license: str
    linkage: str
    files: tuple[str, ...]
    exports: tuple[str, ...] | None

    @property
    def title(self) -> str:
        """Name and version, as messages show it."""
        return f"{self.name} {self.version}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sbom:
    """The contents of all SBOMs in a wheel.

    `module_exports` are globs of the symbols that extension modules may export, None if no SBOM declares them;
    `unreadable` maps files that are not CycloneDX documents to the reason.
    """

    components: tuple[Component, ...] = ()
    module_exports: tuple[str, ...] | None = None
    unreadable: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def owner(self, file: str) -> Component | None:
        """Return the component that lists a file of the wheel, or None."""
        return next((component for component in self.components if file in component.files), None)

    def statically_linked_owner(self, symbol: str) -> Component | None:
        """Return the statically linked component that declares a symbol, or None."""
        static = (component for component in self.components if component.linkage == "static")
        return next((c for c in static if any(fnmatchcase(symbol, pattern) for pattern in c.exports or ())), None)


def read_sboms(wheel: Wheel) -> Sbom:
    """Merge the SBOMs of a wheel, without components that are not shipped.

    Of two components with the same name and version, the first one counts.
    """
    directory = f"{wheel.dist_info}/sboms/"
    unreadable: dict[str, str] = {}
    components: dict[tuple[str, str], Component] = {}
    module_exports: tuple[str, ...] | None = None
    for path, file in sorted(wheel.files.items()):
        if not path.startswith(directory) or not path.endswith(".json"):
            continue
        try:
            document = json.loads(file.data)
            entries = document.get("components", [])
            root = document.get("metadata", {}).get("component", {})
            for component in _read_components(entries, wheel.name):
                components.setdefault((component.name, component.version), component)
            module_exports = _read_exports(_properties(root)) if module_exports is None else module_exports
        except (ValueError, AttributeError, TypeError, KeyError, RecursionError) as error:
            unreadable[path] = str(error)
    return Sbom(
        components=tuple(components[key] for key in sorted(components)),
        module_exports=module_exports,
        unreadable=unreadable,
    )


def _read_components(entries: list[dict[str, Any]], wheel: str) -> Iterator[Component]:
    for entry in entries:
        if entry.get("type") != "library" or canonicalize_name(entry["name"]) == canonicalize_name(wheel):
            continue
        if entry.get("scope") in _NOT_SHIPPED:
            continue
        properties = _properties(entry)
        yield Component(
            name=entry["name"],
            version=entry.get("version", ""),
            license=_read_license(entry),
            linkage=(properties.get(LINKAGE) or [""])[0],
            files=tuple(properties.get(FILE, ())),
            exports=_read_exports(properties),
        )


def _properties(entry: Mapping[str, Any]) -> dict[str, list[str]]:
    properties: dict[str, list[str]] = {}
    for item in entry.get("properties", []):
        if not isinstance(item["value"], str):
            raise TypeError(f"the value of {item['name']} is not a string")
        properties.setdefault(item["name"], []).append(item["value"])
    return properties


def _read_exports(properties: Mapping[str, list[str]]) -> tuple[str, ...] | None:
    patterns = properties.get(EXPORTS)
    return None if patterns is None else tuple(pattern for pattern in patterns if pattern != NO_EXPORTS)


def _read_license(entry: Mapping[str, Any]) -> str:
    """Return a component's license as one expression; separate license entries all apply, so AND joins them."""
    expressions = []
    for item in entry.get("licenses", []):
        inner = item.get("license", {})
        expressions.append(item.get("expression") or inner.get("id") or inner.get("name") or "")
    several = len(expressions) > 1
    return " AND ".join(f"({text})" if " OR " in text and several else text for text in expressions if text)
