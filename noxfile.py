"""Everything that can be done with this repository; `nox -l` lists it, CI calls nothing else."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nox

nox.needs_version = ">=2024.10"
nox.options.default_venv_backend = "uv|virtualenv"  # with uv, an environment is made in a second
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["tests"]

ROOT = Path(__file__).parent
LINT = ["clang-format==23.1.5", "mypy==2.4.1", "ruff==0.17.6", "types-docker", "types-requests"]
CHECKS = ["check-jsonschema==0.39.0", "zizmor==1.32.0"]
TEST = ["pypi-simple==1.8.0", "pytest>=8", "pytest-xdist>=3.6", "pyyaml>=6", "towncrier==26.9.0", "twine==7.0.0"]
# Tests that share expensive fixtures are in one group, and start in the order in which they were collected.
WORKERS = ("-n", "auto", "--dist", "loadgroup", "--no-loadscope-reorder", "--durations=10")
UNIT = ("tests/unit", "tests/recipes", "tests/plans", "tests/failing")
# True of the module in the wheel alone, whom it calls and what memory it takes; and a command in an environment of its own.
UNINSTRUMENTED = "not test_memory and not test_command and not calls_nothing_but_libvips"
FULL = ("manylinux_2_36_aarch64", "musllinux_1_2_aarch64")
MORE = (
    "manylinux2014_i686",
    "manylinux2014_armv7l",
    "manylinux2014_s390x",
    "manylinux_2_24_ppc64le",
    "manylinux_2_31_riscv64",
)
RELEASE = [
    "abi3audit==0.0.26",
    "check-wheel-contents==0.6.3",
    "pydistcheck==0.11.3",
    "pypi-simple==1.8.0",
    "towncrier==26.9.0",
    "twine==7.0.0",
]
CHANGELOGS = ("pyproject.toml", "changes/webpencode.toml")
LOCAL_IMAGES = (
    "debian-12",
    "debian-unstable",
    "musl",
)  # one with a Python of its own, others without, one without glibc


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
    """Build every wheel of the project into wheelhouse/, then use the one for this machine; `-- --targets all` builds more.

    All are the targets that are released, those that are only built, and the source distribution.
    """
    install(session)
    session.run("everywheel", "build", *session.posargs)


@nox.session
def unit(session: nox.Session) -> None:
    """Run the tests that build nothing: units, recipes, plans and error messages."""
    install(session, *TEST)
    session.run("pytest", "-n", "auto", "--durations=10", *UNIT, *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests that need neither root nor a container: those of `unit`, and builds of the test project."""
    install(session, *TEST)
    session.run("pytest", *WORKERS, "tests/builds", *UNIT, *session.posargs)


@nox.session
def integration(session: nox.Session) -> None:
    """Run the tests that need root and Docker: the whole build in a bare Debian, and wheels on real systems."""
    install(session, *TEST, "nox", "uv")
    session.run("pytest", *WORKERS, "tests/integration", *session.posargs)


@nox.session(name="test-exhaustive")
def test_exhaustive(session: nox.Session) -> None:
    """Run the integration tests that repeat others for further targets, images or libraries (an hour)."""
    install(session, *TEST, "nox", "uv")
    session.run("pytest", *WORKERS, "-m", "exhaustive", "tests/integration", *session.posargs)


@nox.session(name="free-threaded")
def free_threaded(session: nox.Session) -> None:
    """Build a CPython without a GIL and run all tests there with webpencode's wheel for it, which is built too.

    With the name of a job (`-- zig-manylinux_2_17_x86_64`) it is the wheel that this job left in jobs/.
    """
    install(session)
    place = Path(session.create_tmp())
    words = list(session.posargs)
    name = words.pop(0) if words and words[0].startswith("zig-") else ""
    if name:
        _import_bundle(session)
    session.run("everywheel", "deps", "python-freethreaded", "--prefix", str(place / "python"))
    if not name:
        session.run("everywheel", "build", "--target", f"manylinux2014_{platform.machine()}")
    folder, floor = (ROOT / "jobs" / name, "*") if name else (ROOT / "wheelhouse", "2014")
    (wheel,) = folder.glob(f"webpencode-*-cp314t-manylinux{floor}_{platform.machine()}.whl")
    shutil.rmtree(place / "site", ignore_errors=True)
    platforms = [word for tag in wheel.stem.rpartition("-")[2].split(".") for word in ("--platform", tag)]
    session.run(
        "python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--target",
        str(place / "site"),
        "--implementation",
        "cp",
        "--python-version",
        "3.14",
        "--abi",
        "cp314t",
        *platforms,
        "--only-binary",
        ":all:",
        "pytest",
        str(wheel),
    )
    session.run(
        str(place / "python" / "bin" / "python3.14t"),
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "extension/tests",
        *words,
        external=True,
        env={"PYTHONPATH": str(place / "site"), "PYTHON_GIL": None},
    )


