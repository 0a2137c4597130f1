"""The build files of small projects of every common kind are recognized, and their settings are written."""

from __future__ import annotations

import tomllib
from pathlib import Path, PurePosixPath

import pytest
import yaml
from click.testing import CliRunner
from everywheel.cli.main import main
from everywheel.config.collection import load_collections
from everywheel.recognition.evidence import LIBRARY_KINDS, Kind
from everywheel.recognition.matching import Matches, match_libraries
from everywheel.recognition.project import RecognizedProject, recognize_project
from everywheel.recognition.project_loader import load_project
from everywheel.recognition.settings_text import format_workflow

RECIPES = load_collections()
SETUPTOOLS = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
SETUP = "from setuptools import Extension, setup\n"


def recognize(folder: Path, **files: str) -> RecognizedProject:
    """Write files, whose names have `__` for a dot and `_in_` between a file and its folder, and recognize the project."""
    for name, text in files.items():
        path = folder.joinpath(*reversed(name.replace("__", ".").split("_in_")))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return recognize_project(folder)


def list_modules(project: RecognizedProject) -> list[str]:
    return [f"{item.name} {item.location}" for item in project.list_evidence(Kind.MODULE)]


def match(project: RecognizedProject) -> Matches:
    return match_libraries(project.list_evidence(*LIBRARY_KINDS), RECIPES)


def list_missing(project: RecognizedProject) -> list[str]:
    return [item.name for item in match(project).missing]


def test_setup_py_is_read_and_not_run(tmp_path: Path) -> None:
    project = recognize(
        tmp_path,
        setup__py=SETUP
        + "import sys\nraise SystemExit('it ran')\nlibs = ['z']\nif sys.platform == 'win32':\n    libs.append('ws2_32')\n"
        "libs += ['m', 'yaml']\n"
        "setup(ext_modules=[Extension('spam._spam', ['spam.c'], libraries=libs, extra_link_args=['-lwebp', '-s'])],\n"
        "      python_requires='>=3.12')\n",
    )

    assert list_modules(project) == ["spam._spam setup.py:8"]
    assert {name: [item.location for item in items] for name, items in match(project).recipes.items()} == {
        "zlib": ["setup.py:4"],
        "libyaml": ["setup.py:7"],
        "libwebp": ["setup.py:8"],
    }
    assert list_missing(project) == []
    assert (project.requires_python, project.backend.module) == (">=3.12", "setuptools.build_meta")


@pytest.mark.parametrize(
    ("code", "recipe"),
    [
        ("import pkgconfig\nflags = pkgconfig.parse('libpng >= 1.6')\n", "libpng"),
        ("import pkgconfig\npkgconfig.configure_extension(ext, 'lcms2')\n", "lcms2"),
        ("import subprocess\nsubprocess.check_output(['pkg-config', '--libs', 'expat'])\n", "expat"),
        ("import os\nos.popen('pkg-config --cflags libffi')\n", "libffi"),
        ("import os\nos.popen('pkg-config --cflags libffi>=3.0')\n", "libffi"),
        ("flags = run_pkg_config('--libs', 'libexif')\n", "libexif"),
        ("ext.libraries = ['jpeg'] if True else []\n", "libjpeg-turbo"),
        ("ext.libraries += ('png',)\n", "libpng"),
        ("ext.libraries.extend(['xml2', 'pthread'])\n", "libxml2"),
        ("options = {'libraries': ['webpmux']}\n", "libwebp"),
        ("if _find_library_file(self, 'lcms2'): pass\n", "lcms2"),
        ("for name in ['webp', 'webpmux']:\n    find_library(prefix + name)\nprefix = ''\n", "libwebp"),
        ("def libraries():\n    names = ['exslt'] + ['m']\n    return names\nf(libraries=libraries())\n", "libxslt"),
        ("f(libraries=['lcms2_static'])\n", "lcms2"),
        ("class Build(build_ext):\n    libs = 'vips'.split()\n    f(libraries=sorted(libs))\n", "libvips"),
    ],
)
def test_libraries_of_a_setup_py(tmp_path: Path, code: str, recipe: str) -> None:
    project = recognize(tmp_path, setup__py=SETUP + code)

    assert list(match(project).recipes) == [recipe]
    assert list_missing(project) == []


