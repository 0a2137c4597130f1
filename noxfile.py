"""All tasks that a developer or CI runs in this repository: `nox -l` lists them, and CI calls only these sessions."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from pathlib import Path

import nox

nox.needs_version = ">=2024.10"
nox.options.default_venv_backend = "uv|virtualenv"  # uv creates an environment in a second
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["tests"]

ROOT = Path(__file__).parent
PINS = ROOT / ".github" / "requirements"  # written by `nox -s requirements`
# Tests that share expensive fixtures are in one group, and start in the order in which they were collected.
WORKERS = ("-n", "auto", "--dist", "loadgroup", "--no-loadscope-reorder", "--durations=10")
UNIT = ("tests/failing", "tests/plans", "tests/recipes", "tests/unit")
# Not run with sanitizers: tests of the imports and the memory use of the uninstrumented module, and of the command.
UNINSTRUMENTED = "not test_memory and not test_command and not calls_nothing_but_libvips"
ARM64 = ("manylinux_2_36_aarch64", "musllinux_1_2_aarch64")
OLD = (f"manylinux2014_{arch}" for arch in ("i686", "armv7l", "s390x"))
UNRELEASED = (*OLD, "manylinux_2_24_ppc64le", "manylinux_2_31_riscv64")


def install_pins(session: nox.Session, *names: str) -> None:
    """Install the packages of requirement files with hashes."""
    files = repeat("-r", (str(PINS / f"{name}.txt") for name in names))
    session.install("--require-hashes", "--no-deps", "--only-binary", ":all:", *files)


def install(session: nox.Session, *names: str) -> None:
    """Install everywheel and the packages of requirement files; takes a second if the environment has them."""
    install_pins(session, "everywheel", *names)
    session.install("--no-deps", "--no-build-isolation", "-e", ".")


def everywheel(session: nox.Session, *args: str) -> None:
    """Run everywheel in an environment without further packages."""
    install(session)
    session.run("everywheel", *args)


def install_wheel(session: nox.Session, folder: str = "wheelhouse") -> None:
    """Install webpencode's finished wheel for this machine."""
    session.install("--no-index", "--no-deps", "--force-reinstall", "--find-links", folder, "webpencode")


def import_sources(session: nox.Session) -> None:
    """Import the source bundle, if there is one, into the store: $EVERYWHEEL_BUNDLE or sources.tar."""
    bundle = Path(os.environ.get("EVERYWHEEL_BUNDLE", ROOT / "sources.tar"))
    if bundle.exists():
        session.run("everywheel", "sources", "import", str(bundle))


def repeat(option: str, values: Iterable[str]) -> list[str]:
    """Return the arguments that pass an option once for each value."""
    return [arg for value in values for arg in (option, value)]


def find(pattern: str) -> list[str]:
    """Return the files that match a pattern, relative to the project."""
    return sorted(str(path.relative_to(ROOT)) for path in ROOT.glob(pattern))


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
    install(session, "test", "nox")
    session.run("pytest", *WORKERS, "tests/integration", *session.posargs)


@nox.session(name="free-threaded")
def free_threaded(session: nox.Session) -> None:
    """Build a free-threaded CPython and run webpencode's tests on it; `-- zig-…` tests the wheel of that job."""
    install(session)
    import_sources(session)
    session.run("python", "tests/integration/free_threaded.py", session.create_tmp(), *session.posargs)


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
    """Measure builds; `-- smoke` measures smoke tests, `-- containers` a build in a container; prints figures and ratios."""
    install(session, "bench")
    name, *args = session.posargs if session.posargs[:1] in (["smoke"], ["containers"]) else ["build", *session.posargs]
    session.run("python", f"tests/bench/bench_{name}.py", *args)


@nox.session(name="bench-encode")
def bench_encode(session: nox.Session) -> None:
    """Measure webpencode's wheel next to Pillow, pyvips, opencv, webp and sharp. Prints figures and ratios."""
    session.install("matplotlib", "numpy", "opencv-python-headless", "Pillow", "pyvips[binary]", "webp")
    install_wheel(session)
    session.run("python", "tests/bench/bench_encode.py", *session.posargs)


@nox.session
def corpus(session: nox.Session) -> None:
    """Compare encoded pictures of other packages with Pillow, libwebp's tools and Chromium; `-- --short` for half a minute."""
    install(session, "corpus")
    install_wheel(session)
    session.run("python", "tests/corpus/run_corpus.py", *session.posargs)


