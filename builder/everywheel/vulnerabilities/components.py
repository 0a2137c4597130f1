"""The libraries that the SBOMs of a wheel list, with the names by which advisories know them, and their fixes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from packageurl import PackageURL
from packaging.utils import canonicalize_name

from everywheel.errors import UsageError
from everywheel.sources.distro.debian_version import DebianVersion
from everywheel.wheels.sbom_properties import VULNERABILITY
from everywheel.wheels.wheel import Wheel

_COMMIT = re.compile(r"(?<![0-9a-f])[0-9a-f]{40}(?![0-9a-f])")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePackage:
    """A source package of Debian, and the version of it that a library was built from."""

    name: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryComponent:
    """A library in a wheel; `fixes` are the vulnerabilities that its patches fix.

    `package` is the source package of Debian that it comes from, None if the SBOM names none. `sha256` is the hash of its
    source archive, which is part of the package URL, empty if the SBOM has none. `product` is the name in its CPE.
    `commit` is that of its source, if the package URL names one (`vcs_url`, or an archive of a commit).
    """

    name: str
    version: str
    purl: str
    package: SourcePackage | None
    fixes: tuple[str, ...]
    sha256: str = ""
    product: str = ""
    commit: str = ""

    @property
    def upstream_names(self) -> frozenset[str]:
        """The names of the upstream project in lower case."""
        return frozenset(name.lower() for name in (self.name, self.product) if name)

    @property
    def title(self) -> str:
        """Name and version."""
        return f"{self.name} {self.version}".strip()


def list_components(wheel: Wheel) -> tuple[LibraryComponent, ...]:
    """Return the libraries that the CycloneDX documents of a wheel list, sorted by name; the wheel itself is none of them.

    Raises UsageError when the wheel has no such document, or one that cannot be read: it would hide vulnerabilities.
    """
    folder = f"{wheel.dist_info}/sboms/"
    documents = {path: file.data for path, file in wheel.files.items() if path.startswith(folder)}
    if not documents:
        raise UsageError(
            f"{wheel.name} {wheel.version}: the wheel has no SBOM",
            hint=f"its libraries are unknown; `everywheel repair` adds an SBOM to {folder}",
        )
    components: dict[tuple[str, str], LibraryComponent] = {}
    for path, data in sorted(documents.items()):
        try:
            for component in _read_document(json.loads(data), wheel.name):
                components.setdefault((component.name, component.version), component)
        except (ValueError, AttributeError, TypeError, KeyError, RecursionError) as error:
            raise UsageError(
                f"{path} is not a CycloneDX document",
                details={"reason": str(error) or type(error).__name__},
                hint="https://cyclonedx.org/docs/1.6/json describes its format",
            ) from None
    return tuple(components[key] for key in sorted(components))


def _read_document(document: Mapping[str, Any], wheel: str) -> Iterator[LibraryComponent]:
    if document["bomFormat"] != "CycloneDX":
        raise ValueError(f"'bomFormat' is '{document['bomFormat']}'")
    for entry in document.get("components", []):
        if entry.get("type") == "library" and canonicalize_name(entry["name"]) != canonicalize_name(wheel):
            yield _read_component(entry)


def _read_component(entry: Mapping[str, Any]) -> LibraryComponent:
    pedigree = entry.get("pedigree", {})
    purls = [entry.get("purl", ""), *(ancestor.get("purl", "") for ancestor in pedigree.get("ancestors", []))]
    packages = [package for package in map(_find_package, purls) if package is not None]
    issues = [issue for patch in pedigree.get("patches", []) for issue in patch.get("resolves", [])]
    return LibraryComponent(
        name=entry["name"],
        version=entry.get("version", ""),
        purl=purls[0],
        package=packages[0] if packages else None,
        sha256=_find_checksum(purls[0]),
        product=_find_product(entry.get("cpe", "")),
        commit=_find_commit(purls[0]),
        fixes=tuple(sorted({issue["id"] for issue in issues if VULNERABILITY.fullmatch(issue.get("id", ""))})),
    )


def _find_product(cpe: str) -> str:
    """Return the product of a CPE 2.3, such as `libexpat` of `cpe:2.3:a:libexpat_project:libexpat:2.7.1:…`."""
    parts = cpe.split(":")
    return parts[4] if len(parts) > 4 and parts[:2] == ["cpe", "2.3"] else ""


def _find_checksum(text: str) -> str:
    qualifiers = PackageURL.from_string(text).qualifiers if text else {}
    checksum = str(qualifiers.get("checksum", "")) if isinstance(qualifiers, dict) else ""
    return checksum.removeprefix("sha256:") if checksum.startswith("sha256:") else ""


def _find_commit(text: str) -> str:
    qualifiers = PackageURL.from_string(text).qualifiers if text else {}
    urls = [str(qualifiers.get(key, "")) for key in ("vcs_url", "download_url")] if isinstance(qualifiers, dict) else []
    return next((match[0] for url in urls if (match := _COMMIT.search(url))), "")


def _find_package(text: str) -> SourcePackage | None:
    """Return the source package of a package URL, None for other kinds of packages."""
    if not text:
        return None
    purl = PackageURL.from_string(text)
    if (purl.type, purl.namespace) != ("deb", "debian") or not purl.version:
        return None
    DebianVersion(purl.version)  # raises ValueError
    qualifiers = purl.qualifiers if isinstance(purl.qualifiers, dict) else {}
    return SourcePackage(name=qualifiers.get("upstream", purl.name).partition("@")[0], version=purl.version)
