"""`everywheel recipes new` and `try` build the library, and propose what the builds have installed."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from everywheel.cli.main import main
from everywheel.config.recipe_loader import load_recipe
from snapshot_server import serve
from test_recipes_new import MIT, pack

MESON = """
project('foo', 'c', version: '1.2', license: 'MIT')
foo = library('foo', 'foo.c', version: '1.2.0', soversion: '1', install: true)
install_headers('foo.h')
import('pkgconfig').generate(foo)
if get_option('tests')
  error('tests are built')
endif
"""
OPTIONS = (
    "option('tests', type: 'boolean', value: true)\noption('fast', type: 'feature', description: 'Use fast paths')\n"
)
FILES = {
    "LICENSE": MIT,
    "meson.build": MESON,
    "meson_options.txt": OPTIONS,
    "foo.h": "#define FOO_HAVE_FAST 1\nint foo_add(int, int);\nint foo_sub(int, int);\n",
    "foo.c": '#include "foo.h"\nint foo_add(int a, int b) { return a + b; }\nint foo_sub(int a, int b) { return a - b; }\n',
}
pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the tags of the messages are those of x86_64")


def draft(folder: Path, files: dict[str, str]) -> Result:
    """Draft and try a recipe of these files in a new project, with the default store."""
    archive = pack(folder / "archive", files)
    (folder / "pyproject.toml").write_text('[project]\nname = "demo"\nversion = "1"\n')
    with serve({"/foo-1.2.tar.gz": archive}) as service:
        args = ["--project", str(folder), "recipes", "new", "libfoo", "--url", f"{service.base}/foo-1.2.tar.gz"]
        return CliRunner().invoke(main, args)


def test_the_products_of_a_draft_are_those_that_both_builds_install(tmp_path: Path) -> None:
    result = draft(tmp_path, FILES)

    assert result.exit_code == 0, result.output
    path = tmp_path / "recipes" / "libfoo" / "recipe.toml"
    text, products = path.read_text(), load_recipe(path).products
    assert (products.libraries, products.headers, products.pkgconfig) == (("foo",), ("include/foo.h",), ("foo",))
    assert (products.sonames, products.exports) == ({"foo": "libfoo.so.1"}, ("foo_*",))
    assert "\noptions = { tests = false }\n" in text
    assert "\n# Further options of the source, with their defaults:\n#   fast = auto  Use fast paths\n" in text
    assert text.endswith("headers name what was built:\n#   FOO_HAVE_FAST\n")
    assert result.stdout.splitlines()[-3:] == [
        f"written: {path}",
        "summary, `provides` with a check.c, and `cpe` are yours to write",
        "check the comments in it, then run `everywheel recipes check --build libfoo`",
    ]


def test_a_draft_that_cannot_be_built_is_written_with_guessed_products(tmp_path: Path) -> None:
    result = draft(tmp_path, {**FILES, "foo.c": "int foo_add(int a) { return b; }\n"})

    assert result.exit_code == 1, result.output
    assert "error: libfoo 1.2 for manylinux_2_17_x86_64: compile failed (exit 1)\n" in result.stderr
    assert "use of undeclared identifier 'b'" in result.stderr
    path = tmp_path / "recipes" / "libfoo" / "recipe.toml"
    assert load_recipe(path).products.libraries == ("foo",)
    assert "\n# guessed from the build files: what the build must install\n" in path.read_text()
    assert result.stdout.splitlines() == [
        f"written: {path}",
        "the trial built no library: correct the recipe",
        "docs/troubleshooting.md lists messages of build systems with what to change in the recipe",
        "summary, `provides` with a check.c, and `cpe` are yours to write",
        "check the comments in it, then run `everywheel recipes try libfoo`",
    ]


def test_a_corrected_draft_gets_its_products_from_another_trial(tmp_path: Path) -> None:
    source = FILES["foo.c"].replace("return a + b", "return ADD(a, b)")
    draft(tmp_path, {**{f"lib/{name}": text for name, text in FILES.items()}, "lib/foo.c": source})
    path = tmp_path / "recipes" / "libfoo" / "recipe.toml"
    text = path.read_text()
    assert "\n# guessed from the build files: " in text
    path.write_text(text.replace('subdir = "lib"\n', 'subdir = "lib"\ndefines = ["ADD(a,b)=((a)+(b))"]\n'))

    written = CliRunner().invoke(main, ["--project", str(tmp_path), "recipes", "try", "libfoo"])
    printed = CliRunner().invoke(main, ["--project", str(tmp_path), "recipes", "try", "libfoo"])

    recipe = load_recipe(path)
    assert (
        written.stdout
        == f"written: {path}\ncheck the comments in it, then run `everywheel recipes check --build libfoo`\n"
    )
    assert (recipe.license.files, recipe.build.defines) == (("lib/LICENSE",), ("ADD(a,b)=((a)+(b))",))
    assert (recipe.products.headers, recipe.products.exports) == (("include/foo.h",), ("foo_*",))
    assert printed.exit_code == 0, printed.output
    assert path.read_text().endswith(printed.stdout)
    assert printed.stdout.startswith("[products]\n# what the trial has installed (static and shared): compare it\n")


def test_a_library_is_tried_before_its_license_is_known(tmp_path: Path) -> None:
    result = draft(tmp_path, {name: text for name, text in FILES.items() if name != "LICENSE"})

    assert result.exit_code == 0, result.output
    recipe = load_recipe(tmp_path / "recipes" / "libfoo" / "recipe.toml")
    assert (recipe.license.files, recipe.products.exports) == (("LICENSE",), ("foo_*",))
    line = "the source has no file with a license at its top: name the files with its text in `license`"
    assert line in result.stdout.splitlines()


def test_the_trial_of_a_recipe_leaves_out_what_it_states_as_unsupported(tmp_path: Path) -> None:
    draft(tmp_path, {**FILES, "foo.c": "#error\n"})
    path = tmp_path / "recipes" / "libfoo" / "recipe.toml"
    override = (
        '[[overrides]]\nwhen = { linkage = "static" }\nunsupported = "it loads itself"\nextend-exports = ["foo_*"]\n'
    )
    path.write_text(f"{path.read_text()}\n{override}")

    result = CliRunner().invoke(main, ["--project", str(tmp_path), "recipes", "try", "libfoo"])

    assert result.exit_code == 1, result.output
    trials = [line for line in result.stderr.splitlines() if line.startswith("trial: ")]
    assert trials == ["trial: libfoo 1.2 for manylinux_2_17_x86_64, shared"]
    assert "\nthe trial built no library: correct the recipe\n" in result.stderr


def test_a_build_that_installs_nothing_is_reported(tmp_path: Path) -> None:
    result = draft(tmp_path, {**FILES, "meson.build": MESON.replace("install: true", "install: false")})

    assert result.exit_code == 0, result.output
    assert "\nthe trial built no library: correct the recipe\n" in result.stdout
    assert "\n# guessed from the build files: " in (tmp_path / "recipes" / "libfoo" / "recipe.toml").read_text()


def test_a_library_whose_requirement_is_not_supported_is_drafted_with_the_reason(tmp_path: Path) -> None:
    recipe = tmp_path / "recipes" / "bar" / "recipe.toml"
    recipe.parent.mkdir(parents=True)
    recipe.write_text(
        'name = "bar"\nversion = "1"\nlicense = { spdx = "MIT", files = ["LICENSE"] }\n'
        f'[source]\nurls = ["https://example.org/bar.tar.gz"]\nsha256 = "{"0" * 64}"\n[build]\nsystem = "meson"\n'
        '[products]\nlibraries = ["bar"]\npkgconfig = ["bar"]\n'
        '[[overrides]]\nwhen = { os = "linux" }\nunsupported = "it needs another system"\n'
    )

    result = draft(tmp_path, {**FILES, "meson.build": f"{MESON}dependency('bar')\n"})

    assert result.exit_code == 2, result.output
    assert "it needs another system" in result.stderr
    assert '\nrequires = ["bar"]\n' in (tmp_path / "recipes" / "libfoo" / "recipe.toml").read_text()
    assert f"written: {tmp_path / 'recipes' / 'libfoo' / 'recipe.toml'}" in result.stdout
