"""Known vulnerabilities of the libraries in a wheel, fixed and open.

The libraries of its SBOM are compared with a security tracker and with their patches, for the audit and for OpenVEX documents.
"""

from __future__ import annotations
