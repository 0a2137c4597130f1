"""The catalog of images: which systems wheels are tried on, where each comes from, and the interpreters for them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from everywheel.config.recipe import suggest
from everywheel.config.toml_reader import Table, read_toml
from everywheel.errors import UsageError
from everywheel.platforms.architectures import ARCHES, Arch
from everywheel.platforms.tags import Floor
from everywheel.platforms.target import Target

_LIBC = re.compile(r"(glibc|musl) (\d+(?:\.\d+)+)")
_PACKAGED = Path(__file__).parents[1] / "images.toml"
_REPOSITORY = Path(__file__).parents[3] / "docker" / "images.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bootstrap:
    """How an image is made from packages: of which `kind` of system, which `suite`, with which Python of its own.

    `packages` are the distribution's that come besides.
    """

    kind: str
    suite: str
    python: str = ""
    packages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokeImage:
    """One system that wheels are tried on.

    `reference` may hold `{arch}`; `digests` maps architectures (or `any`) to what `images lock` found. `pinned_by` names
    the image under which cibuildwheel pins it. `cpu` maps architectures to QEMU's names of the processor to run on.
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
        """What is installed besides: such an image is for wheels that open the system's libraries."""
        return self.bootstrap.packages if self.bootstrap is not None else ()

    def is_claimed_by(self, target: Target) -> bool:
        """Tell whether a wheel for a target claims to run on this system."""
        same = (target.libc, target.arch.name in self.arches) == (self.libc, True)
        return same and target.libc_version <= self.libc_version[:2]

    def pinned(self, arch: Arch) -> str:
        """Return the reference with its digest, or an empty string for an image that is not locked."""
        digest = self.digests.get(arch.name, self.digests.get("any", ""))
        return f"{self.reference.format(arch=arch.name)}@{digest}" if self.reference and digest else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildImage:
    """One image that wheels are built in.

    `libc_version` is the lowest floor that its wheels can promise; `python` is the version of the interpreter in
    `/opt/python` that builds them, and `tests` tells whether that interpreter can make the environment in which
    cibuildwheel tests them. Without digests of its own, an image has those that cibuildwheel pins.
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

    def can_build(self, target: Target) -> bool:
        """Tell whether what is compiled in it can keep a target's promise."""
        same = (target.libc, target.arch.name in self.arches) == (self.libc, True)
        return same and self.libc_version <= target.libc_version

    @property
    def tag(self) -> str:
        """The Python tag of its interpreter, such as `cp311`."""
        return "cp" + self.python.replace(".", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class PortablePython:
    """An interpreter that runs wherever its C library does.

    `package` is pinned on PyPI, `sha256` gives the hash of its wheel for each architecture; `archive` is a glob of the
    file in the wheel; `libraries` maps recipes to the file that each has to lay beside it.
    """

    libc: str
    version: str
    package: str
    archive: str
    sha256: Mapping[str, str]
    libraries: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """All smoke images and build images by name, and the portable interpreters by libc."""

    file: Path
    images: Mapping[str, SmokeImage]
    builds: Mapping[str, BuildImage]
    pythons: Mapping[str, PortablePython]

    def choose(self, names: tuple[str, ...]) -> tuple[SmokeImage, ...]:
        """Return the images of these names; where none is named, all that nobody has installed further packages on.

        Raises UsageError for an unknown name.
        """
        for name in names:
            if name not in self.images:
                raise UsageError(f"there is no image '{name}'", hint=suggest(name, self.images))
        plain = (name for name, image in self.images.items() if not image.packages)
        return tuple(self.images[name] for name in dict.fromkeys(names or plain))


def find_catalog(project: Path) -> Path:
    """Return a project's own docker/images.toml, else the one that the toolkit brings along."""
    own = project / "docker" / "images.toml"
    return next((path for path in (own, _PACKAGED, _REPOSITORY) if path.is_file()), own)


def load_catalog(path: Path) -> Catalog:
    """Load an images.toml; raise UsageError, naming file and key, for anything wrong with it."""
    whole = read_toml(path, "docker/images.toml lists the images")
    smoke, builds, pythons = (whole.table(name, {}) for name in ("smoke", "build", "python"))
    images: dict[str, SmokeImage] = {}
    for name in smoke:
        table = smoke.table(name)
        images[name] = _load_like(table, name, images) if table.has("like") else _load_image(table, name)
    catalog = Catalog(
        file=path,
        images=images,
        builds={name: _load_build(builds.table(name), name) for name in builds},
        pythons={libc: _load_python(pythons.table(libc), libc) for libc in pythons},
    )
    whole.done()
    return catalog


def _load_image(table: Table, name: str) -> SmokeImage:
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
    table.done()
    if not image.reference and image.bootstrap is None:
        raise UsageError(
            f"{table.location}: neither 'image' nor 'bootstrap' says where it comes from",
            hint='add `image = "docker.io/…"` or `bootstrap = { debian = "SUITE" }`',
        )
    return image


def _reference(table: Table) -> str:
    """Return where a registry has an image; raise UsageError for a placeholder that nobody fills in."""
    reference = table.text("image", "")
    if set(re.findall(r"[{}]", reference.replace("{arch}", ""))):
        raise UsageError(f"{table.location}: 'image' is '{reference}'", hint="`{arch}` is the only placeholder")
    return reference


def _load_like(table: Table, name: str, images: Mapping[str, SmokeImage]) -> SmokeImage:
    other = table.text("like")
    if other not in images:
        raise UsageError(
            f"{table.location}: 'like' names '{other}', but no image before it is called that",
            hint=suggest(other, images),
        )
    arches = _arches(table) if table.has("arches") else images[other].arches
    image = replace(images[other], name=name, cpu=table.text_map("cpu"), arches=arches)
    if packages := table.texts("packages"):
        if image.bootstrap is None or image.bootstrap.kind != "debian":
            raise UsageError(
                f"{table.location}: 'packages' cannot be installed on '{other}', which is not made from Debian's packages",
                hint="name an image with `bootstrap = { debian = … }`",
            )
        # A registry has it without them.
        made = replace(image.bootstrap, packages=packages)
        image = replace(image, bootstrap=made, reference="", digests={}, pinned_by="")
    table.done()
    return image


def _load_build(table: Table, name: str) -> BuildImage:
    policy = table.text("policy")
    try:
        floor = Floor.parse(policy)
    except ValueError:
        raise UsageError(
            f"{table.location}: 'policy' is '{policy}'", hint='write `policy = "manylinux_2_17"` or `"musllinux_1_2"`'
        ) from None
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
        bootstrap=_load_bootstrap(table),
    )
    table.done()
    return image


def _load_bootstrap(table: Table) -> Bootstrap | None:
    if not table.has("bootstrap"):
        return None
    bootstrap = table.table("bootstrap")
    kind = "musl" if bootstrap.has("musl") else "debian"
    found = Bootstrap(
        kind=kind, suite=bootstrap.text(kind), python=bootstrap.text("python", "") if kind != "musl" else ""
    )
    bootstrap.done()
    return found


def _load_python(table: Table, libc: str) -> PortablePython:
    found = PortablePython(
        libc=libc,
        version=table.text("version"),
        package=table.text("package"),
        archive=table.text("archive"),
        sha256=table.text_map("sha256"),
        libraries=table.text_map("libraries"),
    )
    table.done()
    return found


def _arches(table: Table) -> tuple[str, ...]:
    names = table.texts("arches", ...)
    for name in names:
        if name not in ARCHES:
            raise UsageError(f"{table.location}: 'arches' names '{name}', which is unknown", hint=suggest(name, ARCHES))
    return names