def test_names_of_modules_are_joined_and_flags_are_none(tmp_path: Path) -> None:
    project = recognize(
        tmp_path,
        setup__py=SETUP
        + "for name in ('_a', 'b'):\n    Extension('spam.' + name, [])\n"
        + "Extension('spam.' + unknown, [])\nmodules = ['c.pyx']\nmodules.append('-g2')\ncythonize(modules)\n",
        setup__py_in_demo=SETUP + "setup(ext_modules=[Extension('demo', [], libraries=['nothing'])])\n",
    )

    assert set(list_modules(project)) == {"spam._a setup.py:3", "… setup.py:4", "c.pyx setup.py:5"}
    assert list_missing(project) == []


def test_libraries_of_the_project_itself_are_not_missing_and_others_are_named_once(tmp_path: Path) -> None:
    project = recognize(
        tmp_path,
        setup__py=SETUP + "setup(libraries=[('own', {'sources': ['own.c']})])\nf(libraries=['libother', 'other'])\n",
    )

    assert list_missing(project) == ["libother"]


def test_variables_of_cmake_name_modules(tmp_path: Path) -> None:
    text = "set(NAME _spam)\nPython_add_library(${NAME} MODULE)\nPython_add_library(${OTHER} MODULE)\n"

    project = recognize(tmp_path, CMakeLists__txt=text)

    assert list_modules(project) == ["_spam CMakeLists.txt:2", "… CMakeLists.txt:3"]


def test_texts_about_pkg_config_name_no_library(tmp_path: Path) -> None:
    project = recognize(tmp_path, setup__py='"""pkg-config must be installed."""\nprint("pkg-config was not found")\n')

    assert project.evidence == ()


def test_cffi_scripts_of_setup_py(tmp_path: Path) -> None:
    project = recognize(
        tmp_path,
        setup__py=SETUP + "setup(cffi_modules=['spam/definitions.py:ffi'])\n",
        definitions__py_in_spam="from cffi import FFI\nffi = FFI()\n"
        "ffi.set_source('spam._api', '#include <zlib.h>', libraries=['z'])\n"
        "FFI().set_source('spam._abi', None)\n"
        "FFI().set_source_pkgconfig('spam._png', ['libpng >= 1.5'], '')\n",
    )

    assert list_modules(project) == ["spam._api spam/definitions.py:3", "spam._png spam/definitions.py:5"]
    assert set(match(project).recipes) == {"zlib", "libpng"}


def test_cython_sources_are_modules_if_no_script_names_any(tmp_path: Path) -> None:
    project = recognize(
        tmp_path, setup__py="from mine import build\nbuild()\n", _fast__pyx_in_spam="", x__pyx_in_tests=""
    )

    assert list_modules(project) == ["spam/_fast spam/_fast.pyx"]


def test_pyproject_of_setuptools(tmp_path: Path) -> None:
    project = recognize(
        tmp_path,
        pyproject__toml=SETUPTOOLS + '[project]\nname = "spam"\nrequires-python = ">=3.12"\n[tool.setuptools]\n'
        'ext-modules = [{ name = "spam._spam", sources = ["a.c"], libraries = ["z"], extra-link-args = ["-lnothing"] }]\n',
    )

    assert list_modules(project) == ["spam._spam pyproject.toml:8"]
    assert (list(match(project).recipes), list_missing(project)) == (["zlib"], ["nothing"])
    assert project.requires_python == ">=3.12"


def test_external_requirements_of_pep_725(tmp_path: Path) -> None:
    project = recognize(
        tmp_path,
        pyproject__toml=SETUPTOOLS + '[external]\nbuild-requires = ["dep:virtual/compiler/c", "dep:generic/cmake"]\n'
        'host-requires = ["dep:generic/libwebp@>=1.3", "dep:generic/no-library", "dep:virtual/interface/blas"]\n',
    )

    assert (list(match(project).recipes), list_missing(project)) == (["libwebp"], ["no-library"])


def test_meson_project(tmp_path: Path) -> None:
    project = recognize(
        tmp_path,
        pyproject__toml='[build-system]\nrequires = ["meson-python"]\nbuild-backend = "mesonpy"\n'
        "[tool.meson-python]\nlimited-api = true\n",
        meson__build="project('spam', 'c')  # dependency('commented')\npy = import('python').find_installation()\n"
        "deps = [dependency('libwebp', version: '>=1.2'), dependency('threads'), dependency(\n  'yaml-0.1')]\n"
        "m = meson.get_compiler('c').find_library('m')\n"
        "py.extension_module('_spam', 'a(1).c', 'b.c',\n  dependencies: deps, limited_api: '3.12')\n",
    )

    assert list_modules(project) == ["_spam meson.build:6"]
    assert (list(match(project).recipes), list_missing(project)) == (["libwebp", "libyaml"], [])
    assert project.stable_abi is not None
    assert project.stable_abi.name == "cp312"


