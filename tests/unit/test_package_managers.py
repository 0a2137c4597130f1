"""The command that `doctor` shows for a missing part, by the os-release file of each distribution."""

from __future__ import annotations

import platform
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner
from everywheel.cli import doctor
from everywheel.cli.main import main
from everywheel.cli.package_managers import Need, advise_install, find_package_manager, parse_os_release
from everywheel.containers.qemu import EmulationProblem
from everywheel.errors import MachineError
from everywheel.platforms.architectures import ARCHES

# From the systems' own files; fields with addresses of web pages are left out.
DEBIAN_12 = """\
PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
VERSION="12 (bookworm)"
VERSION_CODENAME=bookworm
ID=debian
"""
UBUNTU = """\
PRETTY_NAME="Ubuntu 24.04.3 LTS"
NAME="Ubuntu"
VERSION_ID="24.04"
VERSION="24.04.3 LTS (Noble Numbat)"
VERSION_CODENAME=noble
ID=ubuntu
ID_LIKE=debian
UBUNTU_CODENAME=noble
LOGO=ubuntu-logo
"""
MINT = """\
NAME="Linux Mint"
VERSION="22 (Wilma)"
ID=linuxmint
ID_LIKE="ubuntu debian"
PRETTY_NAME="Linux Mint 22"
VERSION_ID="22"
VERSION_CODENAME=wilma
UBUNTU_CODENAME=noble
"""
FEDORA = """\
NAME="Fedora Linux"
VERSION="42 (Container Image)"
RELEASE_TYPE=stable
ID=fedora
VERSION_ID=42
VERSION_CODENAME=""
PLATFORM_ID="platform:f42"
PRETTY_NAME="Fedora Linux 42 (Container Image)"
ANSI_COLOR="0;38;2;60;110;180"
"""
ROCKY = """\
NAME="Rocky Linux"
VERSION="9.4 (Blue Onyx)"
ID="rocky"
ID_LIKE="rhel centos fedora"
VERSION_ID="9.4"
PLATFORM_ID="platform:el9"
PRETTY_NAME="Rocky Linux 9.4 (Blue Onyx)"
"""
ALPINE = """\
NAME="Alpine Linux"
ID=alpine
VERSION_ID=3.22.1
PRETTY_NAME="Alpine Linux v3.22"
"""
WOLFI = """\
ID=wolfi
NAME="Wolfi"
PRETTY_NAME="Wolfi"
VERSION_ID="20230201"
"""
ARCH = """\
NAME="Arch Linux"
PRETTY_NAME="Arch Linux"
ID=arch
BUILD_ID=rolling
VERSION_ID=20250817.0.404960
ANSI_COLOR="38;2;23;147;209"
LOGO=archlinux-logo
"""
MANJARO = """\
NAME="Manjaro Linux"
PRETTY_NAME="Manjaro Linux"
ID=manjaro
ID_LIKE=arch
BUILD_ID=rolling
"""
TUMBLEWEED = """\
NAME="openSUSE Tumbleweed"
# VERSION="20250820"
ID="opensuse-tumbleweed"
ID_LIKE="opensuse suse"
VERSION_ID="20250820"
PRETTY_NAME="openSUSE Tumbleweed"
"""
SLES = """\
NAME="SLES"
VERSION="15-SP6"
VERSION_ID="15.6"
PRETTY_NAME="SUSE Linux Enterprise Server 15 SP6"
ID="sles"
ID_LIKE="suse"
"""
NIXOS = """\
ANSI_COLOR="0;38;2;126;186;228"
BUILD_ID="25.05.20250815.abcdef0"
ID=nixos
ID_LIKE=""
NAME=NixOS
"""


@pytest.mark.parametrize(
    ("os_release", "git", "venv"),
    [
        (DEBIAN_12, "`apt-get install git`", "`apt-get install python3-venv`"),
        (UBUNTU, "`apt-get install git`", "`apt-get install python3-venv`"),
        (MINT, "`apt-get install git`", "`apt-get install python3-venv`"),
        (FEDORA, "`dnf install git-core`", "`dnf install python3-pip`"),
        (ROCKY, "`dnf install git-core`", "`dnf install python3-pip`"),
        (ALPINE, "`apk add git`", "`apk add py3-pip`"),
        (WOLFI, "`apk add git`", "`apk add py3-pip`"),
        (ARCH, "`pacman -S git`", "`pacman -S python-pip`"),
        (MANJARO, "`pacman -S git`", "`pacman -S python-pip`"),
        (TUMBLEWEED, "`zypper install git-core`", "`zypper install python3-pip`"),
        (SLES, "`zypper install git-core`", "`zypper install python3-pip`"),
        (NIXOS, "install git", "install Python with venv and pip"),
        ("", "install git", "install Python with venv and pip"),
    ],
)
def test_a_distribution_is_recognized_by_its_name_or_by_what_it_is_derived_from(
    os_release: str, git: str, venv: str
) -> None:
    manager = find_package_manager("Linux", os_release)

    assert (advise_install(manager, Need.GIT), advise_install(manager, Need.VENV)) == (git, venv)


@pytest.mark.parametrize(
    ("system", "git", "utilities"),
    [
        ("Darwin", "`brew install git`", "install the POSIX utilities"),
        ("Windows", "`winget install Git.Git`", "install the POSIX utilities"),
        ("FreeBSD", "install git", "install the POSIX utilities"),
    ],
)
def test_other_systems_have_their_own_package_managers(system: str, git: str, utilities: str) -> None:
    manager = find_package_manager(system)

    assert (advise_install(manager, Need.GIT), advise_install(manager, Need.UTILITIES)) == (git, utilities)


