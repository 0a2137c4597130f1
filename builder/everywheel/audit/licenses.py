"""License checks: a text for every library in the wheel, and an expression that covers all of them (PEP 639, PEP 770)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from packaging.utils import canonicalize_name

from everywheel.audit.report import Finding
from everywheel.audit.sbom import Component
from everywheel.audit.wheel_contents import WheelContents
from everywheel.errors import count_noun
from everywheel.wheels.spdx import check_expression, find_uncovered


def check_licenses(contents: WheelContents) -> Iterator[Finding]:
    """Find missing license texts, libraries that no SBOM lists, and licenses that License-Expression does not cover."""
    for file, reason in contents.sbom.unreadable.items():
        yield Finding(check="licenses", file=file, message=f"not a readable CycloneDX document: {reason}")
    if f"{contents.wheel.dist_info}/METADATA" not in contents.wheel.files:
        return  # the missing file is a finding of the archive check
    yield from _check_texts(contents)
    yield from _check_listed(contents)
    yield from _check_expression(contents)


def _check_texts(contents: WheelContents) -> Iterator[Finding]:
    dist_info = contents.wheel.dist_info
    directory = f"{dist_info}/licenses/"
    present = {file.removeprefix(directory) for file in contents.wheel.files if file.startswith(directory)}
    for name in contents.metadata.get_all("License-File", []):
        # Before PEP 639 (metadata 2.4) the files were next to METADATA.
        if name not in present and f"{dist_info}/{name}" not in contents.wheel.files:
            message = "License-File lists this file, but it is missing"
            yield Finding(check="licenses", file=f"{directory}{name}", message=message)
    texts = {file: contents.wheel.files[f"{directory}{file}"].data for file in present}
    missing = [component.title for component in contents.sbom.components if not _has_text(component, texts)]
    if missing:
        count = count_noun(len(missing), "library", "libraries")
        message = f"the wheel has no license text for {count}"
        yield Finding(check="licenses", file=directory, message=message, evidence=tuple(missing))


def _has_text(component: Component, texts: Mapping[str, bytes]) -> bool:
    """Return whether a license file belongs to a component by its directory or name.

    In wheels of other tools it is enough that a text mentions the component.
    """
    name = canonicalize_name(component.name)
    for file, text in texts.items():
        directory, _, rest = file.partition("/")
        named = canonicalize_name(directory) == name if rest else name in canonicalize_name(file)
        mentioned = not component.linkage and component.name.lower().encode() in text.lower()
        if text.strip() and (named or mentioned):
            return True
    return False


def _check_listed(contents: WheelContents) -> Iterator[Finding]:
    """Check the files that an SBOM assigns to components: if it assigns any file, it must assign all of them.

    Libraries that the project builds as extension modules are its own.
    """
    sbom = contents.sbom
    libraries = tuple(file for file in contents.libraries if not contents.is_opened(file))
    assigned = any(file in libraries for component in sbom.components for file in component.files)
    unknown = [file for file in libraries if sbom.owner(file) is None] if assigned or not sbom.components else []
    for file in unknown:
        message = "no SBOM in the wheel identifies this library, so its license cannot be checked"
        yield Finding(check="licenses", file=file, message=message)
    for component in sbom.components:
        for file in component.files:
            if file not in contents.wheel.files:
                message = f"the SBOM lists this file for {component.title}, but it is not in the wheel"
                yield Finding(check="licenses", file=file, message=message)


def _check_expression(contents: WheelContents) -> Iterator[Finding]:
    metadata = f"{contents.wheel.dist_info}/METADATA"
    expression = contents.metadata.get("License-Expression")
    if expression is None:
        yield Finding(check="licenses", file=metadata, message="no License-Expression (PEP 639)")
        return
    try:
        check_expression(expression)
    except ValueError as error:
        yield Finding(check="licenses", file=metadata, message=f"License-Expression is not valid: {error}")
        return
    uncovered = [line for component in contents.sbom.components for line in _compare(expression, component)]
    if uncovered:
        message = f"License-Expression '{expression}' does not cover every library in the wheel"
        yield Finding(check="licenses", file=metadata, message=message, evidence=tuple(uncovered))


def _compare(expression: str, component: Component) -> Iterator[str]:
    if not component.license:
        yield f"{component.title}: the SBOM has no license for it"
        return
    try:
        missing = find_uncovered(expression, component.license)
    except ValueError as error:
        yield f"{component.title}: the license in the SBOM is not a valid expression: {error}"
        return
    if missing:
        several = len(missing) > 1
        terms = [f"({term})" if " OR " in term and several else term for term in missing]
        yield f"{component.title}: {' AND '.join(terms)}"
