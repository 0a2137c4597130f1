"""Settings of a project that state how it is built: pyproject.toml, setup.cfg and PKG-INFO."""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from everywheel.recognition.evidence import Evidence, Kind, SourceText, format_tag, list_linked

_DEP_URL = re.compile(r"dep:(?P<type>[\w.+-]+)/(?P<name>[^@?#]+)")


def read_pyproject(source: SourceText, data: Mapping[str, Any]) -> Iterator[Evidence]:
    """Yield the evidence in the values of a pyproject.toml; values of other types than their tools require are ignored."""
    requires_python = _get(data, "project", "requires-python")
    if isinstance(requires_python, str):
        yield source.find(Kind.REQUIRES_PYTHON, requires_python, source.text.find("requires-python"))
    modules = _get(data, "tool", "setuptools", "ext-modules")
    for module in modules if isinstance(modules, list) else ():
        if isinstance(module, dict):
            yield from _read_module(source, module)
    yield from _read_stable_abi(source, data)
    # PEP 725: `host-requires` are linked, `dependencies` are needed by users.
    for key in ("host-requires", "dependencies"):
        for url in _list_texts(_get(data, "external", key)):
            yield from _read_dep_url(source, url)


def _read_module(source: SourceText, module: Mapping[str, Any]) -> Iterator[Evidence]:
    name = str(module.get("name", "…"))
    yield source.find(Kind.MODULE, name, source.text.find(name))
    linked = list_linked(_list_texts(module.get("extra-link-args")))
    for library in (*_list_texts(module.get("libraries")), *linked):
        yield source.find(Kind.LIBRARY, library, source.text.find(f"{library}"))


def _read_stable_abi(source: SourceText, data: Mapping[str, Any]) -> Iterator[Evidence]:
    for keys in (
        ("tool", "distutils", "bdist_wheel", "py-limited-api"),
        ("tool", "distutils", "bdist_wheel", "py_limited_api"),
        ("tool", "scikit-build", "wheel", "py-api"),
    ):
        value = _get(data, *keys)
        if isinstance(value, str) and format_tag(value):
            yield source.find(Kind.STABLE_ABI, format_tag(value), source.text.find(keys[-1]))
    if _get(data, "tool", "meson-python", "limited-api") is True:
        yield source.find(Kind.STABLE_ABI, "", source.text.find("limited-api"))
    modules = _get(data, "tool", "setuptools", "ext-modules")
    if isinstance(modules, list) and modules and all(_get(module, "py-limited-api") is True for module in modules):
        yield source.find(Kind.STABLE_ABI, "", source.text.find("py-limited-api"))


def _read_dep_url(source: SourceText, url: str) -> Iterator[Evidence]:
    """Yield the name in a DepURL such as `dep:generic/libwebp@>=1.3`; virtual ones, such as compilers, are left out."""
    match = _DEP_URL.match(url)
    if match and match["type"] != "virtual":
        yield source.find(Kind.EXTERNAL, match["name"].rpartition("/")[2].strip(), source.text.find(url))


def _get(data: object, *keys: str) -> object:
    for key in keys:
        data = data.get(key) if isinstance(data, Mapping) else None
    return data


def _list_texts(values: object) -> Iterable[str]:
    return [value for value in values if isinstance(value, str)] if isinstance(values, list) else []


def read_setup_cfg(source: SourceText) -> Iterator[Evidence]:
    """Yield the evidence in a setup.cfg; raise SyntaxError for a text that is none."""
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(source.text)
    except configparser.Error as error:
        raise SyntaxError(str(error).replace("\n", " ")) from None
    for section in ("bdist_wheel",):
        for key in ("py_limited_api", "py-limited-api"):
            if tag := format_tag(parser.get(section, key, fallback="")):
                yield source.find(Kind.STABLE_ABI, tag, source.text.find(key))
    for library in re.split(r"[\s,]+", parser.get("build_ext", "libraries", fallback="").strip()):
        if library:
            yield source.find(Kind.LIBRARY, library, source.text.find("libraries"))
    for key in ("python_requires", "requires_python"):
        if value := parser.get("options", key, fallback="").strip():
            yield source.find(Kind.REQUIRES_PYTHON, value, source.text.find(key))


def read_pkg_info(source: SourceText) -> Iterator[Evidence]:
    """Yield the supported Pythons in the PKG-INFO of an sdist."""
    header = source.text.partition("\n\n")[0]
    match = re.search(r"^Requires-Python:[ \t]*(\S.*)$", header, re.MULTILINE)
    if match:
        yield source.find(Kind.REQUIRES_PYTHON, match[1].strip(), match.start())
