"""The .pc files of an SDK, in two folders: for shared libraries, and for archives only.

Those in `lib/pkgconfig` name the shared libraries, and with `--static` also what their archives need, for a program that is
linked statically as a whole. Those in `lib/static/pkgconfig` name archives only: a program contains the libraries, although
its C library is a shared one. Archives are in a folder of their own, since linkers prefer a shared library in the same folder.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import PurePosixPath

from everywheel.libraries.prefix import split_requirements
from everywheel.sdk.contents import STATIC, Entry, SdkFile, find_stem, follow

FOLDER = "lib/pkgconfig"
STATIC_FOLDER = f"{STATIC}/pkgconfig"

_FIELD = re.compile(r"(?P<key>[A-Z][\w.]*)\s*:\s*(?P<value>.*)")
_SEARCH = f"-L${{prefix}}/{STATIC}"


def write_modules(
    entries: Mapping[str, Entry], extra: Mapping[str, str], recipes: Mapping[str, Collection[str]]
) -> dict[str, Entry]:
    """Return an SDK's files with its .pc files in both forms.

    `extra` are flags of the linker for a module's archives that its .pc file does not name, by module. `recipes` are the
    modules of each recipe.
    """
    files = {name: entry for name, entry in entries.items() if not _is_module(name)}
    shared = {find_stem(name) for name in entries if re.fullmatch(r"lib/lib[^/]+\.(so|dylib|dll\.a)", name)}
    texts = {name: follow(name, entries).data.decode() for name in entries if _is_module(name)}
    linked = {PurePosixPath(name).stem for name, text in texts.items() if _list_shared(read_fields(text), shared)}
    for name, text in texts.items():
        module = PurePosixPath(name).stem
        own = {other for modules in recipes.values() if module in modules for other in modules}
        text = _add_libraries(text, extra.get(module, ""))
        files[f"{FOLDER}/{module}.pc"] = SdkFile(data=_separate(text, shared, own & linked).encode())
        files[f"{STATIC_FOLDER}/{module}.pc"] = SdkFile(data=_name_archives(text).encode())
    return files


def read_fields(text: str) -> dict[str, str]:
    """Return the fields of a module by name: `Libs`, `Requires.private`."""
    return {match["key"]: match["value"].strip() for line in text.splitlines() if (match := _FIELD.fullmatch(line))}


def read_variables(text: str) -> dict[str, str]:
    """Return the variables of a module."""
    return dict(re.findall(r"^([\w.]+)[ \t]*=[ \t]*(.*?)\s*?$", text, re.M))


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


def _separate(text: str, shared: Collection[str], own: Collection[str]) -> str:
    """Return a module whose shared library requires nothing else: what its archive requires is private.

    The modules in `own`, with other shared libraries of the same recipe, stay requirements.
    """
    fields = read_fields(text)
    flags = [flag for flag in fields.get("Libs", "").split() if not flag.startswith("-L")]
    public = _list_shared(fields, shared)
    if not public:
        return _render(text, fields | ({"Libs": " ".join([_SEARCH, *flags])} if flags else {}))
    private = [*(flag for flag in flags if flag not in public), *_list_private(fields)]
    kept = [name for name in split_requirements(fields.get("Requires", "")) if name.split()[0] in own]
    moved = [name for name in split_requirements(_join_requirements(fields)) if name not in kept]
    return _render(
        text,
        fields
        | {
            "Requires": ", ".join(kept),
            "Requires.private": ", ".join(moved),
            "Libs": " ".join(["-L${prefix}/lib", *public]),
            "Libs.private": " ".join([_SEARCH, *private]),
        },
    )


def _list_shared(fields: Mapping[str, str], shared: Collection[str]) -> list[str]:
    """Return the flags of a module that name shared libraries of the SDK."""
    return [flag for flag in fields.get("Libs", "").split() if flag.startswith("-l") and flag[2:] in shared]


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
