"""Policies of macOS and Windows: architectures, oldest system and libraries that a platform tag promises (PEP 425)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from delvewheel import _dll_list

from everywheel.platforms.architectures import find_macos_arch, find_windows_arch
from everywheel.platforms.tags import PlatformTag, TagFamily

_NEWEST_WINDOWS = (10, 0)  # Windows 11 has this version too; the loader refuses files that require a newer one

# The libraries in /usr/lib that programs may link: those with a stub in Apple's SDK, in every macOS since 10.9.
_MAC_LIBRARIES = frozenset(
    (
        "libSystem.B",
        "libarchive.2",
        "libbsm.0",
        "libbz2.1.0",
        "libc++.1",
        "libc++abi",
        "libcharset.1",
        "libcompression",
        "libcups.2",
        "libcurl.4",
        "libedit.3",
        "libexpat.1",
        "libexslt.0",
        "libffi",
        "libform.5.4",
        "libiconv.2",
        "libicucore.A",
        "libmenu.5.4",
        "libncurses.5.4",
        "libobjc.A",
        "libpam.2",
        "libpanel.5.4",
        "libpcap.A",
        "libresolv.9",
        "libsandbox.1",
        "libsasl2.2",
        "libsqlite3",
        "libtidy.A",
        "libutil",
        "libxml2.2",
        "libxslt.1",
        "libz.1",
    )
)
_FRAMEWORK = re.compile(r"/System/Library/Frameworks/(?P<name>\w+)\.framework/((?!\.\.?/)[\w.]+/)*\w+")
_SWIFT = re.compile(r"/usr/lib/swift/libswift\w+\.dylib")  # the Swift runtime: each macOS has more of it
# The first macOS with each framework that is newer than 10.9, and the frameworks that newer systems do not have.
_NEW_FRAMEWORKS: Mapping[str, tuple[int, int]] = MappingProxyType(
    {
        "Metal": (10, 11),
        "MetalKit": (10, 11),
        "ModelIO": (10, 11),
        "NetworkExtension": (10, 11),
        "ColorSync": (10, 13),
        "CoreML": (10, 13),
        "MetalPerformanceShaders": (10, 13),
        "Vision": (10, 13),
        "NaturalLanguage": (10, 14),
        "Network": (10, 14),
        "UserNotifications": (10, 14),
        "AuthenticationServices": (10, 15),
        "Combine": (10, 15),
        "CoreHaptics": (10, 15),
        "CryptoKit": (10, 15),
        "LinkPresentation": (10, 15),
        "OSLog": (10, 15),
        "PencilKit": (10, 15),
        "SoundAnalysis": (10, 15),
        "Speech": (10, 15),
        "SwiftUI": (10, 15),
        "SystemExtensions": (10, 15),
        "Accessibility": (11, 0),
        "MLCompute": (11, 0),
        "MetalPerformanceShadersGraph": (11, 0),
        "UniformTypeIdentifiers": (11, 0),
        "Virtualization": (11, 0),
        "WidgetKit": (11, 0),
        "MetricKit": (12, 0),
        "PHASE": (12, 0),
        "ShazamKit": (12, 0),
        "ScreenCaptureKit": (12, 3),
    }
)
_REMOVED_FRAMEWORKS = frozenset(("Python", "Ruby", "QTKit", "JavaVM", "JavaFrameEmbedding"))


@dataclass(frozen=True, slots=True, kw_only=True)
class MacPolicy:
    """The limits of a platform tag of macOS: the wheel runs on each architecture in `cpus`, on macOS `floor` and newer."""

    tag: str
    floor: tuple[int, int]
    cpus: tuple[str, ...]

    def floor_on(self, cpu: str) -> tuple[int, int]:
        """Return the oldest macOS that the tag promises on an architecture."""
        arch = find_macos_arch(cpu)
        return max(self.floor, arch.first) if arch is not None else self.floor

    def find_problem(self, library: str, cpu: str) -> str | None:
        """Return the reason why a library with this path may be missing on an architecture, or None if every system has it."""
        if (framework := _find_framework(library)) is not None:
            since = _NEW_FRAMEWORKS.get(framework, (0, 0))
            if since <= self.floor_on(cpu):
                return None
            return f"which exists since macOS {_format_version(since)}, but {self.promise_on(cpu)}"
        if _is_listed(library):
            return None
        return f"which is not in the wheel and not on every {self.tag} system"

    def promise_on(self, cpu: str) -> str:
        """Return the promise for messages: `macosx_11_0_arm64 promises macOS 11.0`."""
        return f"{self.tag} promises macOS {_format_version(self.floor_on(cpu))}"


def needs_signature(cpu: str) -> bool:
    """Return whether macOS refuses to load a file for an architecture that has no code signature."""
    arch = find_macos_arch(cpu)
    return arch is not None and arch.needs_signature


def is_macos_library(library: str) -> bool:
    """Return whether a path is that of a library in at least one version of macOS; only the system installs files there."""
    return _find_framework(library) is not None or _is_listed(library) or _SWIFT.fullmatch(library) is not None


def _find_framework(library: str) -> str | None:
    match = _FRAMEWORK.fullmatch(library)
    return match["name"] if match is not None and match["name"] not in _REMOVED_FRAMEWORKS else None


def _is_listed(library: str) -> bool:
    folder, _, name = library.rpartition("/")
    return folder == "/usr/lib" and name.removesuffix(".dylib") in _MAC_LIBRARIES


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowsPolicy:
    """The limits of a platform tag of Windows: the architecture, as pefile spells it, and the DLLs that every system has.

    `optional` are DLLs that only some versions or editions have. `newest` is the newest version of Windows.
    """

    tag: str
    machine: str
    libraries: frozenset[str]
    optional: frozenset[str]
    newest: tuple[int, int] = _NEWEST_WINDOWS

    def provides(self, library: str) -> bool:
        """Return whether every supported Windows, or every Python, includes a DLL; `library` is its name in lower case.

        `vcruntime140.dll` is next to every `python.exe`; other parts of the Visual C++ runtime (`msvcp140.dll`) are not.
        """
        return library in self.libraries or _API_SET.fullmatch(library) is not None

    def may_provide(self, library: str) -> bool:
        """Return whether a DLL that is loaded on first use belongs to some version of Windows or to a driver."""
        is_optional = (
            library in self.optional or library in _DRIVER_LIBRARIES or _EXTENSION_SET.fullmatch(library) is not None
        )
        return is_optional or self.provides(library)


# API sets: names that Windows maps to DLLs, among them the C runtime. Every edition has those that begin with `api-`; those
# that begin with `ext-` may be missing (https://learn.microsoft.com/windows/win32/apiindex/windows-apisets).
_API_SET = re.compile(r"api-ms-win-[a-z0-9-]+-l\d+-\d+-\d+\.dll")
_EXTENSION_SET = re.compile(r"ext-ms-win-[a-z0-9-]+-l\d+-\d+-\d+\.dll")
# The drivers of devices install these DLLs into the system directory. Each fits only its own driver, so a wheel cannot
# contain it.
_DRIVER_LIBRARIES = frozenset(
    (
        "nvcuda.dll",
        "nvml.dll",  # NVIDIA: computing and monitoring
        "opencl.dll",
        "vulkan-1.dll",  # of any vendor
    )
)
_MISSING_IN_DELVEWHEEL = frozenset(
    ("combase.dll", "ucrtbase.dll")
)  # since Windows 8 and 10; missing in delvewheel's lists


@cache
def load_mac_policy(tag: str) -> MacPolicy | None:
    """Return the policy of a platform tag of macOS, or None for another tag and for processors that macOS dropped."""
    parsed = PlatformTag.parse(tag)
    if parsed.family is not TagFamily.MACOS or any(find_macos_arch(name) is None for name in parsed.arches):
        return None
    return MacPolicy(tag=tag, floor=parsed.version, cpus=parsed.arches)


@cache
def load_windows_policy(tag: str) -> WindowsPolicy | None:
    """Return the policy of a platform tag of Windows, or None for another tag; the DLLs are those that delvewheel lists."""
    parsed = PlatformTag.parse(tag)
    arch = find_windows_arch(parsed.arch) if parsed.family is TagFamily.WINDOWS else None
    if arch is None:
        return None
    listed = _dll_list.ignore_names[_dll_list.MachineType.platform_tag_to_type(tag)]
    return WindowsPolicy(
        tag=tag,
        machine=arch.pe_machine,
        libraries=frozenset(listed | arch.python_dlls | _MISSING_IN_DELVEWHEEL),
        # The list of a processor is for the oldest Windows that supports it; the lists of newer ones add the newer DLLs.
        optional=frozenset().union(*_dll_list.ignore_names.values()),
    )


def _format_version(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))