@pytest.mark.parametrize(
    ("os_release", "advice"),
    [
        (DEBIAN_12, "`apt-get install qemu-user-static binfmt-support`, then `update-binfmts --enable qemu-ppc64le`"),
        (FEDORA, "`dnf install qemu-user-static`, then `systemctl restart systemd-binfmt`"),
        (ALPINE, "`apk add qemu-ppc64le qemu-openrc`, then `rc-service qemu-binfmt start`"),
        (ARCH, "`pacman -S qemu-user-static qemu-user-static-binfmt`, then `systemctl restart systemd-binfmt`"),
        (SLES, "`zypper install qemu-linux-user`, then `systemctl restart systemd-binfmt`"),
        (NIXOS, "install QEMU's static user-mode emulators"),
    ],
)
def test_emulators_are_installed_and_registered(os_release: str, advice: str) -> None:
    assert advise_install(find_package_manager("Linux", os_release), Need.EMULATOR, ARCHES["ppc64le"]) == advice


def test_values_of_os_release_are_quoted_as_in_a_shell() -> None:
    text = 'ID=\'rocky\'\nID_LIKE="rhel \\"centos\\""\n# ID=debian\n\nBROKEN="open\n  NAME=Plain\nno field\n'

    assert parse_os_release(text) == {"ID": "rocky", "ID_LIKE": 'rhel "centos"', "NAME": "Plain"}


def test_doctor_shows_the_commands_of_the_distribution(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def find_alpine() -> object:
        return find_package_manager("Linux", ALPINE)

    def find_nothing() -> object:
        raise MachineError("no container runtime answers", hint=doctor.INSTALL_HINT)

    monkeypatch.setattr(doctor, "find_package_manager", find_alpine)
    monkeypatch.setattr(doctor, "find_runtime", find_nothing)
    monkeypatch.setattr(doctor, "find_emulation_problem", lambda arch: EmulationProblem.NOT_MOUNTED)
    monkeypatch.setattr(doctor, "_SCRIPT_PROGRAMS", (Path("/bin/sh"), tmp_path / "env"))
    monkeypatch.setattr(doctor, "_CXX_LIBRARY", "libmissing.so.6")
    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.36"))
    monkeypatch.setenv("PATH", str(tmp_path))

    advice = {check.name: check.advice for check in doctor.check_machine(tmp_path, {})}

    assert advice["git"] == "`apk add git` (it applies patches)"
    assert advice["shell"] == "`apk add busybox` (they start compiler wrappers and code generators)"
    assert (
        advice["utilities"] == "`apk add coreutils diffutils findutils gawk grep sed tar` (configure scripts call them)"
    )
    assert advice["container runtime"] == "`apk add docker`, then `rc-service docker start`"
    assert advice["QEMU aarch64"] == (
        "`mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc`, then `apk add qemu-aarch64 qemu-openrc`, "
        "then `rc-service qemu-binfmt start`"
    )
    assert advice["mmdebstrap"] == "install mmdebstrap"


@pytest.mark.parametrize(
    ("os_release", "advice"),
    [
        (DEBIAN_12, "`apt-get install no-program-a gettext`"),
        (FEDORA, "`dnf install no-program-a gettext`"),
        (NIXOS, "install no-program-a, msgfmt"),
    ],
)
def test_doctor_names_the_declared_programs_that_are_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, os_release: str, advice: str
) -> None:
    for name, programs in (("one", ["no-program-a"]), ("two", ["msgfmt", "no-program-a"])):
        (tmp_path / "recipes" / name).mkdir(parents=True)
        (tmp_path / "recipes" / name / "recipe.toml").write_text(
            f'name = "{name}"\nversion = "1.0"\nlicense = {{ spdx = "MIT", files = ["LICENSE"] }}\n'
            f'[source]\nurls = ["https://example.org/{{version}}.tar.gz"]\nsha256 = "{64 * "0"}"\n'
            f'[build]\nsystem = "make"\nmachine-programs = {programs}\n[products]\n'.replace("'", '"')
        )
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "demo"\nversion = "1"\n[tool.everywheel]\n')
    for path in (Path(__file__).parents[2] / "recipes").glob("*/recipe.toml"):  # those of the collection are on PATH
        for program in tomllib.loads(path.read_text()).get("build", {}).get("machine-programs", ()):
            (tmp_path / program).touch(mode=0o755)
    manager = find_package_manager("Linux", os_release)
    monkeypatch.setattr(doctor, "find_package_manager", lambda: manager)
    monkeypatch.setenv("EVERYWHEEL_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("PATH", str(tmp_path))

    output = CliRunner().invoke(main, ["--project", str(tmp_path), "doctor"]).output

    lines = [line.split(maxsplit=1) for line in output.splitlines()]
    start = next(number for number, line in enumerate(lines) if line[1].startswith("programs:"))
    assert " ".join(" ".join(line) for line in lines[start : start + 2]).split() == (
        f"optional programs: not on PATH: no-program-a of one, two; msgfmt of two {advice} (builds run them)".split()
    )


@pytest.mark.skipif(platform.system() != "Linux", reason="reads this machine's own file")
def test_this_machine_is_recognized() -> None:
    assert find_package_manager() == find_package_manager("Linux", Path("/etc/os-release").read_text())
