"""The installed package: file names, signatures, stubs and metadata."""

import ast
import importlib.metadata
import inspect
import re
import subprocess
import sys
import sysconfig
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import webpencode
from webpencode import _webpencode, encode

PACKAGE = Path(webpencode.__file__).parent
# For an interpreter with -S, which does not run .pth files; these could import other modules.
ADD_PATH = f"import sys; sys.path.append({str(PACKAGE.parent)!r}); "


def test_the_module_uses_a_stable_abi_or_is_for_a_free_threaded_python_without_one() -> None:
    suffixes = [suffix for suffix in EXTENSION_SUFFIXES if suffix.startswith(".abi3")] or [".pyd"]
    if sysconfig.get_config_var("Py_GIL_DISABLED") and sys.version_info < (3, 15):
        suffixes = [sysconfig.get_config_var("EXT_SUFFIX")]

    assert Path(_webpencode.__file__).name in [f"_webpencode{suffix}" for suffix in suffixes]


def test_the_module_calls_nothing_but_libvips() -> None:
    # In a wheel, glib is hidden inside libvips: a direct call would link a second copy into the module.
    binary = Path(_webpencode.__file__).read_bytes()

    assert re.findall(rb"\0(g_(?:free|log|malloc|object_\w+|type_check\w+))\0", binary) == []
    assert b"GLib" not in binary


def test_functions_have_signatures_and_docstrings() -> None:
    assert str(inspect.signature(encode)).startswith(
        "(source: 'Source', *, width: 'SupportsIndex | None' = None, height"
    )
    for name in webpencode.__all__:
        assert inspect.getdoc(getattr(webpencode, name)), name


def test_the_stub_matches_the_module() -> None:
    stub = ast.parse((PACKAGE / "_webpencode.pyi").read_text())
    functions = {node.name: node.args for node in stub.body if isinstance(node, ast.FunctionDef)}
    classes = {node.name for node in stub.body if isinstance(node, ast.ClassDef)}

    assert set(functions) | classes == {name for name in vars(_webpencode) if not name.startswith("_")}
    for name, arguments in functions.items():
        parameters = inspect.signature(getattr(_webpencode, name)).parameters
        assert [argument.arg for argument in arguments.posonlyargs] == list(parameters)


def test_the_typed_dict_of_options_matches_encode() -> None:
    stub = ast.parse((PACKAGE / "_types.pyi").read_text())
    (options,) = (node for node in stub.body if isinstance(node, ast.ClassDef) and node.name == "Options")
    fields = {
        ast.unparse(node.target): ast.unparse(node.annotation)
        for node in options.body
        if isinstance(node, ast.AnnAssign)
    }
    parameters = list(inspect.signature(encode).parameters.values())[1:]

    assert fields == {parameter.name: parameter.annotation for parameter in parameters}
    for function in (webpencode.encode_to, webpencode.encode_many):
        assert inspect.signature(function).parameters["options"].annotation == "Unpack[Options]"


def test_slow_modules_are_not_imported() -> None:
    program = (
        "import webpencode, sys; print([name for name in ('typing', 'concurrent.futures') if name in sys.modules])"
    )

    assert subprocess.check_output([sys.executable, "-S", "-c", ADD_PATH + program], text=True) == "[]\n"


def test_the_package_has_a_py_typed_marker() -> None:
    assert (PACKAGE / "py.typed").exists()


def test_all_exported_names_exist() -> None:
    assert all(hasattr(webpencode, name) for name in webpencode.__all__)
    assert sorted(webpencode.__all__) == list(webpencode.__all__)


def test_the_package_contains_its_license() -> None:
    metadata = importlib.metadata.metadata("webpencode")

    assert "MIT" in metadata["License-Expression"]
    assert "LICENSE" in (metadata.get_all("License-File") or ())
