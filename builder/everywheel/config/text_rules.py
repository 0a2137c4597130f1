"""Rules for texts in recipes and project files that become part of paths, commands, file names or linker scripts."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath

_LONGEST_PATH = 1000  # bytes; Linux allows 4096 with the path of the workspace
_LONGEST_NAME = 200  # bytes; Linux allows 255 with the suffixes of logs and workspaces


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRule:
    """The texts that a key accepts: `description` completes "'key' must be …", and `hint` shows a valid value."""

    accepts: Callable[[str], object]
    description: str
    hint: str


def _is_path(text: str) -> bool:
    parts = PurePosixPath(text).parts
    return (
        bool(text)
        and text.isprintable()
        and not set(text) & set("\\{}*?")
        and not text.startswith("/")
        and not PureWindowsPath(text).drive
        and ".." not in parts
        and len(text.encode()) <= _LONGEST_PATH
        and all(len(part.encode()) <= _LONGEST_NAME for part in parts)
    )


def _is_file_name(text: str) -> bool:
    return text != "." and "/" not in text and _is_path(text)


def _match(pattern: str) -> Callable[[str], object]:
    return re.compile(pattern, re.ASCII).fullmatch


_PLAIN_NAME = r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}"
# https://learn.microsoft.com/en-us/windows/win32/fileio/naming-a-file
_NO_DEVICE = r"(?!(?i:con|prn|aux|nul|com\d|lpt\d)(\.|$))"

RECIPE_NAME = TextRule(
    accepts=_match(f"{_NO_DEVICE}{_PLAIN_NAME}(?<!\\.)"),
    description="a name of letters, digits and `.`, `_`, `+`, `-` that a folder can have on every system",
    hint='such as `name = "libpng"`',
)
VERSION = TextRule(
    accepts=_match(r"[A-Za-z0-9][A-Za-z0-9._+~!-]{0,99}(?<!\.)"),
    description="a version of letters, digits and `.`, `_`, `+`, `~`, `!`, `-`, without a dot at its end",
    hint='such as `version = "1.6.48"`',
)
PATH = TextRule(
    accepts=_is_path,
    description="a relative path without `..`, wildcards, backslashes and braces",
    hint="paths are relative to the source or the prefix, and stay in it",
)
FILE_NAME = TextRule(
    accepts=_is_file_name,
    description="a name without slashes, wildcards, backslashes and braces",
    hint="the toolkit adds the directory",
)
PKGCONFIG = TextRule(
    accepts=lambda text: _is_file_name(text) and not text.endswith(".pc"),
    description="the name of a pkg-config file without `.pc`",
    hint='such as `pkgconfig = ["libpng16"]`',
)
SWITCH = TextRule(
    accepts=lambda text: text.isprintable() and bool(text) and not text.startswith("-"),
    description="the name of an option without dashes before it",
    hint='such as `disable = ["tests"]`; an option with a value is in `options`',
)
DEFINITION = TextRule(
    accepts=lambda text: text.isprintable() and bool(text) and not text.startswith("-"),
    description="a preprocessor definition without `-D`",
    hint='such as `defines = ["NDEBUG", "LEVEL=3"]`',
)
LINE = TextRule(
    accepts=str.isprintable,
    description="one line of text without control characters",
    hint="remove line breaks and control characters",
)
URL = TextRule(
    accepts=_match(r"https?://[^\s\\{}\x00-\x1f\x7f]+"),
    description="an http or https URL",
    hint="`{version}` is the only placeholder; escape other characters as `%20`",
)
MIRROR = TextRule(
    accepts=_match(r"(https?|file)://[^\s\\{}\x00-\x1f\x7f]+|[^\s\x00-\x1f\x7f:]+"),
    description="a URL or a directory, without white space",
    hint='such as `mirrors = ["https://mirror.example/sources"]`',
)
REMOTE = TextRule(
    accepts=_match(r"[^\s\x00-\x1f\x7f]+"),
    description="a URL or a directory, without white space",
    hint='such as `remote = ["s3://bucket/folder", "https://store.example#read-only"]`',
)
SNAPSHOT = TextRule(
    accepts=_match(r"none|https?://[^\s\\{}\x00-\x1f\x7f]+"),
    description="an http or https URL, or `none`",
    hint='such as `snapshot = "https://snapshot.example"`',
)
REASON = TextRule(
    accepts=lambda text: bool(text.strip()) and text.isprintable(),
    description="one line of text",
    hint='such as `reason = "changes tests only"`',
)
VARIABLE = TextRule(
    accepts=_match(r"[A-Za-z_][A-Za-z0-9_]*"),
    description="the name of an environment variable",
    hint='such as `environment = { WITH_ZLIB = "1" }`',
)
SYMBOLS = TextRule(
    accepts=_match(r"[A-Za-z0-9_.$@*?\[\]!^-]+"),
    description="a symbol or a glob of symbols",
    hint='such as `exports = ["png_*"]`',
)
DEBIAN_PACKAGE = TextRule(
    accepts=_match(r"[a-z0-9][a-z0-9+.-]{1,99}"),
    description="the name of a Debian source package",
    hint='such as `package = "libpng1.6"`',
)
CPE = TextRule(
    accepts=_match(r"([a-z0-9._-]|\\[+!]){1,60}:([a-z0-9._-]|\\[+!]){1,60}"),
    description="the vendor and the product of a CPE",
    hint='such as `cpe = "libpng:libpng"`, from https://nvd.nist.gov/products/cpe/search',
)
FIX = TextRule(
    accepts=_match(r"[A-Za-z0-9][A-Za-z0-9._#/:+-]{0,99}"),
    description="the number of a CVE or a bug",
    hint='such as `fixes = ["CVE-2025-64505", "glib#3916"]`',
)
PYTHON = TextRule(
    accepts=_match(r"cp3\d{1,2}(t|-(abi3t?|abi3\.abi3t|cp3\d{1,2}t?d?))?"),
    description="the tag of a CPython",
    hint="such as `cp312`, `cp314t`, `cp311-abi3` or `cp315-abi3.abi3t`",
)
BACKEND_PYTHON = TextRule(
    accepts=_match(r"same|(3\.|cp3)\d{1,2}t?"),
    description="the version of a CPython, or `same`",
    hint="such as `3.12` or `3.14t`; `same` is the version of each wheel",
)
PYTHON_TAG = TextRule(
    accepts=_match(r"cp3\d{1,2}"), description="the Python tag of a CPython", hint='such as `tag = "cp311"`'
)
PYTHON_ABI = TextRule(
    accepts=_match(r"abi3t?|abi3\.abi3t|cp3\d{1,2}t?d?"),
    description="the ABI tag of a CPython",
    hint='such as `abi = "abi3"` or `abi = "cp314t"`',
)