@pytest.mark.parametrize(
    ("cmake", "meson", "optional"),
    [
        ("find_package(nothing 3.1 QUIET)\n", "", True),
        ("find_package(nothing REQUIRED)\n", "", False),
        ("find_package(nothing)\nfind_package(nothing REQUIRED)\n", "", False),
        ("pkg_check_modules(NOTHING IMPORTED_TARGET nothing)\n", "", True),
        ('pkg_check_modules(NOTHING REQUIRED "nothing >= ${OLDEST}")\n', "", False),
        ("pkg_check_modules(NOTHING REQUIRED nothing>=2.9 nothing = 3 zlib<2)\n", "", False),
        ("target_link_libraries(_spam PRIVATE -lnothing)\n", "", False),
        ("", "d = dependency('nothing', required: false)\n", True),
        ("", "d = dependency('nothing', fallback: ['nothing', 'dep'])\n", True),
        ("", "d = dependency('nothing', version: '>=1')\n", False),
    ],
)
def test_a_library_that_a_project_can_do_without(tmp_path: Path, cmake: str, meson: str, optional: bool) -> None:
    project = recognize(tmp_path, CMakeLists__txt=cmake, meson__build=meson)

    assert [(item.name, item.is_optional) for item in match(project).missing] == [("nothing", optional)]


CHOICE = "if USE_SYSTEM_BROTLI:\n    import pkgconfig\n    flags = pkgconfig.parse('libbrotlidec')\n"


@pytest.mark.parametrize(
    ("code", "recipes", "chosen"),
    [
        (CHOICE, [], ["brotli"]),
        (CHOICE + "f(libraries=['brotlienc'])\n", ["brotli"], []),
        ("if not use_system:\n    f(libraries=['yaml'])\nelse:\n    f(libraries=['png'])\n", ["libyaml"], ["libpng"]),
        ("if platform.system() == 'Linux':\n    f(libraries=['png'])\n", ["libpng"], []),
        ("if use_system_nothing:\n    f(libraries=['nothing'])\n", [], []),
    ],
)
def test_a_library_that_a_project_has_a_copy_of(
    tmp_path: Path, code: str, recipes: list[str], chosen: list[str]
) -> None:
    matches = match(recognize(tmp_path, setup__py=SETUP + code))

    assert (list(matches.recipes), list(matches.chosen), matches.missing) == (recipes, chosen, ())


def test_a_library_that_is_left_out_is_named(tmp_path: Path) -> None:
    recognize(tmp_path, pyproject__toml=PYPROJECT, setup__py=SETUP + CHOICE + "Extension('spam')\n")

    output = init(tmp_path)

    expected = "recipe brotli is left out, since the project has a copy: pkg-config file libbrotlidec (setup.py:4)"
    assert f"\n{expected} if USE_SYSTEM_BROTLI\n" in output
    assert "requires = " not in output


def test_an_optional_library_without_a_recipe_is_named_as_such(tmp_path: Path) -> None:
    text = "Python_add_library(_spam MODULE)\nfind_package(rapid QUIET)\n"
    recognize(
        tmp_path, pyproject__toml='[build-system]\nbuild-backend = "scikit_build_core.build"\n', CMakeLists__txt=text
    )

    assert "\nno recipe: CMake package rapid (CMakeLists.txt:2), which is optional\n" in init(tmp_path)


def test_limited_api_of_meson_needs_the_setting_of_the_wheel(tmp_path: Path) -> None:
    project = recognize(
        tmp_path,
        pyproject__toml='[build-system]\nrequires = ["meson-python"]\nbuild-backend = "mesonpy"\n',
        meson__build="py.extension_module('_spam', 'a.c', limited_api: '3.12')\n",
    )

    assert project.stable_abi is None


