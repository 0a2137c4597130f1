"""Tags: what the file name promises, held against what is inside."""

from __future__ import annotations

import itertools
import math
import posixpath
import re
from collections.abc import Iterator, Sequence

from packaging.utils import canonicalize_name, canonicalize_version

from everywheel.audit.platform_tags import check_platform_tags
from everywheel.audit.report import Finding
from everywheel.audit.wheel_contents import MODULE_SUFFIX, WheelContents
from everywheel.platforms.linux_policy import Policy
from everywheel.platforms.tags import TagFamily, parse_platforms
from everywheel.wheels.wheel import split_filename

_MOST_TAGS = 10_000  # that one line may stand for; the longest file name has fewer


def check_tags(content: WheelContents, policies: Sequence[Policy]) -> Iterator[Finding]:
    """Find tags that contradict each other, the WHEEL file, METADATA, or the modules' own names."""
    yield from _check_wheel_file(content)
    yield from _check_metadata(content)
    yield from _check_platforms(content, policies)
    yield from check_platform_tags(content)
    for path in content.binaries:
        yield from _check_suffix(content, path, policies)


def _check_wheel_file(content: WheelContents) -> Iterator[Finding]:
    wheel = content.wheel
    path = f"{wheel.dist_info}/WHEEL"
    if path not in wheel.files:
        return
    written = set()
    for line in content.wheel_file.get_all("Tag", []):
        sets = [part.split(".") for part in line.split("-")]
        many = math.prod(len(names) for names in sets) > _MOST_TAGS
        written |= {line} if many else {"-".join(tag) for tag in itertools.product(*sets)}
    if written != set(wheel.tags):
        evidence = (f"WHEEL:     {', '.join(sorted(written))}", f"file name: {', '.join(sorted(wheel.tags))}")
        yield Finding(check="tags", file=path, message="its tags are not the file name's", evidence=evidence)
    pure = content.wheel_file.get("Root-Is-Purelib", "").strip().lower()
    if pure not in ("true", "false"):
        yield Finding(check="tags", file=path, message="Root-Is-Purelib is neither true nor false")
    elif content.binaries and pure == "true":
        yield Finding(check="tags", file=path, message="Root-Is-Purelib is true, but there are compiled files")


def _check_metadata(content: WheelContents) -> Iterator[Finding]:
    path = f"{content.wheel.dist_info}/METADATA"
    if path not in content.wheel.files:
        return
    name, version, *_ = split_filename(content.path.name)
    written, number = content.metadata.get("Name", ""), content.metadata.get("Version", "")
    if canonicalize_name(written) != canonicalize_name(name):
        yield Finding(check="tags", file=path, message=f"Name is '{written}', the file name says '{name}'")
    if canonicalize_version(number) != canonicalize_version(version):
        yield Finding(check="tags", file=path, message=f"Version is '{number}', the file name says '{version}'")


def _check_platforms(content: WheelContents, policies: Sequence[Policy]) -> Iterator[Finding]:
    wheel, name = content.wheel, content.path.name
    known = {policy.tag for policy in policies}
    for tag in parse_platforms(wheel.platform):
        if tag.family is TagFamily.LINUX:
            yield Finding(check="tags", file=name, message=f"{tag.text} promises nothing; the wheel was never repaired")
        elif tag.libc and tag.text not in known:
            yield Finding(check="tags", file=name, message=f"no policy is known for {tag.text}")
    for fact, values in (("libc", {p.libc for p in policies}), ("architecture", {p.arch.name for p in policies})):
        if len(values) > 1:
            message = f"the platform tags name more than one {fact}: {', '.join(sorted(values))}"
            yield Finding(check="tags", file=name, message=message)


def _check_suffix(content: WheelContents, path: str, policies: Sequence[Policy]) -> Iterator[Finding]:
    name = posixpath.basename(path)
    match = MODULE_SUFFIX.search(name)
    if match is None:
        return
    wheel, module = content.wheel, name[: match.start()]
    if module not in content.binaries[path].module_names and module.isascii():
        message = f"has no PyInit_{module}, so that Python cannot import it"
        yield Finding(check="tags", file=path, message=message)
    yield from _check_own_system(content, path, match, policies)
    abis, pythons = wheel.abi.split("."), wheel.python.split(".")
    if (match["abi"] or "").startswith("abi3"):
        if "none" in abis:
            message = f"is of the stable ABI, but the wheel's ABI tag is '{wheel.abi}'"
            yield Finding(check="tags", file=path, message=message)
        return
    version = match["version"] or match["pyd_version"]
    own = f"cp{version}{match['flags'] or match['pyd_flags'] or ''}"
    if version and own not in (pythons if "none" in abis else abis):
        message = f"is for {own} only, but the wheel is tagged {wheel.python}-{wheel.abi}"
        yield Finding(check="tags", file=path, message=message)


def _check_own_system(
    content: WheelContents, path: str, match: re.Match[str], policies: Sequence[Policy]
) -> Iterator[Finding]:
    """Hold the system in a module's own name against the tag: Python checks for no module with another's name."""
    platforms = content.wheel.platform.split(".")
    named, wanted = "", True
    if match["libc"] and policies:
        named = "musl" if match["libc"].startswith("musl") else "glibc"
        wanted = named == policies[0].libc
    elif match["libc"]:
        named, wanted = "Linux", content.systems <= {"linux"}
    elif match["mac"]:
        named, wanted = "macOS", content.systems <= {"darwin"}
    elif match["windows"]:
        named, wanted = match["windows"], match["windows"] in platforms
    if not wanted:
        message = f"its name is that of a module for {named}, but the wheel is tagged {content.wheel.platform}"
        yield Finding(check="tags", file=path, message=message)
