"""The .pc files of an SDK, in two folders: for shared libraries, and for archives only.

Those in `lib/pkgconfig` name the shared libraries, and with `--static` also what their archives need, for a program that is
linked statically as a whole. Those in `lib/static/pkgconfig` name archives only: a program contains the libraries, although
its C library is a shared one. Archives are in a folder of their own, since linkers prefer a shared library in the same folder.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from everywheel.sdk.contents import STATIC, Entry, SdkFile, find_stem, follow

FOLDER = "lib/pkgconfig"
STATIC_FOLDER = f"{STATIC}/pkgconfig"

_FIELD = re.compile(r"(?P<key>[A-Z][\w.]*)\s*:\s*(?P<value>.*)")
_SEARCH = f"-L${{prefix}}/{STATIC}"


def write_modules(entries: Mapping[str, Entry], extra: Mapping[str, str]) -> dict[str, Entry]:
    """Return an SDK's files with its .pc files in both forms.

    `extra` are flags of the linker for a module's archives that its .pc file does not name, by module.
    """
    files = {name: entry for name, entry in entries.items() if not _is_module(name)}
    shared = {find_stem(name) for name in entries if re.fullmatch(r"lib/lib[^/]+\.(so|dylib|dll\.a)", name)}
    for name in entries:
        if _is_module(name):
            base = name.rpartition("/")[2]
            text = _add_libraries(follow(name, entries).data.decode(), extra.get(base.removesuffix(".pc"), ""))
            files[f"{FOLDER}/{base}"] = SdkFile(data=_separate(text, shared).encode())
            files[f"{STATIC_FOLDER}/{base}"] = SdkFile(data=_name_archives(text).encode())
    return files


def read_fields(text: str) -> dict[str, str]:
    """Return the fields of a module by name: `Libs`, `Requires.private`."""
    return {match["key"]: match["value"].strip() for line in text.splitlines() if (match := _FIELD.fullmatch(line))}


def read_variables(text: str) -> dict[str, str]:
    """Return the variables of a module."""
    return dict(re.findall(r"^(\w+)\s*=\s*(.*?)\s*$", text, re.M))


def _is_module(name: str) -> bool:
    return bool(re.fullmatch(r"(lib|share)/pkgconfig/[^/]+\.pc", name))


def _add_libraries(text: str, extra: str) -> str:
    fields = read_fields(text)
    fields["Libs.private"] = f"{fields.get('Libs.private', '')} {extra}".strip()
    return _render(text, fields)


def _render(text: str, fields: Mapping[str, str]) -> str:
    """Return a module with the variables of `text` and other fields."""
    variables = [f"{key}={value}" for key, value in read_variables(text).items()]
    return "\n".join([*variables, "", *(f"{key}: {value}" for key, value in fields.items() if value)]) + "\n"


def _separate(text: str, shared: Collection[str]) -> str:
    """Return a module whose shared library requires nothing else: what its archive requires is private."""
    fields = read_fields(text)
    flags = [flag for flag in fields.get("Libs", "").split() if not flag.startswith("-L")]
    public = [flag for flag in flags if flag.startswith("-l") and flag[2:] in shared]
    if not public:
        return _render(text, fields | ({"Libs": " ".join([_SEARCH, *flags])} if flags else {}))
    private = [*(flag for flag in flags if flag not in public), *_list_private(fields)]
    return _render(
        text,
        fields
        | {
            "Requires": "",
            "Requires.private": _join_requirements(fields),
            "Libs": " ".join(["-L${prefix}/lib", *public]),
            "Libs.private": " ".join([_SEARCH, *private]),
        },
    )


def _name_archives(text: str) -> str:
    """Return a module for archives only, without a private part."""
    fields = read_fields(text)
    flags = [flag for flag in fields.get("Libs", "").split() if not flag.startswith("-L")]
    libs = [*flags, *_list_private(fields)]
    private = {"Requires.private": "", "Libs.private": "", "Cflags.private": ""}
    fields |= {
        "Requires": _join_requirements(fields),
        "Libs": " ".join([_SEARCH, *libs]) if libs else "",
        "Cflags": " ".join(fields.get(key, "") for key in ("Cflags", "Cflags.private")).strip(),
    }
    text = re.sub(r"^prefix\s*=.*$", "prefix=${pcfiledir}/../../..", text, flags=re.M)
    return _render(text, fields | private)


def _list_private(fields: Mapping[str, str]) -> list[str]:
    return [flag for flag in fields.get("Libs.private", "").split() if not flag.startswith("-L")]


def _join_requirements(fields: Mapping[str, str]) -> str:
    return ", ".join(fields[key] for key in ("Requires", "Requires.private") if fields.get(key))
