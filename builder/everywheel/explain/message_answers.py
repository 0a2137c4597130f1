"""Answers to messages of loaders that need no facts from the message: the cause and the cure of each."""

from __future__ import annotations

import re
from collections.abc import Mapping

ANSWERS: Mapping[re.Pattern[str], tuple[str, str]] = {
    re.compile(r"[Ee]xec format error"): (
        "The program is for another processor, such as arm64 on x86_64, or it is an empty file or a script without a first "
        "line.",
        "Use the build for this processor. A container image has the same limit: `docker run --platform` selects another one.",
    ),
    re.compile(r"cannot enable executable stack"): (
        "A library requires an executable stack, which this system forbids. glibc 2.41 and newer never enable it later.",
        "Update the package. Maintainers: assemble with `.note.GNU-stack`, or link with -z noexecstack.",
    ),
    re.compile(r"cannot restore segment prot after reloc|text relocations"): (
        "The library has text relocations: its code was not compiled with -fPIC, and this system forbids writing to code.",
        "Update the package. Maintainers: compile every object with -fPIC.",
    ),
    re.compile(r"load command address/offset not (?:page-aligned|properly aligned)"): (
        "The library is aligned to 4 KiB pages, and this kernel uses larger ones (16 or 64 KiB on arm64).",
        "Update the package. Maintainers: link with -z max-page-size=65536; `everywheel audit` checks it.",
    ),
    re.compile(r"failed to map segment from shared object"): (
        "The file is on a file system that is mounted with noexec, or a security policy forbids loading it.",
        "Install the package elsewhere, or set TMPDIR to a folder without noexec.",
    ),
    re.compile(r"is not a supported wheel on this platform"): (
        "The wheel's tags are for another Python, processor or C library than those of this pip.",
        "`pip debug --verbose` lists the tags that this pip accepts; compare them with the end of the file name.",
    ),
    re.compile(r"DLL load failed(?: while importing \w+)?: The specified module could not be found|WinError 126\b"): (
        "A DLL that the module needs is missing, not the module itself; often the Visual C++ runtime (msvcp140.dll).",
        "`everywheel explain FILE` lists the DLLs. Install the Visual C++ redistributable. Maintainers: `everywheel repair`.",
    ),
    re.compile(r"%1 is not a valid Win32 application"): (
        "The DLL is for another processor: 32 bits in a 64-bit process, or the reverse.",
        "Install the package again with the Python that imports it.",
    ),
    re.compile(
        r"DLL load failed(?: while importing \w+)?: The specified procedure could not be found|WinError 127\b"
    ): (
        "A DLL was loaded that has another version than the module was built with: it has no function of that name. Often "
        "another program put its folder on PATH, or a system is older than the module requires.",
        "`everywheel explain FILE` lists the DLLs; `where NAME.dll` shows the copies. Remove the other one from PATH, or "
        "install the package again.",
    ),
    re.compile(r"DLL initialization routine failed|\(DLL\) initialization routine failed|WinError 1114\b"): (
        "A DLL was loaded, and its own start failed: often two copies of a runtime in one process, or an instruction that "
        "this processor does not have.",
        "`everywheel explain FILE` lists the DLLs and the processor. Import the package first in a new process, or update the "
        "Visual C++ redistributable.",
    ),
    re.compile(r"Not a valid dynamic program"): (
        "musl's loader was started with a file that it cannot run: one for another processor, a static program, or a text.",
        "Start the program directly. `everywheel explain FILE` shows the architecture and the C library that it is for.",
    ),
    re.compile(r"exec user process caused"): (
        "The program of the container, the loader that it names, or the interpreter in its first line is missing: often a "
        "program for glibc in an image with musl (Alpine), or a script whose lines end with \\r.",
        "`everywheel explain FILE` names the loader. Use an image with that C library, or convert the script's line ends.",
    ),
    re.compile(r"zsh: killed|code signature (?:invalid|in .* not valid)|(?i:killed: 9)"): (
        "macOS ends programs for arm64 whose signature is missing or does not fit the file, such as one that was changed "
        "after it was signed. A program that used all memory ends in the same way.",
        "Sign the file again (`codesign -s - -f FILE`), or install the package again. `everywheel audit` checks signatures.",
    ),
    re.compile(r"was built with baseline optimizations|baseline .*your machine doesn't support"): (
        "The package was compiled for newer processors than this one, which its own check reports.",
        "Install an older version of the package, or build it on this machine (`pip install --no-binary NAME NAME`).",
    ),
}
