"""All tasks that a developer or CI runs in this repository: `nox -l` lists them, and CI calls only these sessions."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

import nox

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT / ".ci"))

from session_tools import (  # noqa: E402
    everywheel,
    find,
    import_sources,
    install,
    install_pins,
    install_wheel,
    repeat,
)

nox.needs_version = ">=2024.10"
nox.options.default_venv_backend = "uv|virtualenv"  # uv creates an environment in a second
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["tests"]

# Tests that share expensive fixtures are in one group, and start in the order in which they were collected.
WORKERS = ("-n", "auto", "--dist", "loadgroup", "--no-loadscope-reorder", "--durations=10")
UNIT = ("tests/failing", "tests/plans", "tests/recipes", "tests/unit")
ARM64 = ("manylinux_2_36_aarch64", "musllinux_1_2_aarch64")
OLD = (f"manylinux2014_{arch}" for arch in ("i686", "armv7l", "s390x"))
UNRELEASED = (*OLD, "manylinux_2_24_ppc64le", "manylinux_2_31_riscv64")


@nox.session(name="build-all")
def build_all(session: nox.Session) -> None:
    """Build the project's wheels and test the one for this machine; `-- --targets all` builds more, and the sdist."""
    everywheel(session, "build", *session.posargs)


@nox.session
def unit(session: nox.Session) -> None:
    """Run the tests that build nothing: units, recipes, plans and error messages."""
    install(session, "test")
    session.run("pytest", "-n", "auto", "--durations=10", *UNIT, *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests that need neither root nor a container: those of `unit`, and builds of the test project."""
    install(session, "test")
    session.run("pytest", *WORKERS, "tests/builds", *UNIT, *session.posargs)


@nox.session
def integration(session: nox.Session) -> None:
    """Run the tests that need root and Docker: builds in a bare Debian, wheels on real systems; `-- -m exhaustive`: more."""
    install(session, "test", "nox", "checkers")
    session.run("pytest", *WORKERS, "tests/integration", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check types, style and formatting."""
    install(session, "lint")
    schema, workflows = "check-jsonschema --builtin-schema vendor.github-", find(".github/workflows/*.yml")
    for command in ("ruff check .", "ruff format --check .", "mypy", f"{schema}actions action.yml"):
        session.run(*command.split())
    session.run("clang-format", "--dry-run", "--Werror", *find("extension/src/**/*.[ch]"))
    session.run(*f"{schema}workflows".split(), *workflows)
    session.run("zizmor", "--offline", "--quiet", "action.yml", *workflows)


@nox.session
def requirements(session: nox.Session) -> None:
    """Pin the packages of sessions and containers with hashes; `-- --upgrade` chooses new versions, `-- --check` compares."""
    install(session)
    session.run("python", ".ci/requirements.py", *session.posargs)


@nox.session
def smoke(session: nox.Session) -> None:
    """Run the wheels in wheelhouse/ on every system that they claim; writes the matrix to smoke.html."""
    everywheel(session, "smoke", *find("wheelhouse/*.whl"), "--html", "smoke.html", *session.posargs)


@nox.session(name="test-containers")
def test_containers(session: nox.Session) -> None:
    """Build webpencode's `minimal` profile in arm64 containers under QEMU (one to two hours) and smoke-test the wheels."""
    install(session)
    test = "python -m pytest -q {}/test_webp_only.py"
    options = ("--engine", "container", "--profile", "libvips=minimal", *repeat("--target", session.posargs or ARM64))
    session.run("everywheel", "build", *options, env={"CIBW_TEST_COMMAND": test.format("{package}/tests")})
    wheels = find("wheelhouse/container-shared/*.whl")
    session.run("everywheel", "smoke", *wheels, "--command", test.format("extension/tests"))


@nox.session(name="test-architectures")
def test_architectures(session: nox.Session) -> None:
    """Build webpencode for five architectures that are not released and smoke-test the wheels under QEMU."""
    everywheel(session, "build", *repeat("--target", targets := session.posargs or UNRELEASED))
    wheels = [wheel for target in targets for wheel in find(f"wheelhouse/*{target}.whl")]
    everywheel(session, "smoke", *wheels, "--image", "debian-12", "--image", "debian-unstable", "--timeout", "1800")


@nox.session
def images(session: nox.Session) -> None:
    """List the images; `-- build`, `-- lock` and `-- prune` run the other commands of `everywheel images`."""
    everywheel(session, "images", *(session.posargs or ["list"]))


@nox.session
def bench(session: nox.Session) -> None:
    """Measure builds; others are `-- smoke`, `-- containers`, `-- planning`, `-- compiler-cache` and `-- profile FILE`."""
    install(session, "bench")
    others = {"smoke", "containers", "planning", "compiler-cache", "profile"}
    name, *args = session.posargs if {*session.posargs[:1]} & others else ["build", *session.posargs]
    session.run("python", f"tests/bench/bench_{name.replace('-', '_')}.py", *args)


@nox.session(name="bench-cluster")
def bench_cluster(session: nox.Session) -> None:
    """Simulate a cluster of 1 to 64 workers; `-- --docs` writes page and plot, `-- --real` builds with 1 and 2 workers."""
    install(session, "test")
    session.install("matplotlib")
    session.run("python", "tests/bench/bench_cluster.py", *session.posargs)


@nox.session(name="everywheel")
def run_everywheel(session: nox.Session) -> None:
    """Run a command of everywheel: `-- matrix` lists the jobs of a release, `-- recipes outdated` newer versions."""
    everywheel(session, *session.posargs)


@nox.session
def sources(session: nox.Session) -> None:
    """Try every location of every pinned file; `-- bundle --targets release` writes sources.tar, which sessions import."""
    everywheel(session, "sources", *(session.posargs or ["check"]))


@nox.session
def sdk(session: nox.Session) -> None:
    """Build the SDK of libvips into sdk/: `-- -t musllinux_1_2_x86_64`, `-- --targets all`, `-- --wheel --npm`."""
    install(session, *(["remote"] if os.environ.get("EVERYWHEEL_REMOTE") else []))
    import_sources(session)
    session.run("everywheel", "sdk", "libvips", *session.posargs)


@nox.session(name="build-job")
def build_job(session: nox.Session) -> None:
    """Build a job of `everywheel matrix` into jobs/: `-- zig-musllinux_1_2_x86_64`, `-- sdist`; build options may follow."""
    install(session, "provenance", *(["remote"] if os.environ.get("EVERYWHEEL_REMOTE") else []))
    import_sources(session)
    session.run("everywheel", "release", "build-job", *session.posargs)


@nox.session(name="test-wheel")
def test_wheel(session: nox.Session) -> None:
    """Install the wheel of a job (`-- zig-macosx_11_0_arm64`) from jobs/ on this machine and run the extension's tests."""
    name, *args = session.posargs or session.error("name a job: `nox -s everywheel -- matrix` lists them")
    install_pins(session, "wheel")
    install_wheel(session, f"jobs/{name}")
    session.run("pytest", "-q", "extension/tests/test_encode.py", "extension/tests/test_errors.py", *args)


@nox.session
def cibuildwheel(session: nox.Session) -> None:
    """Build and test webpencode's wheel on macOS or Windows with cibuildwheel, as `[tool.cibuildwheel]` describes."""
    family = {"Darwin": "macosx", "Windows": "win"}.get(platform.system()) or session.error("not for this system")
    install(session, "wheel")
    import_sources(session)
    options = ("--only", f"cp311-{family}_{platform.machine().lower()}", "--output-dir", "wheelhouse/cibuildwheel")
    pinned = {"CIBW_BUILD_FRONTEND": "pip", "PIP_BUILD_CONSTRAINT": str(ROOT / "everywheel.lock")}
    session.run("cibuildwheel", *options, "extension", *session.posargs, env={"PKG_CONFIG": "pkgconf", **pinned})


@nox.session(name="smoke-job")
def smoke_job(session: nox.Session) -> None:
    """Run the wheels of a job (`-- zig-musllinux_1_2_x86_64`) from jobs/ on every system that they claim."""
    name, *args = session.posargs or session.error("name a job: `nox -s everywheel -- matrix` lists them")
    install(session, "provenance")
    import_sources(session)
    results = (f"--html=smoke-{name}.html", f"--statements=statements/{name}")
    session.run("everywheel", "smoke", *find(f"jobs/{name}/*.whl"), "--require-run", *results, *args)


@nox.session
def collect(session: nox.Session) -> None:
    """Check that jobs/ has the files of every job, and copy the release to dist/; `-- --tag v1.2.0` checks the tag."""
    install(session, "release", "checkers", "provenance")
    session.run("python", ".ci/release.py", "collect", *session.posargs)


@nox.session(name="compare-index")
def compare_index(session: nox.Session) -> None:
    """Compare dist/ with the files on PyPI; `-- --complete` fails if a file is missing on PyPI."""
    install(session, "release")
    session.run("everywheel", "release", "compare", "dist", *session.posargs)


@nox.session
def release(session: nox.Session) -> None:
    """Prepare, build, check and tag a release: `-- 1.2.0`, or `-- --patch` for updated pins; `-- --dry-run` rehearses it."""
    install(session, "release", "checkers")
    session.run("python", ".ci/release.py", *session.posargs)


@nox.session
def reproduce(session: nox.Session) -> None:
    """Build twice under unlike C libraries, users, folders, locales and umasks, and compare the bytes; `-- --target TAG`."""
    install(session)
    session.run("python", ".ci/reproduce.py", *session.posargs)


@nox.session(name="rebuild-release")
def rebuild_release(session: nox.Session) -> None:
    """Build the last release again at its tag, with an empty store, and compare it with its record in releases/ (hours)."""
    install(session, "nox")
    session.run("python", ".ci/rebuild_release.py", *session.posargs, success_codes=[0, 10])


@nox.session
def projects(session: nox.Session) -> None:
    """Build well-known projects from their sdists, use the wheels, run their tests (root, Docker; hours); `-- --quick`."""
    install(session)
    session.run("python", "tests/projects/run_projects.py", *session.posargs)


@nox.session
def recipes(session: nox.Session) -> None:
    """Print the table of the collection; `-- --build --write libtiff` builds libraries for six targets and adds them."""
    install(session)
    session.run("python", "tests/recipes/build_recipes.py", *session.posargs)


@nox.session
def faults(session: nox.Session) -> None:
    """Damage stores, archives, wheels and HTTP answers, kill and interrupt builders (root; half an hour); `-- --share 0.1`."""
    install(session, "test")
    session.run("python", "tests/faults/run_faults.py", *session.posargs)


@nox.session
def examples(session: nox.Session) -> None:
    """Build the programs in examples/ for five systems, with an SDK for each, and run them; `-- static-amd64` builds some."""
    install(session, "examples")
    session.run("python", "examples/build_examples.py", "--run", *session.posargs)


import extension_sessions  # noqa: E402, F401 - nox lists the sessions of imported modules as well
