"""What a wheel says about the libraries inside it: its SBOMs (PEP 770, CycloneDX), whoever wrote them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from packaging.utils import canonicalize_name

from everywheel.audit.report import Finding
from everywheel.audit.wheel_contents import WheelContents
from everywheel.wheels.sbom import EXPORTS, FILE, LINKAGE, NO_EXPORTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One library that an SBOM lists; `exports` is None where nothing says which symbols it may let out."""

    name: str
    version: str
    license: str
    linkage: str
    files: tuple[str, ...]
    exports: tuple[str, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sbom:
    """All that a wheel's SBOMs say: its libraries, and the symbols that its modules may let out, if it says so."""

    documents: tuple[str, ...]
    components: tuple[Component, ...]
    module_exports: tuple[str, ...] | None

    def owner(self, file: str) -> Component | None:
        """Return the component that a file of the wheel is."""
        return next((component for component in self.components if file in component.files), None)

    def statically_linked_owner(self, symbol: str) -> Component | None:
        """Return the static library whose own symbols match a name."""
        static = (component for component in self.components if component.linkage == "static")
        return next((c for c in static if any(fnmatchcase(symbol, pattern) for pattern in c.exports or ())), None)


def read_sboms(content: WheelContents) -> tuple[Sbom, list[Finding]]:
    """Return what the SBOMs in the wheel say, with a finding for each that cannot be read."""
    folder = f"{content.wheel.dist_info}/sboms/"
    findings: list[Finding] = []
    components: dict[tuple[str, str], Component] = {}
    documents: list[str] = []
    module_exports: tuple[str, ...] | None = None
    for file, found in sorted(content.wheel.files.items()):
        if not file.startswith(folder) or not file.endswith(".json"):
            continue
        try:
            document = json.loads(found.data)
            entries = document.get("components", [])
            root = document.get("metadata", {}).get("component", {})
            for component in _read_components(entries, content.wheel.name):
                components.setdefault((component.name, component.version), component)
            module_exports = _read_exports(_properties(root)) if module_exports is None else module_exports
        except (ValueError, AttributeError, TypeError, KeyError, RecursionError) as error:
            findings.append(Finding(check="licenses", file=file, message=f"not a readable CycloneDX document: {error}"))
            continue
        documents.append(file)
    listed = tuple(components[key] for key in sorted(components))
    return Sbom(documents=tuple(documents), components=listed, module_exports=module_exports), findings


def _read_components(entries: list[dict[str, Any]], wheel: str) -> Iterator[Component]:
    for entry in entries:
        if entry.get("type") != "library" or canonicalize_name(entry["name"]) == canonicalize_name(wheel):
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
    found: dict[str, list[str]] = {}
    for item in entry.get("properties", []):
        if not isinstance(item["value"], str):
            raise TypeError(f"the value of {item['name']} is no text")
        found.setdefault(item["name"], []).append(item["value"])
    return found


def _read_exports(properties: Mapping[str, list[str]]) -> tuple[str, ...] | None:
    patterns = properties.get(EXPORTS)
    return None if patterns is None else tuple(pattern for pattern in patterns if pattern != NO_EXPORTS)


def _read_license(entry: Mapping[str, Any]) -> str:
    """Return the component's licence as one expression; several separate ones are all in force."""
    found = []
    for item in entry.get("licenses", []):
        inner = item.get("license", {})
        found.append(item.get("expression") or inner.get("id") or inner.get("name") or "")
    message = [f"({text})" if " OR " in text and len(found) > 1 else text for text in found if text]
    return " AND ".join(message)