@pytest.mark.parametrize(
    "call",
    [
        "Python_add_library(_spam MODULE USE_SABI 3.12 a.c)",
        "python3_add_library(_spam MODULE a.c)",
        "pybind11_add_module(_spam a.cpp)",
        "nanobind_add_module(_spam STABLE_ABI a.cpp)",
        "add_library(_spam MODULE a.c)",
    ],
)
def test_cmake_project(tmp_path: Path, call: str) -> None:
    project = recognize(
        tmp_path,
        pyproject__toml='[build-system]\nrequires = ["scikit-build-core"]\nbuild-backend = "scikit_build_core.build"\n',
        CMakeLists__txt="# find_package(Commented)\nfind_package(Python REQUIRED COMPONENTS Development.Module)\n"
        "find_package(ZLIB REQUIRED)\nfind_package(PNG)\nfind_package(Boost 1.80)\nfind_package(PkgConfig)\n"
        f"pkg_check_modules(DEPS REQUIRED IMPORTED_TARGET libxml-2.0>=2.9 ${{more}})\n{call}\n"
        "target_link_libraries(_spam PRIVATE -lyaml)\nadd_library(other STATIC b.c)\n",
    )

    assert list_modules(project) == ["_spam CMakeLists.txt:8"]
    assert set(match(project).recipes) == {"zlib", "libpng", "libxml2", "libyaml"}
    assert list_missing(project) == ["Boost"]


@pytest.mark.parametrize(
    ("files", "tag"),
    [
        ({"setup__cfg": "[bdist_wheel]\npy_limited_api = cp311\n"}, "cp311"),
        ({"setup__py": "setup(options={'bdist_wheel': {'py_limited_api': 'cp312'}})"}, "cp312"),
        (
            {"setup__py": "Extension('a', py_limited_api=True, define_macros=[('Py_LIMITED_API', '0x030C0000')])"},
            "cp312",
        ),
        ({"setup__py": "Extension('a', py_limited_api=True)"}, ""),
        ({"setup__py": "Extension('a', py_limited_api=True)\nExtension('b')"}, None),
        ({"setup__py": "Extension('a', define_macros=[('Py_LIMITED_API', '0x030C0000')])"}, None),
        ({"pyproject__toml": '[tool.scikit-build]\nwheel.py-api = "cp312"\n'}, "cp312"),
        ({"pyproject__toml": '[tool.scikit-build]\nwheel.py-api = "py3"\n'}, None),
        ({"pyproject__toml": '[tool.distutils.bdist_wheel]\npy-limited-api = "cp313"\n'}, "cp313"),
    ],
)
def test_stable_abi(tmp_path: Path, files: dict[str, str], tag: str | None) -> None:
    stable = recognize(tmp_path, **files).stable_abi

    assert (stable.name if stable else None) == tag


@pytest.mark.parametrize(
    ("setup", "settings", "option", "tags"),
    [
        ("py_limited_api=True, define_macros=[('Py_LIMITED_API', '0x030C0000')]", "", [], ["cp312-abi3"]),
        ("py_limited_api=True, define_macros=[('Py_LIMITED_API', '0x03060000')]", "", [], ["cp36-abi3"]),
        ("py_limited_api=True", "", [], ["cp313-abi3"]),
        ("py_limited_api=True", 'python = ["cp314"]', [], ["cp314"]),
        ("py_limited_api=True", "", ["cp314t"], ["cp314t"]),
        ("", "", [], ["cp313", "cp314"]),
    ],
)
def test_a_project_that_uses_the_stable_abi_has_one_wheel_unless_it_names_pythons(
    setup: str, settings: str, option: list[str], tags: list[str], tmp_path: Path
) -> None:
    recognize(
        tmp_path,
        pyproject__toml=f'[project]\nname = "spam"\nversion = "1"\nrequires-python = ">=3.13"\n[tool.everywheel]\n{settings}',
        setup__py=f"from setuptools import Extension, setup\nsetup(ext_modules=[Extension('spam', ['a.c'], {setup})])",
    )

    project = load_project(tmp_path, options={"python": option} if option else {})

    assert [python.label for python in project.pythons] == tags


def test_a_script_that_is_not_python_3_is_named(tmp_path: Path) -> None:
    project = recognize(tmp_path, setup__py="print 'old'\n", x__pyx="")

    assert len(project.unread) == 1
    assert project.unread[0].startswith("setup.py:1: ")


def test_bundled_libraries_and_tests_are_not_searched(tmp_path: Path) -> None:
    meson = "dependency('unrelated')\n"
    project = recognize(tmp_path, setup__py="", meson__build_in_subprojects=meson, meson__build_in_tests=meson)

    assert project.evidence == ()