@nox.session
def lint(session: nox.Session) -> None:
    """Check types, style and formatting."""
    install(session, *LINT, *CHECKS, "nox", "pytest")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    sources = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "extension" / "src").rglob("*.[ch]"))
    session.run("clang-format", "--dry-run", "--Werror", *sources)
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


@nox.session(name="test-containers")
def test_containers(session: nox.Session) -> None:
    """Build webpencode's `minimal` profile in arm64 containers (under QEMU: an hour or two) and try the wheels."""
    install(session)
    test = "python -m pytest -q {path}/test_webp_only.py"
    for target in session.posargs or FULL:
        session.run(
            "everywheel",
            "build",
            "--engine",
            "container",
            "--target",
            target,
            "--profile",
            "libvips=minimal",
            env={"CIBW_TEST_COMMAND": test.format(path="{package}/tests")},
        )
    wheels = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "wheelhouse" / "container-shared").glob("*.whl"))
    session.run("everywheel", "smoke", *wheels, "--command", test.format(path="extension/tests"))


@nox.session(name="test-architectures")
def test_architectures(session: nox.Session) -> None:
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
    install(session, "nox", "psutil")
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
    # Of glibc's allocator one arena, so that what threads leave to each other is not taken for a leak.
    session.run("python", "extension/fuzz/fuzz_encode.py", *session.posargs, env={"MALLOC_ARENA_MAX": "1"})


@nox.session
def sdist(session: nox.Session) -> None:
    """Build the extension's source distribution into wheelhouse/ and jobs/sdist/."""
    install(session)
    _import_bundle(session)
    session.run("everywheel", "sdist", *session.posargs)
    _keep(_find_job(session, "sdist"), ROOT / "wheelhouse")


@nox.session(name="bundle-sources")
def bundle_sources(session: nox.Session) -> None:
    """Bundle every source of a release, with its recipe, into sources.tar, which other sessions import where it is."""
    install(session)
    targets = [word for one in _list_jobs(session)["zig"] for word in ("--target", one["target"])]
    session.run("everywheel", "sources", "bundle", "sources.tar", *targets, *session.posargs)


@nox.session
def matrix(session: nox.Session) -> None:
    """Show the jobs of a release; `-- FILE` appends them to a file of outputs, as GitHub's $GITHUB_OUTPUT is."""
    install(session)
    session.run("everywheel", "matrix")
    for file in session.posargs:
        line = session.run("everywheel", "matrix", "--json", silent=True)
        with Path(file).open("a") as out:
            out.write(f"matrix={line}")


@nox.session(name="build-job")
def build_job(session: nox.Session) -> None:
    """Do one job of `nox -s matrix`, such as `-- zig-musllinux_1_2_x86_64`, and leave what it makes in jobs/<its name>/.

    Words after its name are for `everywheel build`.
    """
    name, *more = _take_job(session)
    install(session)
    _import_bundle(session)
    wanted = _find_job(session, name)
    session.run("everywheel", "build", "--engine", wanted["engine"], "--target", wanted["target"], *more)
    folder = ROOT / "wheelhouse"
    _keep(wanted, folder if wanted["engine"] == "zig" else folder / f"{wanted['engine']}-shared")


@nox.session(name="test-wheel")
def test_wheel(session: nox.Session) -> None:
    """Install the wheel of a job (`-- zig-macosx_11_0_arm64`) from jobs/ on this machine and run the extension's tests."""
    name, *more = _take_job(session)
    session.install("pytest")
    session.install("--no-index", "--no-deps", "--force-reinstall", "--find-links", f"jobs/{name}", "webpencode")
    session.run(
        "python", "-m", "pytest", "-q", "extension/tests/test_encode.py", "extension/tests/test_errors.py", *more
    )


