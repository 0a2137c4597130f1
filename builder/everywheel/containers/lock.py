"""Locking: from names of images to digests, so that the same bytes are pulled tomorrow."""

from __future__ import annotations

import configparser
import importlib.metadata
import importlib.resources
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import tomlkit

from everywheel.containers.catalog import BuildImage, SmokeImage
from everywheel.containers.registry import is_image_missing, query_registry
from everywheel.containers.runtime import Runtime
from everywheel.platforms.architectures import Arch


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedImage:
    """What is known of one image: `digests` by architecture (or `any`), `place` that told; without digests, `why` not."""

    image: str
    digests: Mapping[str, str]
    place: str = ""
    reason: str = ""


def resolve_digests(images: Iterable[SmokeImage], runtime: Runtime | None) -> tuple[LockedImage, ...]:
    """Find the digest of every image that a registry has.

    The PyPA's come from the pins of the installed cibuildwheel, all others from their registry, asked through the
    container runtime, and again where it is busy. One that still does not answer is not asked for any other.
    """
    pins = read_pins()
    silent: dict[str, str] = {}
    found = []
    for image in images:
        if not image.reference:
            continue
        if image.pinned_by:
            digests = {
                arch: pins[arch][image.pinned_by] for arch in image.arches if image.pinned_by in pins.get(arch, {})
            }
            place = f"the pins of cibuildwheel {importlib.metadata.version('cibuildwheel')}"
            found.append(LockedImage(image=image.name, digests=digests, place=place))
        elif runtime is None:
            found.append(LockedImage(image=image.name, digests={}, reason="no container runtime to ask with"))
        else:
            found.append(_ask(image, runtime, silent))
    return tuple(found)


def read_pins() -> Mapping[str, Mapping[str, str]]:
    """Return the digests that the installed cibuildwheel pins: by architecture, then by the name of the image."""
    resource = importlib.resources.files("cibuildwheel") / "resources" / "pinned_docker_images.cfg"
    parser = configparser.ConfigParser(inline_comment_prefixes=("#",))
    parser.read_string(resource.read_text(encoding="utf-8"))
    return {
        arch: {name: reference.partition("@")[2] for name, reference in parser[arch].items() if "@" in reference}
        for arch in parser.sections()
    }


def pinned_build_reference(image: BuildImage, arch: Arch) -> str:
    """Return a build image's reference with its digest: its own, else cibuildwheel's; nothing where it has none."""
    digest = image.digests.get(arch.name, image.digests.get("any", ""))
    if not digest and image.pinned_by:
        digest = read_pins().get(arch.name, {}).get(image.pinned_by, "")
    return f"{image.reference.format(arch=arch.name)}@{digest}" if image.reference and digest else ""


def _ask(image: SmokeImage, runtime: Runtime, silent: dict[str, str]) -> LockedImage:
    registry = image.reference.partition("/")[0]
    if registry not in silent:
        answer = query_registry(lambda: runtime.find_digest(image.reference))
        if answer.found:
            return LockedImage(image=image.name, digests={"any": answer.found}, place=registry)
        if is_image_missing(answer.reason):
            return LockedImage(image=image.name, digests={}, reason=f"{registry}: {answer.reason}")
        silent[registry] = answer.reason
    return LockedImage(image=image.name, digests={}, reason=f"{registry}: {silent[registry]}")


def write_digests(file: Path, locked: Iterable[LockedImage]) -> tuple[str, ...]:
    """Put digests into an images.toml, all else as it was; return the images whose digests changed."""
    document = tomlkit.parse(file.read_text(encoding="utf-8"))
    smoke = document["smoke"]
    changed = []
    for one in locked:
        table = smoke[one.image]
        if not one.digests or dict(table.get("digest", {})) == dict(one.digests):
            continue
        digest = tomlkit.inline_table()
        digest.update(one.digests)
        table["digest"] = digest
        changed.append(one.image)
    if changed:
        file.write_text(tomlkit.dumps(document), encoding="utf-8")
    return tuple(changed)
