"""Write the module definition of a DLL of Python: `definition.py OUTPUT.def PC/python3dll.c [PREPROCESSED_HEADERS...]`.

The first input lists the stable ABI, for which CPython before 3.10 also has python3.def next to it; the others are the
headers, in which the preprocessor has marked what is imported from the DLL.
"""

import re
import sys
from pathlib import Path

IMPORT = re.compile(r"(extern\s+)?(?:__attribute__\s*\(\(\s*dllimport\s*\)\)|__declspec\s*\(\s*dllimport\s*\))([^;{]*)")
ATTRIBUTE = re.compile(r"__attribute__\s*\(\([^()]*(?:\([^()]*\)[^()]*)*\)\)|__declspec\s*\([^()]*\)")


def list_stable_symbols(source):
    """Yield the name of each function and variable of the stable ABI, and whether it is a variable."""
    found = re.findall(r"^EXPORT_(FUNC|DATA)\((\w+)\)$", source.read_text(encoding="utf-8"), re.MULTILINE)
    yield from ((name, kind == "DATA") for kind, name in found)
    definition = source.with_name("python3.def")
    if not found:
        for name, kind in re.findall(
            r"^\s+(\w+)=\w+\.\w+(\s+DATA)?", definition.read_text(encoding="utf-8"), re.MULTILINE
        ):
            yield name, bool(kind)


def list_declared_symbols(text):
    """Yield the same for the declarations in preprocessed headers: those of variables begin with `extern`."""
    for extern, declaration in IMPORT.findall(text):
        plain = ATTRIBUTE.sub("", declaration)
        pointer = re.match(r"[^()]*\(\s*\*\s*(\w+)\s*\)\s*\(", plain)  # a variable that is a pointer to a function
        name = pointer or re.search(r"(\w+)\s*(?:\[[^]]*\]\s*)*$" if extern else r"(\w+)\s*\(", plain)
        if name and re.match(r"_?Py|PY_", name[1]):
            yield name[1], bool(extern)


output, stable, *headers = map(Path, sys.argv[1:])
symbols = dict(list_stable_symbols(stable))
for header in headers:
    symbols.update(list_declared_symbols(header.read_text(encoding="utf-8")))
lines = [f"    {name}{' DATA' if is_data else ''}" for name, is_data in sorted(symbols.items())]
output.write_text("\n".join([f"LIBRARY {output.stem}.dll", "EXPORTS", *lines, ""]), encoding="utf-8")
