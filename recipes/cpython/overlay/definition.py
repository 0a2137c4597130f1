"""Write the module definition of python3.dll from the list of stable ABI symbols in CPython's sources."""

import re
import sys
from pathlib import Path

source, output = map(Path, sys.argv[1:])
kinds = {"FUNC": "", "DATA": " DATA"}
symbols = re.findall(r"^EXPORT_(FUNC|DATA)\((\w+)\)$", source.read_text(encoding="utf-8"), re.MULTILINE)
lines = [f"    {name}{kinds[kind]}" for kind, name in symbols]
output.write_text("\n".join(["LIBRARY python3.dll", "EXPORTS", *lines, ""]), encoding="utf-8")
