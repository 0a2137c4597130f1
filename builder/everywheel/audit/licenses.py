"""Licences: a text for every library inside, and an expression that covers them all (PEP 639, PEP 770)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from packaging.utils import canonicalize_name

from everywheel.audit.report import Finding
from everywheel.audit.sbom import Component, Sbom
from everywheel.audit.wheel_contents import WheelContents
from everywheel.wheels.spdx import check_expression, find_uncovered


def check_licenses(content: WheelContents, sbom: Sbom) -> Iterator[Finding]:
    """Find missing licence texts, libraries that no SBOM lists, and licences that License-Expression does not cover."""
    metadata = f"{content.wheel.dist_info}/METADATA"
    if metadata not in content.wheel.files:
        return  # a finding of its own
    yield from _check_texts(content, sbom)
    yield from _check_listed(content, sbom)
    yield from _check_expression(content, sbom)


def _check_texts(content: WheelContents, sbom: Sbom) -> Iterator[Finding]:
    dist_info = content.wheel.dist_info
    folder = f"{dist_info}/licenses/"
    present = {file.removeprefix(folder) for file in content.wheel.files if file.startswith(folder)}
    for name in content.metadata.get_all("License-File", []):
        # Before PEP 639 (metadata 2.4) the files lay beside METADATA.
        if name not in present and f"{dist_info}/{name}" not in content.wheel.files:
            yield Finding(
                check="licenses", file=f"{folder}{name}", message="License-File names it, but it is not there"
            )
    texts = {file: content.wheel.files[f"{folder}{file}"].data for file in present}
    lacking = [component for component in sbom.components if not _has_text(component, texts)]
    if lacking:
        count = "1 library" if len(lacking) == 1 else f"{len(lacking)} libraries"
        message = f"no licence text of {count} in the wheel"
        yield Finding(check="licenses", file=folder, message=message, evidence=tuple(map(_label, lacking)))


def _has_text(component: Component, texts: Mapping[str, bytes]) -> bool:
    """Tell whether a file is the component's by its folder or name, or, in wheels of others, names it in its text."""
    name = canonicalize_name(component.name)
    for file, text in texts.items():
        folder, _, rest = file.partition("/")
        its_own = canonicalize_name(folder) == name if rest else name in canonicalize_name(file)
        mentioned = not component.linkage and component.name.lower().encode() in text.lower()
        if text.strip() and (its_own or mentioned):
            return True
    return False


def _label(component: Component) -> str:
    return f"{component.name} {component.version}".strip()


def _check_listed(content: WheelContents, sbom: Sbom) -> Iterator[Finding]:
    """An SBOM that says which file is which component must say it of all; one that never says it is believed."""
    libraries = tuple(content.libraries)
    named = any(component.files for component in sbom.components)
    unknown = [file for file in libraries if sbom.owner(file) is None] if named or not sbom.components else []
    for file in unknown:
        message = "no SBOM in the wheel says which library this is, so its licence cannot be checked"
        yield Finding(check="licenses", file=file, message=message)
    for component in sbom.components:
        for file in component.files:
            if file not in content.wheel.files:
                message = f"the SBOM lists it as {_label(component)}, but it is not in the wheel"
                yield Finding(check="licenses", file=file, message=message)


def _check_expression(content: WheelContents, sbom: Sbom) -> Iterator[Finding]:
    metadata = f"{content.wheel.dist_info}/METADATA"
    expression = content.metadata.get("License-Expression")
    if expression is None:
        yield Finding(check="licenses", file=metadata, message="no License-Expression (PEP 639)")
        return
    try:
        check_expression(expression)
    except ValueError as error:
        yield Finding(check="licenses", file=metadata, message=f"License-Expression is not valid: {error}")
        return
    open_questions = [question for component in sbom.components for question in _compare(expression, component)]
    if open_questions:
        message = f"License-Expression '{expression}' does not cover what is in the wheel"
        yield Finding(check="licenses", file=metadata, message=message, evidence=tuple(open_questions))


def _compare(expression: str, component: Component) -> Iterator[str]:
    if not component.license:
        yield f"{_label(component)}: the SBOM gives no licence"
        return
    try:
        missing = find_uncovered(expression, component.license)
    except ValueError as error:
        yield f"{_label(component)}: the SBOM's licence is not a valid expression: {error}"
        return
    if missing:
        message = [f"({one})" if " OR " in one and len(missing) > 1 else one for one in missing]
        yield f"{_label(component)}: {' AND '.join(message)}"
