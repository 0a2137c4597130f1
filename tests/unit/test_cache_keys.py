"""Cache keys cannot go stale: they cover every module that a build imports, or the module is excused with a reason."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from importlib.metadata import packages_distributions, requires
from itertools import pairwise
from pathlib import Path

import everywheel
import pytest
from everywheel.planning.keys import (
    ARTIFACT_CODE,
    CONTAINER_CODE,
    TOOLCHAIN_CODE,
    WHEEL_CODE,
    WHEEL_PACKAGES,
    digest_code,
    find_container_identities,
    find_identities,
    list_code,
)
from everywheel.toolchains.build_tools import PINS
from everywheel.toolchains.compilers import EngineName
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PACKAGE = Path(everywheel.__file__).parent

# The modules that build a library and a wheel; everything that they import is found from them.
LIBRARY_ROOTS = ("libraries/build.py", "toolchains/engines.py", "toolchains/native.py", "toolchains/zig.py")
WHEEL_ROOTS = (*LIBRARY_ROOTS, "pipeline.py")
# A container runs the commands `deps` and `repair`.
CONTAINER_ROOTS = (*WHEEL_ROOTS, "containers/build_wheels.py", "cli/deps.py", "cli/repair.py")

# Modules that a build imports and that no key covers, each with the reason why it cannot change a result.
DOWNLOADS = "a downloaded file is used only if it has its pinned sha256"
SIGNED = "a result of another machine is used only if a configured key has signed it with its cache key"
ORDER = "decides when a step runs, not what it produces"
EXCUSED = {
    "__init__.py": "contains no code",
    "errors.py": "is reached only when a build fails",
    "execution/__init__.py": "contains no code",
    "execution/cancellation.py": "a canceled step has no result",
    "execution/jobserver.py": ORDER,
    "execution/notices.py": "reports what was repaired",
    "execution/processor_time.py": "measures",
    "execution/processors.py": ORDER,
    "execution/retry.py": DOWNLOADS,
    "execution/scheduler.py": ORDER,
    "execution/threads.py": ORDER,
    "planning/__init__.py": "contains no code",
    "planning/graph.py": ORDER,
    "planning/keys.py": "computes the keys",
    "remote/__init__.py": "contains no code",
    "remote/address.py": SIGNED,
    "remote/bucket.py": SIGNED,
    "remote/exchange.py": SIGNED,
    "remote/folder.py": SIGNED,
    "remote/lookup.py": SIGNED,
    "remote/opening.py": SIGNED,
    "remote/protocol.py": SIGNED,
    "remote/signed_record.py": SIGNED,
    "remote/stores.py": SIGNED,
    "remote/web.py": SIGNED,
    "sources/__init__.py": "contains no code",
    "sources/attempt.py": DOWNLOADS,
    "sources/availability.py": DOWNLOADS,
    "sources/cache.py": DOWNLOADS,
    "sources/deadline.py": DOWNLOADS,
    "sources/distro/__init__.py": "contains no code",
    "sources/distro/apt.py": DOWNLOADS,
    "sources/distro/apt_archives.py": DOWNLOADS,
    "sources/distro/debian_source.py": DOWNLOADS,
    "sources/fetch.py": DOWNLOADS,
    "sources/fetch_errors.py": DOWNLOADS,
    "sources/http.py": DOWNLOADS,
    "sources/lanes.py": ORDER,
    "sources/locations.py": DOWNLOADS,
    "sources/package_index.py": "finds projects and hashes, which are in the keys",
    "sources/patch_archive.py": DOWNLOADS,
    "sources/progress.py": DOWNLOADS,
    "sources/signature.py": DOWNLOADS,
    "sources/stall.py": DOWNLOADS,
    "sources/url.py": DOWNLOADS,
    "store/__init__.py": "contains no code",
    "store/entry.py": "describes results by their hashes",
    "store/layout.py": "creates the directories",
    "store/lease.py": ORDER,
    "store/manifest.py": "finds files that were changed since they were installed",
    "store/stamped_dir.py": "finds files that were changed since they were installed",
}
IMAGES = "provides an image, whose identity is in the keys"
RUNTIME = "starts containers, whose arguments are those of a module in the keys"
EXCUSED_IN_CONTAINERS = {
    "cli/__init__.py": "contains no code",
    "cli/console.py": "shows progress",
    "cli/failures.py": "reports errors",
    "cli/options.py": "reads the command line",
    "cli/output.py": "prints",
    "cli/progress.py": "shows progress",
    "cli/project_source.py": "finds the project, whose files are in the keys",
    "cli/run_plan.py": "selects targets and shows results",
    "cli/store_lease.py": "opens the store",
    "cli/wheel_arguments.py": "reads the command line",
    "containers/__init__.py": "contains no code",
    "containers/bootstrap.py": IMAGES,
    "containers/catalog.py": IMAGES,
    "containers/command_report.py": "reports progress and errors",
    "containers/image_archive.py": IMAGES,
    "containers/image_choice.py": IMAGES,
    "containers/local_build_image.py": IMAGES,
    "containers/lock.py": IMAGES,
    "containers/native_arches.py": RUNTIME,
    "containers/portable_python.py": IMAGES,
    "containers/qemu.py": RUNTIME,
    "containers/registry.py": IMAGES,
    "containers/run_id.py": RUNTIME,
    "containers/runtime.py": RUNTIME,
    "containers/runtime_errors.py": RUNTIME,
    "containers/runtime_images.py": IMAGES,
    "planning/shards.py": ORDER,
    "recognition/__init__.py": "contains no code",
    **dict.fromkeys(
        (
            "recognition/build_files.py",
            "recognition/evidence.py",
            "recognition/project.py",
            "recognition/project_loader.py",
            "recognition/python_script.py",
            "recognition/settings_files.py",
        ),
        "chooses the Pythons, which are in the keys",
    ),
}
# Third-party packages, by the names of their modules, that a build imports or runs with `python -m`.
VERSIONED = {
    "auditwheel": "auditwheel",
    "cyclonedx": "cyclonedx-python-lib",
    "deflate": "deflate",
    "delvewheel": "delvewheel",
    "elftools": "pyelftools",
    "license_expression": "license-expression",
    "macholib": "macholib",
    "packageurl": "packageurl-python",
    "packaging": "packaging",
    "pefile": "pefile",
    "repairwheel": "repairwheel",
}
EXCUSED_PACKAGES = {
    **dict.fromkeys(("fsspec", "gcsfs", "s3fs"), "transfers files that are compared with signed hashes"),
    "abi3audit": "finds problems, changes nothing",
    "abi3info": "finds problems, changes nothing",
    "delocate": "repairs wheels on macOS only, where its version is in the keys",
    "filelock": ORDER,
    "mesonbuild": "is one of the pinned tools",
    "pip": "installs only files that have their pinned sha256",
    "platformdirs": "names the default store",
    "pyproject_hooks": "calls the backend, whose version and hashes are in the keys",
    "requests": DOWNLOADS,
    "urllib3": DOWNLOADS,
    "uv": "resolves build requirements, whose versions and hashes are in the keys",
}
EXCUSED_REQUIREMENTS = {
    "altgraph": "finds the order of several Mach-O files, which no wheel is built from",
    "defusedxml": "reads XML, and SBOMs are JSON",
    "typing-extensions": "has types only",
}


def list_imports(file: Path) -> set[str]:
    """Return the dotted names that a module imports at any level, functions included, or runs with `python -m`."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            assert node.module is not None
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.List | ast.Tuple):
            values = [item.value if isinstance(item, ast.Constant) else None for item in node.elts]
            names |= {str(name) for option, name in pairwise(values) if option == "-m" and isinstance(name, str)}
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "python_program":
            names |= {str(argument.value) for argument in node.args if isinstance(argument, ast.Constant)}
        elif isinstance(node, ast.keyword) and node.arg == "module" and isinstance(node.value, ast.Constant):
            names.add(str(node.value.value))  # of `RepairTool`
    return names


