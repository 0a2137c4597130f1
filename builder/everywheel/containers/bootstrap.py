"""Bootstrapping: images built from a distribution's own packages, without a registry.

Packages are unpacked without running their maintainer scripts: an image for a foreign architecture needs no emulator and
takes seconds. The files that a wheel depends on (C library, loader, interpreter) are exactly the distribution's.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from everywheel.archives.refusal import ArchiveError
from everywheel.archives.tar_reader import TarArchive, TarKind, open_tar
from everywheel.containers.catalog import Bootstrap, BootstrapKind, SmokeImage
from everywheel.containers.image_archive import write_image
from everywheel.containers.runtime_images import IMAGE_LABEL, RuntimeImages
from everywheel.errors import MachineError
from everywheel.execution.files import remove_path
from everywheel.execution.process import run_logged
from everywheel.planning.keys import digest_code
from everywheel.platforms.architectures import Arch
from everywheel.sources.distro.apt_archives import DISTRIBUTIONS, find_machine_archives
from everywheel.store.local import Store

_KEYRING = DISTRIBUTIONS["debian"].keyring
_MERGED_USR_HOOKS = Path("/usr/share/mmdebstrap/hooks/merged-usr")
# The maintainer scripts, which are not run, would create these files. Documentation only makes the image larger.
_CUSTOMIZE_HOOK = (
    'rm -rf "$1"/usr/share/doc "$1"/usr/share/man "$1"/usr/share/locale "$1"/usr/share/info "$1"/usr/share/perl* '
    '"$1"/var/cache/apt "$1"/var/lib/apt; '
    'test -e "$1/bin/sh" || ln -s dash "$1/bin/sh"; '
    'test -e "$1/etc/passwd" || echo "root:x:0:0:root:/root:/bin/sh" > "$1/etc/passwd"; '
    'test -e "$1/etc/group" || echo "root:x:0:" > "$1/etc/group"'
)

_PACKAGES = {
    # As in each Debian that has apt, and as the tags of manylinux promise: libstdc++.
    ("debian", True): ("base-files", "libstdc++6", "python3"),
    ("debian", False): ("base-files", "libc6", "libstdc++6"),
    ("musl", False): ("musl", "busybox-static"),
}
_STATIC_PROGRAMS = {"busybox": "bin/busybox", "bash-static": "bin/bash"}
_LARGEST_PROGRAM = 64 << 20  # bytes


def bootstrap_identity(bootstrap: Bootstrap, arch: Arch) -> str:
    """Return the hash of everything that determines an image; one with the same hash is not built again."""
    code = digest_code(("containers/bootstrap.py", "containers/image_archive.py"))
    return hashlib.sha256(repr((code, bootstrap, arch.name)).encode()).hexdigest()[:12]


def bootstrapped_reference(image: SmokeImage, arch: Arch) -> str:
    """Return the name of a bootstrapped image in the runtime; images with the same bootstrap share one."""
    assert image.bootstrap is not None
    bootstrap = image.bootstrap
    return f"everywheel/{bootstrap.kind}-{bootstrap.suite}:{arch.name}-{bootstrap_identity(bootstrap, arch)}"


def bootstrap_image(image: SmokeImage, arch: Arch, images: RuntimeImages, store: Store) -> str:
    """Return the reference of a bootstrapped image, building it if the runtime does not have it.

    Raises MachineError when mmdebstrap is not installed, BuildError when it fails.
    """
    assert image.bootstrap is not None
    reference = bootstrapped_reference(image, arch)
    with store.lock(f"image-{reference.replace('/', '-').replace(':', '-')}"):
        if images.has(reference):
            return reference
        with TemporaryDirectory(dir=store.root / "tmp") as folder:
            root, archive = Path(folder) / "root.tar", Path(folder) / "image.tar"
            log = store.root / "logs" / f"image-{image.name}-{arch.name}.log"
            remove_path(log)
            packages = (*_PACKAGES[image.bootstrap.kind, bool(image.bootstrap.python)], *image.bootstrap.packages)
            make_root(image.bootstrap, arch, packages, root, log)
            origin = f"{image.bootstrap.kind} {image.bootstrap.suite} {arch.name}, unpacked from packages"
            write_image([root], archive, reference, arch, {IMAGE_LABEL: origin})
            images.load(archive)
    return reference


def make_root(bootstrap: Bootstrap, arch: Arch, packages: Sequence[str], into: Path, log: Path) -> None:
    """Write the tar archive of a root filesystem with these packages; for musl, only musl itself and static programs.

    Raises MachineError when mmdebstrap is not installed, BuildError when it fails.
    """
    if bootstrap.kind is not BootstrapKind.MUSL:
        _unpack_packages(bootstrap.suite, arch, packages, into, log)
        return
    whole = into.with_name("whole.tar")
    _unpack_packages(bootstrap.suite, arch, packages, whole, log)
    _extract_musl(whole, arch, into)
    whole.unlink()


def _unpack_packages(suite: str, arch: Arch, packages: Sequence[str], into: Path, log: Path) -> None:
    if shutil.which("mmdebstrap") is None:
        raise MachineError(
            "images cannot be bootstrapped: mmdebstrap is not installed",
            hint="`apt-get install mmdebstrap`, or `everywheel images lock` to pull images from a registry instead",
        )
    merged = [f"--hook-dir={_MERGED_USR_HOOKS}"] if _MERGED_USR_HOOKS.is_dir() else []
    run_logged(
        [
            "mmdebstrap",
            "--variant=extract",
            f"--architectures={arch.debian}",
            "--skip=check/qemu",
            # The package lists of an outdated mirror have expired; their signatures are checked in any case.
            '--aptopt=Acquire::Check-Valid-Until "false"',
            *merged,
            f"--include={','.join(packages)}",
            f"--customize-hook={_CUSTOMIZE_HOOK}",
            suite,
            into,
            *_find_archive(suite),
        ],
        cwd=into.parent,
        env=dict(os.environ),
        log=log,
        label=f"image of {suite} for {arch.name}",
        hint=f"check that the suite has packages for {arch.debian}; the log contains the errors of the package archive",
    )


def _find_archive(suite: str) -> tuple[str, ...]:
    """Return the Debian archive that this machine uses, or nothing elsewhere: mmdebstrap has a default."""
    archives = [archive for archive in find_machine_archives() if archive.keyring == _KEYRING]
    return tuple(f"deb [signed-by={_KEYRING}] {archive.uri} {suite} main" for archive in archives[:1])


def _extract_musl(system: Path, arch: Arch, into: Path) -> None:
    """Copy musl's loader and static programs from the tar archive of a whole system, without any other C library."""
    loader, library = f"lib/ld-musl-{arch.musl_loader}.so.1", f"lib/libc.musl-{arch.musl_library}.so.1"
    with tarfile.open(into, "w", format=tarfile.PAX_FORMAT) as out:
        try:
            with open_tar(system) as members:
                for member in members:
                    path = PurePosixPath(member.name)
                    if member.kind is TarKind.FILE and path.name == "libc.so" and "musl" in str(path):
                        _add_program(out, loader, members)
                    elif member.kind is TarKind.FILE and path.name in _STATIC_PROGRAMS and path.parent.name == "bin":
                        _add_program(out, _STATIC_PROGRAMS[path.name], members)
        except ArchiveError as error:
            details = {"reason": str(error)}
            raise MachineError(f"mmdebstrap wrote an unusable archive for {arch.name}", details=details) from None
        for name, to in ((library, PurePosixPath(loader).name), ("bin/sh", "busybox")):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, to
            out.addfile(link)
        for name in ("tmp", "proc", "dev", "sys", "root"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            out.addfile(folder)
        names = out.getnames()
    if loader not in names:
        raise MachineError(f"the musl package for {arch.name} has no libc.so", hint="name another suite for the image")


def _add_program(out: tarfile.TarFile, name: str, members: TarArchive) -> None:
    """Add the current member of an archive as an executable file."""
    content = members.read(_LARGEST_PROGRAM)
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o755
    out.addfile(member, io.BytesIO(content))