@nox.session
def cibuildwheel(session: nox.Session) -> None:
    """Build webpencode's wheel on a Mac or a Windows machine by its own `[tool.cibuildwheel]`, and test it there."""
    family = {"Darwin": "macosx", "Windows": "win"}.get(platform.system())
    if family is None:
        session.error(
            "this is for macOS and Windows; on Linux `everywheel build --engine container` calls cibuildwheel"
        )
    install(session, "pkgconf==3.0.7.post0")
    _import_bundle(session)
    session.run(
        "cibuildwheel",
        "--only",
        f"cp311-{family}_{platform.machine().lower()}",
        "--output-dir",
        "wheelhouse/cibuildwheel",
        "extension",
        *session.posargs,
        env={"PKG_CONFIG": "pkgconf"},
    )


@nox.session(name="smoke-job")
def smoke_job(session: nox.Session) -> None:
    """Try the wheels of a job (`-- zig-musllinux_1_2_x86_64`) from jobs/ on every system that they claim."""
    name, *more = _take_job(session)
    install(session)
    _import_bundle(session)
    wheels = _wheels(f"jobs/{name}")
    session.run("everywheel", "smoke", *wheels, "--require-run", "--html", f"smoke-{name}.html", *more)


@nox.session
def collect(session: nox.Session) -> None:
    """Count the files of jobs/ against the plan, audit and check them, and lay them out in dist/; `-- --tag v1.2.0`."""
    install(session, *RELEASE)
    bundle = ROOT / "jobs" / "sources" / "sources.tar"
    also = ["--include", str(bundle)] if bundle.exists() else []
    which = [] if any(word.startswith("--layout") for word in session.posargs) else ["--layout", "all"]
    session.run("everywheel", "release", "check", "jobs", "--output-dir", "dist", *which, *also, *session.posargs)
    _check_dist(session)


@nox.session(name="compare-index")
def compare_index(session: nox.Session) -> None:
    """Ask PyPI what it has of dist/, and whether those are the same bytes; `-- --complete` fails where one is missing."""
    install(session, *RELEASE)
    session.run("everywheel", "release", "compare", "dist", *session.posargs)


@nox.session
def release(session: nox.Session) -> None:
    """Number, build, check, commit and tag a release: `-- 1.2.0`; `-- --dry-run` uploads to an index of its own instead.

    A dry run does all but numbering, with the version as it is: build, sdist, audit, smoke, upload to a local index, and
    `pip install` from there on several systems; more words are for `everywheel smoke`. Neither pushes: the tag, once
    pushed, is what releases.
    """
    install(session, *RELEASE, "nox")
    dry = "--dry-run" in session.posargs
    words = [word for word in session.posargs if word != "--dry-run"]
    if (dry and words and not words[0].startswith("-")) or (not dry and len(words) != 1):
        session.error("name the version, as in `nox -s release -- 1.2.0`, or try `nox -s release -- --dry-run`")
    changelogs = [word for config in CHANGELOGS for word in ("--changelog", config)]
    # Asked now, not after an hour of building. The command needs a container runtime, and changes nothing.
    session.run("everywheel", "images", "prune", "--dry-run", silent=True)
    if shutil.which("wine") is None:
        session.error("Wine is not there, which runs the wheels for Windows: `apt-get install wine wine64`")
    if dry:
        session.run("everywheel", "release", "prepare", "--dry-run", *changelogs)
        _build_dist(session)
        _rehearse(session, words)
        return
    session.run("everywheel", "release", "prepare", words[0], *changelogs)
    try:
        version = _list_jobs(session)["version"]  # in its normal form
        for config in CHANGELOGS:
            session.run("towncrier", "build", "--yes", "--version", version, "--dir", ".", "--config", config)
        _build_dist(session)
        session.run("everywheel", "smoke", *_wheels("dist"), "--require-run")
        session.run("everywheel", "release", "tag")
    except BaseException:
        session.run("everywheel", "release", "abort")
        raise


def _build_dist(session: nox.Session) -> None:
    session.run("everywheel", "build", "--targets", "release")
    session.run("everywheel", "sdist")
    session.run("everywheel", "release", "check", "wheelhouse", "--output-dir", "dist")
    _check_dist(session)


