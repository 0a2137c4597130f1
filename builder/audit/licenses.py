"""Licences: a text for every library inside, and an expression that covers them all (PEP 639, PEP 770)."""

from __future__ import annotations

from collections.abc import Iterator

from packaging.utils import canonicalize_name

from builder.audit.content import Content
from builder.audit.finding import Finding
from builder.audit.sbom import Bill
from builder.licenses import check_expression, find_uncovered


def check_licenses(content: Content, bill: Bill) -> Iterator[Finding]:
    """Find missing licence texts, libraries that no SBOM lists, and licences that License-Expression does not cover."""
    metadata = f"{content.wheel.dist_info}/METADATA"
    if metadata not in content.wheel.files:
        return  # a finding of its own
    yield from _check_texts(content, bill)
    yield from _check_listed(content, bill)
    yield from _check_expression(content, bill)


def _check_texts(content: Content, bill: Bill) -> Iterator[Finding]:
    dist_info = content.wheel.dist_info
    folder = f"{dist_info}/licenses/"
    present = {file.removeprefix(folder) for file in content.wheel.files if file.startswith(folder)}
    for name in content.metadata.get_all("License-File", []):
        # Before PEP 639 (metadata 2.4) the files lay beside METADATA.
        if name not in present and f"{dist_info}/{name}" not in content.wheel.files:
            yield Finding(check="licenses", file=f"{folder}{name}", words="License-File names it, but it is not there")
    for component in bill.components:
        name = canonicalize_name(component.name)
        texts = [file for file in present if canonicalize_name(file.split("/")[0]) == name and "/" in file]
        texts = texts or [file for file in present if name in canonicalize_name(file.replace("/", "-"))]
        if not any(content.wheel.files[f"{folder}{file}"].data.strip() for file in texts):
            words = f"no licence text of {component.name} {component.version}, which is in the wheel"
            yield Finding(check="licenses", file=f"{folder}{component.name}/", words=words)


def _check_listed(content: Content, bill: Bill) -> Iterator[Finding]:
    """An SBOM that says which file is which component must say it of all; one that never says it is believed."""
    libraries = tuple(content.libraries)
    named = any(component.files for component in bill.components)
    unknown = [file for file in libraries if bill.owner(file) is None] if named or not bill.components else []
    for file in unknown:
        words = "no SBOM in the wheel says which library this is, so its licence cannot be checked"
        yield Finding(check="licenses", file=file, words=words)
    for component in bill.components:
        for file in component.files:
            if file not in content.wheel.files:
                words = f"the SBOM lists it as {component.name} {component.version}, but it is not in the wheel"
                yield Finding(check="licenses", file=file, words=words)


def _check_expression(content: Content, bill: Bill) -> Iterator[Finding]:
    metadata = f"{content.wheel.dist_info}/METADATA"
    expression = content.metadata.get("License-Expression")
    if expression is None:
        yield Finding(check="licenses", file=metadata, words="no License-Expression (PEP 639)")
        return
    try:
        check_expression(expression)
    except ValueError as error:
        yield Finding(check="licenses", file=metadata, words=f"License-Expression is not valid: {error}")
        return
    for component in bill.components:
        label = f"{component.name} {component.version}"
        if not component.license:
            yield Finding(check="licenses", file=metadata, words=f"the SBOM gives no licence of {label}")
            continue
        try:
            missing = find_uncovered(expression, component.license)
        except ValueError as error:
            words = f"the SBOM's licence of {label} is not a valid expression: {error}"
            yield Finding(check="licenses", file=metadata, words=words)
            continue
        if missing:
            words = f"License-Expression does not cover {' AND '.join(missing)} of {label}"
            evidence = (f"License-Expression: {expression}",)
            yield Finding(check="licenses", file=metadata, words=words, evidence=evidence)
