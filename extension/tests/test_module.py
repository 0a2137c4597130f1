"""The module as a thing: its signature, its types, its file, its memory."""

import ast
import importlib.metadata
import inspect
import re
import resource
from pathlib import Path

import pytest
import webpencode
from pictures import PHOTO, draw_gradient, write_png
from webpencode import WebPEncodeError, _webpencode, encode

PACKAGE = Path(webpencode.__file__).parent


def test_the_module_file_is_for_every_python_from_3_11_on() -> None:
    assert ".abi3." in Path(_webpencode.__file__).name


def test_the_module_calls_nothing_but_libvips() -> None:
    # In a wheel glib is hidden inside libvips: a call to it would have linked a second one into the module.
    binary = Path(_webpencode.__file__).read_bytes()

    assert re.findall(rb"\0((?:g|png|jpeg|WebP)_\w+)\0", binary) == []
    assert b"GLib" not in binary


def test_the_signature_can_be_asked_for() -> None:
    expected = "(data, *, width=None, height=None, quality=75, lossless=False)"

    assert str(inspect.signature(encode)) == expected
    assert inspect.getdoc(encode)


def test_the_stub_has_the_names_and_defaults_of_the_module() -> None:
    stub = ast.parse((PACKAGE / "_webpencode.pyi").read_text())
    functions = {node.name: node.args for node in stub.body if isinstance(node, ast.FunctionDef)}
    classes = {node.name for node in stub.body if isinstance(node, ast.ClassDef)}

    assert set(functions) | classes == {name for name in vars(_webpencode) if not name.startswith("_")}
    for name, arguments in functions.items():
        parameters = inspect.signature(getattr(_webpencode, name)).parameters.values()
        positional = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        by_name = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
        defaults = [ast.literal_eval(default) for default in arguments.kw_defaults if default is not None]
        assert positional == [argument.arg for argument in arguments.args]
        assert by_name == dict(zip([argument.arg for argument in arguments.kwonlyargs], defaults, strict=True))


def test_the_package_says_that_it_is_typed() -> None:
    assert (PACKAGE / "py.typed").exists()


def test_the_package_exports_what_it_lists() -> None:
    assert sorted(webpencode.__all__) == ["WebPEncodeError", "encode"]


def test_the_package_carries_its_licence() -> None:
    metadata = importlib.metadata.metadata("webpencode")

    assert "MIT" in metadata["License-Expression"]
    assert "LICENSE" in metadata.get_all("License-File")


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="there is no /proc here")
def test_many_calls_leave_no_memory_behind() -> None:
    png = write_png(draw_gradient(64, 64, alpha=True), alpha=True)

    def call_often(times: int) -> None:
        for _ in range(times):
            encode(png, lossless=True)
            encode(png, width=32)
            for bad in (b"no image", PHOTO[:9000]):
                with pytest.raises(WebPEncodeError):
                    encode(bad)
            with pytest.raises(ValueError, match="quality"):
                encode(png, quality=200)

    call_often(50)
    before = resident_bytes()
    call_often(200)

    # A leak of one such image, 16 KiB, in each call would be 3 MB for each kind of call.
    assert resident_bytes() - before < 2_000_000