def _check_dist(session: nox.Session) -> None:
    wheels = _wheels("dist")
    everything = [*wheels, *(str(path.relative_to(ROOT)) for path in (ROOT / "dist").glob("*.tar.gz"))]
    session.run("twine", "check", "--strict", *everything)
    session.run("check-wheel-contents", *wheels)
    session.run("abi3audit", "--strict", "--summary", *(wheel for wheel in wheels if "-abi3-" in wheel))
    session.run("pydistcheck", *everything)


def _wheels(folder: str) -> list[str]:
    return sorted(str(path.relative_to(ROOT)) for path in (ROOT / folder).glob("*.whl"))


def _rehearse(session: nox.Session, more: list[str]) -> None:
    """Upload dist/ to an index on this machine, twice, and install from there on systems as a user would."""
    with _index(session) as address:
        simple = ("--index-url", f"{address}simple/")
        upload = ("everywheel", "release", "upload", "dist", "--repository-url", address, *simple)
        # Nor may a proxy be asked for what is on this machine.
        near = ",".join(filter(None, (os.environ.get("no_proxy") or os.environ.get("NO_PROXY"), "127.0.0.1")))
        direct = {"no_proxy": near, "TWINE_USERNAME": "nobody", "TWINE_PASSWORD": "nothing"}
        session.run(*upload, env=direct)
        again = session.run(*upload, env=direct, silent=True)
        if not str(again).splitlines()[-1].startswith("0 files uploaded"):
            session.error(f"a second upload uploaded something again:\n{again}")
        session.run("everywheel", "release", "compare", "dist", "--complete", *simple, env=direct)
        images = [word for image in LOCAL_IMAGES for word in ("--image", image)]
        wheels = _wheels("dist")
        session.run("everywheel", "smoke", *wheels, "--require-run", "--index-url", f"{address}simple/", *images, *more)


@contextlib.contextmanager
def _index(session: nox.Session) -> Iterator[str]:
    """Run an empty package index on loopback and give its address."""
    folder = Path(session.create_tmp()) / "index"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    # In an environment of its own: what it brings must not decide what the toolkit finds.
    environment = Path(session.virtualenv.location).with_name("index")
    if not (environment / "bin" / "pypi-server").exists():
        session.run("python", "-m", "venv", "--without-pip", str(environment))
        session.run("python", "-m", "pip", "--python", str(environment), "install", "--quiet", "pypiserver==2.4.2")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["run", "--interface", "127.0.0.1", "--port", str(port), "-P", ".", "-a", ".", "--hash-algo", "sha256"]
    server = subprocess.Popen([environment / "bin" / "pypi-server", *words, str(folder)])
    try:
        for _ in range(150):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.terminate()
        server.wait()


def _list_jobs(session: nox.Session, *words: str) -> dict[str, Any]:
    return dict(json.loads(str(session.run("everywheel", "matrix", "--json", *words, silent=True))))


def _take_job(session: nox.Session) -> list[str]:
    """Return the words of a session, of which the first names a job."""
    if not session.posargs:
        session.error(f"name a job, as in `nox -s {session.name} -- zig-win_amd64`: `nox -s matrix` lists them")
    return list(session.posargs)


def _find_job(session: nox.Session, name: str) -> dict[str, Any]:
    groups = _list_jobs(session, "--targets", "all")
    engines = (one for group in ("zig", "container", "native", "sdist") for one in groups[group])
    found = next((one for one in engines if one["name"] == name), None)
    if found is None:
        session.error(f"there is no job {name}: `nox -s matrix` lists them")
    return dict(found)


def _keep(wanted: dict[str, Any], folder: Path) -> None:
    """Copy what a job made into jobs/<its name>/."""
    place = ROOT / "jobs" / wanted["name"]
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    for name in wanted["files"]:
        shutil.copyfile(folder / name, place / name)


def _import_bundle(session: nox.Session) -> None:
    bundle = Path(os.environ.get("EVERYWHEEL_BUNDLE", ROOT / "sources.tar"))
    if bundle.exists():
        session.run("everywheel", "sources", "import", str(bundle))


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
    session.run("python", "extension/fuzz/instrument.py", "--output-dir", str(into))
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