def find_files(name: str) -> set[Path]:
    """Return the files that Python executes to import a module of the package: its own and those of its parents."""
    parts = name.split(".")[1:]
    candidates = [PACKAGE.joinpath(*parts).with_suffix(".py")] if parts else []
    candidates += [PACKAGE.joinpath(*parts[:length], "__init__.py") for length in range(len(parts) + 1)]
    return {file for file in candidates if file.is_file()}


def walk_imports(roots: Iterable[str]) -> tuple[set[str], set[str]]:
    """Return the package's files that the roots import, directly or not, and the other top-level modules."""
    waiting, reached, others = {PACKAGE / root for root in roots}, set(), set()
    while waiting:
        file = waiting.pop()
        reached.add(file)
        for name in list_imports(file):
            if name.split(".")[0] == "everywheel":
                waiting |= find_files(name) - reached
            else:
                others.add(name.split(".")[0])
    return {file.relative_to(PACKAGE).as_posix() for file in reached}, others - sys.stdlib_module_names


def list_covered(code: Iterable[str]) -> set[str]:
    return {file.relative_to(PACKAGE).as_posix() for file in list_code(code)}


@pytest.mark.parametrize(
    ("roots", "code"),
    [
        (LIBRARY_ROOTS, (*ARTIFACT_CODE, *TOOLCHAIN_CODE)),
        (WHEEL_ROOTS, (*ARTIFACT_CODE, *TOOLCHAIN_CODE, *WHEEL_CODE)),
    ],
    ids=["library", "wheel"],
)
def test_a_key_covers_every_module_that_a_build_imports(roots: tuple[str, ...], code: tuple[str, ...]) -> None:
    files, _ = walk_imports(roots)

    assert files - list_covered(code) - EXCUSED.keys() == set()


def test_a_key_covers_every_module_that_a_build_in_a_container_imports() -> None:
    files, _ = walk_imports(CONTAINER_ROOTS)
    covered = list_covered((*ARTIFACT_CODE, *TOOLCHAIN_CODE, *WHEEL_CODE, *CONTAINER_CODE))

    assert files - covered - EXCUSED.keys() == EXCUSED_IN_CONTAINERS.keys()


