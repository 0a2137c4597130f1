"""`everywheel recipes try` and what a draft leaves for it: guessed products, which a trial replaces, and no others."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner
from everywheel.cli.main import main
from everywheel.cli.recipe_draft import replace_guess
from everywheel.cli.recipe_trial import Trial, list_findings
from everywheel.config.recipe import Linkage
from everywheel.config.recipe_loader import load_recipe
from everywheel.recognition.installed_library import InstalledLibrary
from test_recipes_new import MIT, draft

CMAKE = "cmake_minimum_required(VERSION 3.1)\nproject(foo)\nadd_library(foo foo.c)\n"
TRIAL = Trial(
    installed=InstalledLibrary(libraries=("foo",), headers=("include/foo.h",), pkgconfig=("foo",), exports=("foo_*",)),
    built=(Linkage.STATIC, Linkage.SHARED),
)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (("LICENSE", "lib/LICENSE"), ("LICENSE",)),
        (("build/COPYING", "build/cmake/LICENSE", "other/LICENSE"), ("build/COPYING",)),
        (("build/cmake/LICENSE", "build/cmake/COPYING"), ("build/cmake/COPYING", "build/cmake/LICENSE")),
    ],
)
def test_license_files_are_those_at_the_top_or_on_the_path_to_the_build_file(
    tmp_path: Path, files: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    result = draft(tmp_path, {"README": "", "build/cmake/CMakeLists.txt": CMAKE, **dict.fromkeys(files, MIT)})

    license = load_recipe(tmp_path / "recipes" / "libfoo" / "recipe.toml").license
    assert (license.spdx, license.files) == ("MIT", expected)
    assert "no file with a license" not in result.stdout


def test_a_source_without_a_license_on_the_path_to_its_build_file_is_reported(tmp_path: Path) -> None:
    result = draft(tmp_path, {"README": "", "build/cmake/CMakeLists.txt": CMAKE, "other/LICENSE": MIT})

    line = "the source has no file with a license at its top or on the path to build/cmake: "
    assert f"{line}name the files with its text in `license`\n" in result.stdout


def test_the_policies_of_an_old_source_are_replaced_with_the_reason(tmp_path: Path) -> None:
    draft(tmp_path, {"CMakeLists.txt": CMAKE})

    text = (tmp_path / "recipes" / "libfoo" / "recipe.toml").read_text()
    assert (
        "\n# Older policies are not supported, or change the install name on macOS when RPATHs are switched off (CMP0068).\n"
        'options = { CMAKE_POLICY_VERSION_MINIMUM = "3.9" }\n'
    ) in text


def test_a_draft_without_a_trial_names_the_command_that_tries_it(tmp_path: Path) -> None:
    result = draft(tmp_path, {"CMakeLists.txt": CMAKE})
    again = draft(tmp_path, {"CMakeLists.txt": CMAKE})

    assert result.stdout.splitlines()[-1] == "check the comments in it, then run `everywheel recipes try libfoo`"
    assert (again.exit_code, again.stderr) == (
        2,
        f"error: {tmp_path / 'recipes' / 'libfoo'} exists\n"
        "  hint: `everywheel recipes try libfoo` builds it; remove it to draft it again, or choose another name\n",
    )


@pytest.mark.parametrize("end", ["", '\n[[overrides]]\nwhen = { os = "darwin" }\nunsupported = "no"\n'])
def test_a_trial_replaces_guessed_products_and_nothing_else(tmp_path: Path, end: str) -> None:
    draft(tmp_path, {"CMakeLists.txt": CMAKE})
    path = tmp_path / "recipes" / "libfoo" / "recipe.toml"
    text = path.read_text().replace('summary = "libfoo"', 'summary = "my own"') + end

    changed = replace_guess(text, TRIAL)

    before, after = tomllib.loads(text), tomllib.loads(changed)
    assert after.pop("products") == {
        "libraries": ["foo"],
        "headers": ["include/foo.h"],
        "pkgconfig": ["foo"],
        "exports": ["foo_*"],
    }
    assert before.pop("products") == {"libraries": ["foo"], "pkgconfig": []}
    assert before == after
    assert "guessed" not in changed
    assert replace_guess(changed, TRIAL) == changed


def test_products_that_were_edited_are_kept(tmp_path: Path) -> None:
    draft(tmp_path, {"CMakeLists.txt": CMAKE})
    text = (tmp_path / "recipes" / "libfoo" / "recipe.toml").read_text()
    edited = text.replace("pkgconfig = []\n", 'pkgconfig = []\nprovides = ["sort"]\n')

    assert edited != text
    assert replace_guess(edited, TRIAL) == edited


def test_overrides_are_advised_only_if_one_linkage_was_built() -> None:
    static = Trial(installed=TRIAL.installed, built=(Linkage.STATIC,), failed=(Linkage.SHARED,))

    assert list(list_findings(TRIAL)) == []
    assert list(list_findings(static)) == [
        "the trial built no shared library: see above, and state what cannot be built in [[overrides]]"
    ]
    assert list(list_findings(Trial(failed=(Linkage.STATIC, Linkage.SHARED)))) == [
        "the trial built no library: correct the recipe"
    ]


def test_a_recipe_that_does_not_exist_cannot_be_tried(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["--project", str(tmp_path), "recipes", "try", "zlb"])

    assert (result.exit_code, result.stderr) == (
        2,
        "error: there is no recipe 'zlb'\n  hint: did you mean 'zlib' (built-in)?\n",
    )
