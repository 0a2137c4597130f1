"""Locking: find the digests of images and write them into the catalog, so that each pull returns the same bytes."""

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
from everywheel.containers.runtime_images import RuntimeImages
from everywheel.platforms.architectures import Arch


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedImage:
    """Digests of one image by architecture (or `any`) and their origin; without digests, the reason."""

    image: str
    digests: Mapping[str, str]
    origin: str = ""
    reason: str = ""


def resolve_digests(images: Iterable[SmokeImage], runtime_images: RuntimeImages | None) -> tuple[LockedImage, ...]:
    """Find the digest of each image that a registry has.

    PyPA's images have the digests that the installed cibuildwheel pins. For all others the container runtime queries the
    registry, repeatedly while it is busy. A registry that does not respond is not queried for any other image.
    """
    pins = read_pins()
    unavailable: dict[str, str] = {}
    locked = []
    for image in images:
        if not image.reference:
            continue
        if image.pinned_by:
            digests = {
                arch: pins[arch][image.pinned_by] for arch in image.arches if image.pinned_by in pins.get(arch, {})
            }
            origin = f"the pins of cibuildwheel {importlib.metadata.version('cibuildwheel')}"
            locked.append(LockedImage(image=image.name, digests=digests, origin=origin))
        elif runtime_images is None:
            locked.append(LockedImage(image=image.name, digests={}, reason="no container runtime is available"))
        else:
            locked.append(_query_digest(image, runtime_images, unavailable))
    return tuple(locked)


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
    """Return a build image's reference with its own digest, else with cibuildwheel's; empty if it has neither."""
    digest = image.digests.get(arch.name, image.digests.get("any", ""))
    if not digest and image.pinned_by:
        digest = read_pins().get(arch.name, {}).get(image.pinned_by, "")
    return f"{image.reference.format(arch=arch.name)}@{digest}" if image.reference and digest else ""


def _query_digest(image: SmokeImage, runtime_images: RuntimeImages, unavailable: dict[str, str]) -> LockedImage:
    registry = image.reference.partition("/")[0]
    if registry not in unavailable:
        answer = query_registry(lambda: runtime_images.find_digest(image.reference))
        if answer.value:
            return LockedImage(image=image.name, digests={"any": answer.value}, origin=registry)
        if is_image_missing(answer.reason):
            return LockedImage(image=image.name, digests={}, reason=f"{registry}: {answer.reason}")
        unavailable[registry] = answer.reason
    return LockedImage(image=image.name, digests={}, reason=f"{registry}: {unavailable[registry]}")


def write_digests(file: Path, locked: Iterable[LockedImage]) -> tuple[str, ...]:
    """Write digests into an images.toml and keep everything else; return the images whose digests changed."""
    document = tomlkit.parse(file.read_text(encoding="utf-8"))
    smoke = document["smoke"]
    changed = []
    for image in locked:
        table = smoke[image.image]
        if not image.digests or dict(table.get("digest", {})) == dict(image.digests):
            continue
        digest = tomlkit.inline_table()
        digest.update(image.digests)
        table["digest"] = digest
        changed.append(image.image)
    if changed:
        file.write_text(tomlkit.dumps(document), encoding="utf-8")
    return tuple(changed)