def init(folder: Path, *arguments: str) -> str:
    result = CliRunner().invoke(main, ["--project", str(folder), "init", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


PYPROJECT = SETUPTOOLS + '\n[project]\nname = "spam"\nversion = "1.0"\nrequires-python = ">=3.13,<3.15"\n'


@pytest.fixture
def spam(tmp_path: Path) -> Path:
    """A project of setuptools, in a subfolder of a git checkout, that needs one library of the collection."""
    (tmp_path / ".git").mkdir()
    folder = tmp_path / "it's python"
    recognize(folder, pyproject__toml=PYPROJECT, setup__py=SETUP + "Extension('spam', libraries=['yaml', 'nothing'])\n")
    return folder


def test_the_table_is_added_at_the_end_of_pyproject(spam: Path) -> None:
    output = init(spam)

    text = (spam / "pyproject.toml").read_text()
    assert text.startswith(f"{PYPROJECT}\n[tool.everywheel]\n")
    assert tomllib.loads(text)["tool"]["everywheel"] == {
        "requires": ["libyaml"],
        "python": ["cp313", "cp314"],
        "targets": [f"{libc}_{arch}" for libc in ("manylinux2014", "musllinux_1_2") for arch in ("x86_64", "aarch64")],
    }
    assert output.splitlines()[:6] == [
        "backend: setuptools.build_meta",
        "extension module: spam (setup.py:2)",
        "python: cp313, cp314 (requires-python >=3.13,<3.15)",
        "recipe libyaml: library yaml (setup.py:2)",
        "no recipe: library nothing (setup.py:2)",
        "`everywheel recipes list` lists the recipes, and docs/recipes.md describes how to write one",
    ]
    assert output.endswith("next: `everywheel build`\n")


def test_written_settings_are_read_by_other_commands(spam: Path) -> None:
    init(spam)

    result = CliRunner().invoke(main, ["--project", str(spam), "plan", "--target", "musllinux_1_2_x86_64"])

    assert result.exit_code == 0, result.output
    assert "libyaml" in result.output


def test_windows_line_ends_are_kept(spam: Path) -> None:
    path = spam / "pyproject.toml"
    path.write_bytes(PYPROJECT.rstrip("\n").replace("\n", "\r\n").encode())

    init(spam)

    assert path.read_bytes().count(b"\n") == path.read_bytes().count(b"\r\n") == PYPROJECT.count("\n") + 10
    assert "everywheel" in tomllib.loads(path.read_text())["tool"]


@pytest.mark.parametrize("arguments", [("--file", "everywheel.toml"), ()])
def test_everywheel_toml_has_the_keys_at_its_top_level(spam: Path, arguments: tuple[str, ...]) -> None:
    if not arguments:
        (spam / "pyproject.toml").unlink()

    init(spam, *arguments)

    assert tomllib.loads((spam / "everywheel.toml").read_text())["requires"] == ["libyaml"]
    assert not arguments or (spam / "pyproject.toml").read_text() == PYPROJECT


def test_named_targets_are_written_once(spam: Path) -> None:
    init(spam, "-t", "win_amd64", "-t", "manylinux2014_x86_64", "-t", "win_amd64")

    assert tomllib.loads((spam / "pyproject.toml").read_text())["tool"]["everywheel"]["targets"] == [
        "win_amd64",
        "manylinux2014_x86_64",
    ]


def test_a_dry_run_writes_nothing(spam: Path) -> None:
    output = init(spam, "--dry-run", "--workflow", "--action", "owner/everywheel@v1")

    assert '  requires = ["libyaml"]\n' in output
    assert "      - uses: owner/everywheel@v1\n" in output
    assert sorted(path.name for path in spam.parent.rglob("*")) == [".git", "it's python", "pyproject.toml", "setup.py"]


def test_the_workflow_is_in_the_checkout_and_names_the_folder(spam: Path) -> None:
    init(spam, "--workflow", "--action", "owner/everywheel@v1")

    workflow = yaml.safe_load((spam.parent / ".github" / "workflows" / "wheels.yml").read_text())
    assert workflow["permissions"] == {}
    assert workflow["jobs"]["wheels"]["steps"][1:] == [
        {"uses": "owner/everywheel@v1", "with": {"project": "it's python"}}
    ]


def test_the_workflow_pins_actions_as_those_of_this_repository() -> None:
    used = [
        line.strip() for line in format_workflow("o/r@v1", PurePosixPath()).splitlines() if "uses: actions/" in line
    ]
    workflows = (Path(__file__).parents[2] / ".github" / "workflows" / "checks.yml").read_text()

    assert len(used) == 1
    assert used[0] in workflows
