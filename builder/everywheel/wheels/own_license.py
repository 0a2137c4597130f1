"""The license of an extension as an SPDX expression (PEP 639), from metadata of any age.

Older metadata has classifiers, and a `License` field with a name, a text of many lines, or `UNKNOWN`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from packaging.metadata import RawMetadata
from packaging.utils import canonicalize_name

from everywheel.wheels.spdx import check_expression

_PREFIX = "License :: OSI Approved :: "
# Only classifiers that mean one license: "BSD License", for example, may be any of several.
_CLASSIFIERS: Mapping[str, str] = MappingProxyType(
    {
        "Apache Software License": "Apache-2.0",
        "Blue Oak Model License (BlueOak-1.0.0)": "BlueOak-1.0.0",
        "Boost Software License 1.0 (BSL-1.0)": "BSL-1.0",
        "CMU License (MIT-CMU)": "MIT-CMU",
        "GNU Affero General Public License v3": "AGPL-3.0-only",
        "GNU Affero General Public License v3 or later (AGPLv3+)": "AGPL-3.0-or-later",
        "GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
        "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
        "GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
        "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
        "GNU Lesser General Public License v2 (LGPLv2)": "LGPL-2.0-only",
        "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.0-or-later",
        "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
        "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
        "Historical Permission Notice and Disclaimer (HPND)": "HPND",
        "ISC License (ISCL)": "ISC",
        "MIT License": "MIT",
        "MIT No Attribution License (MIT-0)": "MIT-0",
        "Mozilla Public License 1.1 (MPL 1.1)": "MPL-1.1",
        "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
        "PostgreSQL License": "PostgreSQL",
        "The Unlicense (Unlicense)": "Unlicense",
        "zlib/libpng License": "Zlib",
    }
)
# Names in `License`, in lower case and without "license", "the" and punctuation.
_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "apache 2.0": "Apache-2.0",
        "apache 2": "Apache-2.0",
        "apache software 2.0": "Apache-2.0",
        "apache version 2.0": "Apache-2.0",
        "bsd 2 clause": "BSD-2-Clause",
        "2 clause bsd": "BSD-2-Clause",
        "simplified bsd": "BSD-2-Clause",
        "bsd 3 clause": "BSD-3-Clause",
        "3 clause bsd": "BSD-3-Clause",
        "new bsd": "BSD-3-Clause",
        "modified bsd": "BSD-3-Clause",
        "mit": "MIT",
        "mpl 2.0": "MPL-2.0",
    }
)
_NOISE = re.compile(r"\b(?:the|licen[cs]e)\b|[^a-z0-9.]+")


def find_own_license(metadata: RawMetadata) -> str:
    """Return the SPDX expression for the license of a wheel; `LicenseRef-<name>` if its metadata states no single one."""
    for text in (metadata.get("license_expression", ""), metadata.get("license", "")):
        try:
            return check_expression(text)
        except ValueError:
            pass
    if name := _NAMES.get(" ".join(_NOISE.sub(" ", metadata.get("license", "").lower()).split())):
        return name
    classifiers = [c.removeprefix(_PREFIX) for c in metadata.get("classifiers", []) if c.startswith("License :: ")]
    classifiers = [name for name in classifiers if name != "License :: OSI Approved"]
    # Several classifiers may mean a choice or a combination.
    if len(classifiers) == 1 and classifiers[0] in _CLASSIFIERS:
        return _CLASSIFIERS[classifiers[0]]
    return f"LicenseRef-{canonicalize_name(metadata.get('name', '')) or 'unknown'}"


def find_license_text(metadata: RawMetadata) -> str:
    """Return the text in the field `License`, which an expression replaces; empty if it has only a name."""
    text = metadata.get("license", "")
    return "".join(f"{line.strip()}\n" for line in text.splitlines()) if "\n" in text.strip() else ""
