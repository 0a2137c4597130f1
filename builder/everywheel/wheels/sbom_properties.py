"""Names of properties in SBOMs. They are in a module of their own since the library that writes SBOMs takes long to import."""

from __future__ import annotations

import re

# Properties for facts that have no field in CycloneDX. The audit reads them from the finished wheel.
LINKAGE = "everywheel:linkage"  # shared or static
FILE = "everywheel:file"  # the path in the wheel of a grafted library, or of a library's data
EXPORTS = "everywheel:exports"  # a glob of symbols that may be exported
NO_EXPORTS = "-"  # the value of EXPORTS if no symbol may be exported
PATCH = "everywheel:patch"  # the name of a patch that was applied to the source

VULNERABILITY = re.compile(r"CVE-\d{4}-\d{4,19}", re.ASCII)
"""The name of a vulnerability in the label of a patch."""