@nox.session(name="everywheel")
def run_everywheel(session: nox.Session) -> None:
    """Run a command of everywheel: `-- matrix` lists the jobs of a release, `-- recipes outdated` newer versions."""
    everywheel(session, *session.posargs)


@nox.session
def sources(session: nox.Session) -> None:
    """Try every location of every pinned file; `-- bundle --targets release` writes sources.tar, which sessions import."""
    everywheel(session, "sources", *(session.posargs or ["check"]))


@nox.session(name="build-job")
def build_job(session: nox.Session) -> None:
    """Build a job of `everywheel matrix` into jobs/: `-- zig-musllinux_1_2_x86_64`, `-- sdist`; build options may follow."""
    install(session)
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
    install(session)
    import_sources(session)
    session.run("everywheel", "smoke", *find(f"jobs/{name}/*.whl"), "--require-run", f"--html=smoke-{name}.html", *args)


@nox.session
def collect(session: nox.Session) -> None:
    """Check that jobs/ has the files of every job, and copy the release to dist/; `-- --tag v1.2.0` checks the tag."""
    install(session, "release", "checkers")
    session.run("python", ".ci/release.py", "collect", *session.posargs)


@nox.session(name="compare-index")
def compare_index(session: nox.Session) -> None:
    """Compare dist/ with the files on PyPI; `-- --complete` fails if a file is missing on PyPI."""
    install(session, "release")
    session.run("everywheel", "release", "compare", "dist", *session.posargs)


@nox.session
def release(session: nox.Session) -> None:
    """Prepare, build, check and tag a release: `-- 1.2.0`; `-- --dry-run` rehearses it with an index on this machine."""
    install(session, "release", "checkers")
    session.run("python", ".ci/release.py", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Pass 100,000 damaged files and unusual arrays to webpencode's wheel; `-- --count N --seed N` changes them."""
    install_wheel(session)
    session.run("python", "extension/fuzz/fuzz_encode.py", *session.posargs, env={"MALLOC_ARENA_MAX": "1"})


@nox.session
def properties(session: nox.Session) -> None:
    """Test webpencode's wheel with thousands of options, arrays and damaged files from hypothesis (10 minutes)."""
    install_pins(session, "wheel")
    install_wheel(session)
    with session.chdir("extension"):
        session.run("pytest", "tests/test_properties.py", "--hypothesis-profile=long", *session.posargs)


def instrument(session: nox.Session) -> dict[str, str]:
    """Replace the module of the wheel by an instrumented one, and return the environment that loads it."""
    install(session, "wheel")
    install_wheel(session)
    folder = Path(session.virtualenv.location) / "instrumented"
    session.run("python", "extension/fuzz/instrument.py", "--output-dir", str(folder))
    return dict(line.split("=", 1) for line in (folder / "environment").read_text().splitlines())


@nox.session
def sanitize(session: nox.Session) -> None:
    """Run webpencode's tests with ASan and UBSan in module and libraries, built by Debian's clang (minutes)."""
    environment = instrument(session)
    with session.chdir("extension"):
        # Sanitizers write to the real standard error and end the process, which loses output that pytest has captured.
        session.run("pytest", "--capture=sys", "-k", UNINSTRUMENTED, *(session.posargs or ["tests"]), env=environment)


@nox.session
def projects(session: nox.Session) -> None:
    """Build well-known projects from their sdists, use the wheels, run their tests (root, Docker; hours); `-- --quick`."""
    install(session)
    session.run("python", "tests/projects/run_projects.py", *session.posargs)


@nox.session
def faults(session: nox.Session) -> None:
    """Damage stores, archives, wheels and HTTP answers, kill and interrupt builders (root; half an hour); `-- --share 0.1`."""
    install(session, "test")
    session.run("python", "tests/faults/run_faults.py", *session.posargs)


@nox.session(name="fuzz-coverage")
def fuzz_coverage(session: nox.Session) -> None:
    """Search with libFuzzer for inputs that reach new code, with ASan and UBSan (half an hour); `-- --seconds N`."""
    environment = instrument(session)
    session.run("python", "extension/fuzz/fuzz_coverage.py", *session.posargs, env=environment)