def test_the_wheel_of_a_container_has_a_key_of_its_own_and_its_libraries_have_that_of_the_command_inside() -> None:
    inside, outside = (
        find_identities(EngineName.NATIVE, "image"),
        find_container_identities("image", "cp311", settings={}),
    )

    assert outside != inside
    assert replace(outside, packaging=inside.packaging) == inside
    assert outside != find_container_identities("image", "cp312", settings={})
    assert outside != find_container_identities("image", "cp311", settings={"CIBW_BEFORE_BUILD": "make"})


def test_every_excused_module_is_imported_and_in_no_key() -> None:
    files, _ = walk_imports(WHEEL_ROOTS)

    assert EXCUSED.keys() - files == set()
    assert EXCUSED.keys() & list_covered((*ARTIFACT_CODE, *TOOLCHAIN_CODE, *WHEEL_CODE)) == set()


def test_a_wheels_key_has_the_version_of_every_package_that_shapes_it() -> None:
    _, packages = walk_imports(WHEEL_ROOTS)

    assert packages - VERSIONED.keys() - EXCUSED_PACKAGES.keys() == set()
    assert VERSIONED.keys() | EXCUSED_PACKAGES.keys() == packages
    assert set(VERSIONED.values()) <= set(WHEEL_PACKAGES)


def list_requirements(package: str) -> Iterator[Requirement]:
    """Yield the requirements of an installed package, without those of its extras and of other machines."""
    for requirement in map(Requirement, requires(package) or []):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement


def test_a_wheels_key_has_the_version_of_every_package_that_these_packages_require() -> None:
    required = {canonicalize_name(need.name) for package in WHEEL_PACKAGES for need in list_requirements(package)}
    versioned = {canonicalize_name(package) for package in WHEEL_PACKAGES}

    assert required - versioned == EXCUSED_REQUIREMENTS.keys()


def test_every_package_in_a_wheels_key_is_pinned_and_listed_once() -> None:
    pins = [need.name for need in list_requirements("everywheel") if [pin.operator for pin in need.specifier] == ["=="]]

    assert sorted(map(canonicalize_name, WHEEL_PACKAGES)) == sorted(map(canonicalize_name, pins))


def test_the_packages_are_named_as_the_distributions_of_their_modules() -> None:
    distributions = packages_distributions()

    assert [name for name, package in VERSIONED.items() if package not in distributions[name]] == []


def test_imports_inside_functions_and_packages_are_found() -> None:
    files, packages = walk_imports(["pipeline.py"])

    assert {"audit/abi3.py", "repair/linux.py", "wheels/macos_availability.py", "store/local.py"} <= files
    assert {"auditwheel", "repairwheel"} <= packages


def test_no_module_is_imported_by_a_computed_name() -> None:
    """Such an import would not be found here."""
    files, _ = walk_imports(CONTAINER_ROOTS)
    calls = {
        name
        for name in files
        for node in ast.walk(ast.parse((PACKAGE / name).read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__", "exec")
    }

    assert calls == set()


def test_the_code_of_packing_unpacking_patching_and_resolution_is_part_of_every_key() -> None:
    assert {
        "archives/tar_unpacking.py",
        "config/extension_tree.py",
        "config/recipe.py",
        "execution/input_files.py",
        "execution/process.py",
        "libraries/source_tree.py",
        "planning/plan.py",
        "sources/patch.py",
        "sources/unpack.py",
        "store/local.py",
    } <= list_covered(ARTIFACT_CODE)


def test_the_pinned_tools_and_their_installer_are_part_of_a_librarys_key() -> None:
    covered = list_covered(TOOLCHAIN_CODE)

    assert PINS.relative_to(PACKAGE).as_posix() in covered
    assert {"toolchains/build_tools.py", "toolchains/windows_launcher.c"} <= covered


def test_a_digest_depends_on_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "package" / "inner").mkdir(parents=True)
    file = tmp_path / "package" / "inner" / "module.py"
    file.write_text("x = 1\n")
    digests = [digest_code(["package"], tmp_path)]
    file.write_text("x = 2\n")
    digests.append(digest_code(["package"], tmp_path))
    file.rename(file.with_name("other.py"))
    digests.append(digest_code(["package"], tmp_path))
    (tmp_path / "package" / "data.txt").write_text("")
    digests.append(digest_code(["package"], tmp_path))

    assert len(set(digests)) == 4
    (tmp_path / "package" / "__pycache__").mkdir()
    (tmp_path / "package" / "__pycache__" / "module.pyc").write_text("")
    assert digest_code(["package"], tmp_path) == digests[-1]


def test_engines_and_compilers_have_different_identities() -> None:
    zig, native, other = (
        find_identities(),
        find_identities(EngineName.NATIVE, "gcc 12"),
        find_identities(EngineName.NATIVE, "gcc 13"),
    )

    assert len({zig.toolchain, native.toolchain, other.toolchain}) == 3
    assert zig.artifacts == native.artifacts == other.artifacts
