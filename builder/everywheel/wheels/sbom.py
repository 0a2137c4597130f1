"""The SBOM of a wheel: a reproducible CycloneDX document (PEP 770) that lists the libraries in the wheel."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import quote

from cyclonedx.model import HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType, Diff, Patch, PatchClassification, Pedigree
from cyclonedx.model.issue import IssueClassification, IssueType, IssueTypeSource
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from everywheel.libraries.library_facts import Library
from everywheel.wheels.sbom_properties import EXPORTS, FILE, LINKAGE, NO_EXPORTS, PATCH, VULNERABILITY


def make_sbom(
    *,
    name: str,
    version: str,
    license: str,
    libraries: Sequence[Library],
    files: Mapping[str, Mapping[str, str]],
    module_exports: Sequence[str] | None,
    epoch: int,
) -> bytes:
    """Return the document for a wheel, as JSON.

    `files` maps library names to their files in the wheel, and those to their sha256 in hexadecimal. `license` is the
    expression of the extension itself. `module_exports` are globs of the symbols that its modules may export, None if they may
    export any. `epoch` is
    the time of the document in seconds since 1970.
    """
    root = Component(
        type=ComponentType.LIBRARY,
        name=name,
        version=version,
        bom_ref=f"pkg:pypi/{name}@{version}",
        purl=PackageURL(type="pypi", name=name, version=version),
        licenses=[LicenseExpression(value=license)],
        properties=_exports(module_exports) if module_exports is not None else [],
    )
    components = {library.name: describe_library(library, files.get(library.name, {})) for library in libraries}
    bom = Bom(components=components.values())
    bom.metadata.component = root
    bom.metadata.timestamp = datetime.fromtimestamp(epoch, UTC)
    for library in libraries:
        needed = [components[other] for other in library.requires if other in components]
        bom.register_dependency(components[library.name], needed)
    bom.register_dependency(root, components.values())
    hashes = {file: digest for owned in files.values() for file, digest in owned.items()}
    contents = f"{name} {version} {sorted(map(repr, libraries))} {sorted(hashes.items())}"
    bom.serial_number = uuid.uuid5(uuid.NAMESPACE_URL, contents)  # not random, so that the build is reproducible
    return f"{JsonV1Dot6(bom).output_as_string(indent=1)}\n".encode()


def describe_library(library: Library, hashes: Mapping[str, str]) -> Component:
    """Return the component for a library whose files have the given hashes by path.

    A component has the hash of one file, so that each of several files is a component in it.
    """
    files = sorted(hashes)
    ref = f"pkg:generic/{library.name}@{library.version}"
    properties = [Property(name=LINKAGE, value=library.linkage)]
    properties += [Property(name=FILE, value=file) for file in files]
    properties += [Property(name=PATCH, value=patch) for patch in library.patches]
    qualifiers = {"checksum": f"sha256:{library.sha256}"} if library.sha256 else {}
    if library.url:
        qualifiers["download_url"] = library.url
    purl = PackageURL(type="generic", name=library.name, version=library.version, qualifiers=qualifiers)
    return Component(
        type=ComponentType.LIBRARY,
        name=library.name,
        version=library.version,
        bom_ref=ref,
        purl=purl,
        cpe=f"cpe:2.3:a:{library.cpe}:{library.version}:*:*:*:*:*:*:*" if library.cpe else None,
        pedigree=_describe_pedigree(library),
        licenses=[LicenseExpression(value=library.license)],
        hashes=[_describe_hash(hashes[files[0]])] if len(files) == 1 else [],
        components=[_describe_file(ref, file, hashes[file]) for file in files] if len(files) > 1 else [],
        properties=[*properties, *(_exports(library.exports) if library.exports is not None else [])],
    )


def _describe_file(library: str, file: str, sha256: str) -> Component:
    return Component(
        type=ComponentType.FILE, name=file, bom_ref=f"{library}#{quote(file)}", hashes=[_describe_hash(sha256)]
    )


def _describe_hash(sha256: str) -> HashType:
    return HashType(alg=HashAlgorithm.SHA_256, content=sha256)


def _describe_pedigree(library: Library) -> Pedigree | None:
    """Return the source package that a library comes from and its patches, each with the vulnerabilities that it fixes.

    Scanners match the version of the source package with the advisories of its distribution.
    """
    if not library.packaging and not library.patches:
        return None
    ancestors = []
    if library.packaging:
        purl = PackageURL.from_string(library.packaging)
        ancestors = [Component(type=ComponentType.LIBRARY, name=purl.name, version=purl.version, purl=purl)]
    return Pedigree(ancestors=ancestors, patches=[_describe_patch(label) for label in library.patches])


def _describe_patch(label: str) -> Patch:
    """Return a patch by its label, which begins with its name; its diff is that file of the source package."""
    source = IssueTypeSource(name="NVD", url=XsUri("https://nvd.nist.gov"))
    issues = [
        IssueType(type=IssueClassification.SECURITY, id=id, name=id, source=source)
        for id in dict.fromkeys(VULNERABILITY.findall(label))
    ]
    return Patch(
        type=PatchClassification.BACKPORT if issues else PatchClassification.UNOFFICIAL,
        diff=Diff(url=XsUri(quote(label.partition(" (")[0]))),
        resolves=issues,
    )


def _exports(patterns: Sequence[str]) -> list[Property]:
    return [Property(name=EXPORTS, value=pattern) for pattern in patterns or (NO_EXPORTS,)]
