"""The catalog of images: smoke images, build images, and portable interpreters, from `docker/images.toml`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from everywheel.config.suggestions import suggest
from everywheel.config.toml_reader import Table, read_toml
from everywheel.errors import UsageError
from everywheel.platforms.architectures import ARCHES, Arch
from everywheel.platforms.tags import Floor
from everywheel.platforms.target import Target

_LIBC = re.compile(r"(glibc|musl) (\d+(?:\.\d+)+)")
_PACKAGED_CATALOG = Path(__file__).parents[1] / "images.toml"
_REPOSITORY_CATALOG = Path(__file__).parents[3] / "docker" / "images.toml"


class BootstrapKind(StrEnum):
    """Systems that an image can be built as: Debian, or musl and busybox from Debian's packages without glibc."""

    DEBIAN = "debian"
    MUSL = "musl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bootstrap:
    """How an image is built from packages: the kind of system, Debian's `suite`, and the version of its own Python.

    `packages` are additional packages of the distribution.
    """

    kind: BootstrapKind
    suite: str
    python: str = ""
    packages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokeImage:
    """One system that wheels are tested on.

    `reference` may contain `{arch}`; `digests` maps architectures (or `any`) to digests from `images lock`. `pinned_by` is
    the name under which cibuildwheel pins the image. `cpu` maps architectures to the processor to emulate, by QEMU's name.
    """

    name: str
    libc: str
    libc_version: tuple[int, ...]
    arches: tuple[str, ...]
    reference: str = ""
    digests: Mapping[str, str]
    pinned_by: str = ""
    bootstrap: Bootstrap | None = None
    cpu: Mapping[str, str]

    @property
    def libc_label(self) -> str:
        return f"{self.libc} {'.'.join(map(str, self.libc_version))}"

    @property
    def packages(self) -> tuple[str, ...]:
        """Additional packages: such an image is for wheels that load libraries of the system."""
        return self.bootstrap.packages if self.bootstrap is not None else ()

    def is_claimed_by(self, target: Target) -> bool:
        """Return whether the platform tag of a target claims this system."""
        same = (target.libc, target.arch.name in self.arches) == (self.libc, True)
        return same and target.libc_version <= self.libc_version[:2]

    def pinned_reference(self, arch: Arch) -> str:
        """Return the reference with its digest; empty for an image that is not locked."""
        digest = self.digests.get(arch.name, self.digests.get("any", ""))
        return f"{self.reference.format(arch=arch.name)}@{digest}" if self.reference and digest else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildImage:
    """One image that wheels are built in.

    `libc_version` is the lowest floor of its wheels; `python` is the version of the interpreter in `/opt/python` that
    builds them, and `tests` whether that interpreter can create the environment in which cibuildwheel tests them. Without
    digests of its own, an image has those that cibuildwheel pins. A bootstrapped musl image has a portable interpreter.
    """

    name: str
    libc: str
    libc_version: tuple[int, int]
    arches: tuple[str, ...]
    python: str
    tests: bool = True
    reference: str = ""
    digests: Mapping[str, str]
    pinned_by: str = ""
    bootstrap: Bootstrap | None = None
    portable_python: PortablePython | None = None

    def can_build(self, target: Target) -> bool:
        """Return whether binaries from this image can have the platform tag of a target."""
        same = (target.libc, target.arch.name in self.arches) == (self.libc, True)
        return same and self.libc_version <= target.libc_version

    @property
    def tag(self) -> str:
        """The Python tag of its interpreter, such as `cp311`."""
        return "cp" + self.python.replace(".", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class PortablePython:
    """An interpreter that requires only the C library of a system.

    `package` is a pinned requirement on PyPI and `sha256` the hash of its wheel for each architecture; `archive` is a glob
    of the archive in the wheel; `libraries` maps recipes to the file of each that the interpreter needs.
    """

    libc: str
    version: str
    package: str
    archive: str
    sha256: Mapping[str, str]
    libraries: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """All smoke images and build images by name, and the portable interpreters, of each libc the preferred one first."""

    file: Path
    smoke_images: Mapping[str, SmokeImage]
    build_images: Mapping[str, BuildImage]
    portable_pythons: Sequence[PortablePython]

    def select(self, names: tuple[str, ...]) -> tuple[SmokeImage, ...]:
        """Return the images with these names; without names, all images that have no additional packages.

        Raises UsageError for an unknown name.
        """
        for name in names:
            if name not in self.smoke_images:
                raise UsageError(f"unknown image '{name}'", hint=suggest(name, self.smoke_images))
        plain = (name for name, image in self.smoke_images.items() if not image.packages)
        return tuple(self.smoke_images[name] for name in dict.fromkeys(names or plain))


def find_catalog(project: Path) -> Path:
    """Return a project's own docker/images.toml, else the one of this package."""
    own = project / "docker" / "images.toml"
    return next((path for path in (own, _PACKAGED_CATALOG, _REPOSITORY_CATALOG) if path.is_file()), own)


def load_catalog(path: Path) -> Catalog:
    """Load an images.toml; raise UsageError with file and key for an invalid one."""
    document = read_toml(path, "docker/images.toml lists the images")
    smoke, builds, pythons = (document.table(name, {}) for name in ("smoke", "build", "python"))
    images: dict[str, SmokeImage] = {}
    for name in smoke:
        table = smoke.table(name)
        images[name] = _load_like(table, name, images) if table.has("like") else _load_smoke_image(table, name)
    portable_pythons = tuple(_load_python(pythons.table(name), name) for name in pythons)
    catalog = Catalog(
        file=path,
        smoke_images=images,
        build_images={name: _load_build_image(builds.table(name), name, portable_pythons) for name in builds},
        portable_pythons=portable_pythons,
    )
    document.reject_unknown_keys()
    return catalog


def _load_smoke_image(table: Table, name: str) -> SmokeImage:
    libc = table.text("libc")
    match = _LIBC.fullmatch(libc)
    if match is None:
        raise UsageError(
            f"{table.location}: 'libc' is '{libc}'", hint='write `libc = "glibc 2.36"` or `libc = "musl 1.2.5"`'
        )
    digests = table.text_map("digest")
    image = SmokeImage(
        name=name,
        libc=match[1],
        libc_version=tuple(map(int, match[2].split("."))),
        arches=_arches(table),
        reference=_reference(table),
        digests=digests,
        pinned_by=table.text("pinned-by", ""),
        bootstrap=_load_bootstrap(table),
        cpu={},
    )
    table.reject_unknown_keys()
    if not image.reference and image.bootstrap is None:
        raise UsageError(
            f"{table.location}: neither 'image' nor 'bootstrap' is set",
            hint='add `image = "docker.io/…"` or `bootstrap = { debian = "SUITE" }`',
        )
    return image


def _reference(table: Table) -> str:
    """Return the name of an image in its registry; raise UsageError for an unknown placeholder."""
    reference = table.text("image", "")
    if set(re.findall(r"[{}]", reference.replace("{arch}", ""))):
        raise UsageError(f"{table.location}: 'image' is '{reference}'", hint="`{arch}` is the only placeholder")
    return reference


def _load_like(table: Table, name: str, images: Mapping[str, SmokeImage]) -> SmokeImage:
    other = table.text("like")
    if other not in images:
        raise UsageError(
            f"{table.location}: 'like' names '{other}', but no image above it has that name",
            hint=suggest(other, images),
        )
    arches = _arches(table) if table.has("arches") else images[other].arches
    image = replace(images[other], name=name, cpu=table.text_map("cpu"), arches=arches)
    if packages := table.texts("packages"):
        if image.bootstrap is None or image.bootstrap.kind is not BootstrapKind.DEBIAN:
            raise UsageError(
                f"{table.location}: 'packages' cannot be installed on '{other}', which is not built from Debian's packages",
                hint="name an image with `bootstrap = { debian = … }`",
            )
        # The image in a registry does not have these packages.
        bootstrap = replace(image.bootstrap, packages=packages)
        image = replace(image, bootstrap=bootstrap, reference="", digests={}, pinned_by="")
    table.reject_unknown_keys()
    return image


def _load_build_image(table: Table, name: str, pythons: Sequence[PortablePython]) -> BuildImage:
    policy = table.text("policy")
    try:
        floor = Floor.parse(policy)
    except ValueError:
        raise UsageError(
            f"{table.location}: 'policy' is '{policy}'", hint='write `policy = "manylinux_2_17"` or `"musllinux_1_2"`'
        ) from None
    bootstrap = _load_bootstrap(table)
    is_musl = bootstrap is not None and bootstrap.kind is BootstrapKind.MUSL
    portable = next((python for python in pythons if python.libc == floor.libc), None)
    if is_musl and portable is None:
        raise UsageError(f"{table.location}: there is no table [python.{floor.libc}]", hint="it pins the interpreter")
    image = BuildImage(
        name=name,
        libc=floor.libc,
        libc_version=floor.version,
        arches=_arches(table),
        python=table.text("python"),
        tests=table.flag("tests", True),
        reference=_reference(table),
        digests=table.text_map("digest"),
        pinned_by=table.text("pinned-by", ""),
        bootstrap=bootstrap,
        portable_python=portable if is_musl else None,
    )
    table.reject_unknown_keys()
    return image


def _load_bootstrap(table: Table) -> Bootstrap | None:
    if not table.has("bootstrap"):
        return None
    bootstrap = table.table("bootstrap")
    kind = BootstrapKind.MUSL if bootstrap.has("musl") else BootstrapKind.DEBIAN
    python = bootstrap.text("python", "") if kind is BootstrapKind.DEBIAN else ""
    result = Bootstrap(kind=kind, suite=bootstrap.text(kind), python=python)
    bootstrap.reject_unknown_keys()
    return result


def _load_python(table: Table, name: str) -> PortablePython:
    python = PortablePython(
        libc=table.text("libc", name),
        version=table.text("version"),
        package=table.text("package"),
        archive=table.text("archive"),
        sha256=table.text_map("sha256"),
        libraries=table.text_map("libraries"),
    )
    table.reject_unknown_keys()
    return python


def _arches(table: Table) -> tuple[str, ...]:
    names = table.texts("arches", ...)
    for name in names:
        if name not in ARCHES:
            raise UsageError(f"{table.location}: 'arches' names '{name}', which is unknown", hint=suggest(name, ARCHES))
    return names
