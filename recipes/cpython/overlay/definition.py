"""Write python3.dll's module definition from the list of the stable ABI that CPython's source has for the linker."""

import re
import sys
from pathlib import Path

source, into = map(Path, sys.argv[1:])
kinds = {"FUNC": "", "DATA": " DATA"}
found = re.findall(r"^EXPORT_(FUNC|DATA)\((\w+)\)$", source.read_text(encoding="utf-8"), re.MULTILINE)
lines = [f"    {name}{kinds[kind]}" for kind, name in found]
into.write_text("\n".join(["LIBRARY python3.dll", "EXPORTS", *lines, ""]), encoding="utf-8")
