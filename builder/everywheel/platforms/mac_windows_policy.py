"""What platform tags of macOS and Windows promise (PEP 425): processors, the oldest system, and the libraries it has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from delvewheel import _dll_list

from everywheel.platforms.architectures import find_macos_arch, find_windows_arch
from everywheel.platforms.tags import PlatformTag, TagFamily

_NEWEST_WINDOWS = (10, 0)  # Windows 11 calls itself so as well; a loader refuses what asks for more

# Of /usr/lib, what programs may be linked against: what Apple's SDK has a stub for, in every macOS since 10.9.
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
_SWIFT = re.compile(r"/usr/lib/swift/libswift\w+\.dylib")  # its runtime: a part of macOS that grows with each
# Frameworks that came after 10.9, and those that have gone.
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
_GONE_FRAMEWORKS = frozenset(("Python", "Ruby", "QTKit", "JavaVM", "JavaFrameEmbedding"))


@dataclass(frozen=True, slots=True, kw_only=True)
class MacPolicy:
    """What one platform tag of macOS promises: every one of the processors `cpus`, from the system `floor` on."""

    tag: str
    floor: tuple[int, int]
    cpus: tuple[str, ...]

    def floor_on(self, cpu: str) -> tuple[int, int]:
        """Return the oldest macOS that this tag means on a processor."""
        arch = find_macos_arch(cpu)
        return max(self.floor, arch.first) if arch is not None else self.floor

    def lacks(self, library: str, cpu: str) -> str | None:
        """Return why a library of the system cannot be counted on, by its path, or None when it can."""
        if (framework := _find_framework(library)) is not None:
            since = _NEW_FRAMEWORKS.get(framework, (0, 0))
            if since <= self.floor_on(cpu):
                return None
            return f"which macOS has from {_dotted(since)} on, but {self.promise_on(cpu)}"
        if _is_listed(library):
            return None
        return f"which is not in the wheel and not on every {self.tag} system"

    def promise_on(self, cpu: str) -> str:
        """What the tag promises on a processor, in words: `macosx_11_0_arm64 promises macOS 11.0`."""
        return f"{self.tag} promises macOS {_dotted(self.floor_on(cpu))}"


def needs_signature(cpu: str) -> bool:
    """Return whether macOS refuses to load a file for a CPU that has no code signature."""
    arch = find_macos_arch(cpu)
    return arch is not None and arch.needs_signature


def is_of_macos(library: str) -> bool:
    """Tell whether a path is that of a library which some macOS has, of whichever version, and nobody else can put there."""
    return _find_framework(library) is not None or _is_listed(library) or _SWIFT.fullmatch(library) is not None


def _find_framework(library: str) -> str | None:
    match = _FRAMEWORK.fullmatch(library)
    return match["name"] if match is not None and match["name"] not in _GONE_FRAMEWORKS else None


def _is_listed(library: str) -> bool:
    folder, _, name = library.rpartition("/")
    return folder == "/usr/lib" and name.removesuffix(".dylib") in _MAC_LIBRARIES


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowsPolicy:
    """What one platform tag of Windows promises: its processor, as PE files name it, and the DLLs it comes with.

    `later` are those that only some versions or editions come with.
    """

    tag: str
    machine: str
    libraries: frozenset[str]
    later: frozenset[str]
    newest: tuple[int, int] = _NEWEST_WINDOWS

    def provides(self, library: str) -> bool:
        """Tell whether every Windows that Python runs on has a DLL, or Python itself: by its name in lower case.

        `vcruntime140.dll` is beside every `python.exe`; no other part of the Visual C++ runtime is (msvcp140.dll is not).
        """
        return library in self.libraries or _API_SET.fullmatch(library) is not None

    def may_provide(self, library: str) -> bool:
        """Tell whether a DLL that is looked for on first use is Windows' own, of any version and edition, or a driver's."""
        found = library in self.later or library in _OF_DRIVERS or _EXTENSION_SET.fullmatch(library) is not None
        return found or self.provides(library)


# API sets: names that Windows itself turns into DLLs, the C runtime's among them. Every edition has those of `api-`,
# and `ext-` may be missing (learn.microsoft.com/windows/win32/apiindex/windows-apisets).
_API_SET = re.compile(r"api-ms-win-[a-z0-9-]+-l\d+-\d+-\d+\.dll")
_EXTENSION_SET = re.compile(r"ext-ms-win-[a-z0-9-]+-l\d+-\d+-\d+\.dll")
# A device's driver puts them into Windows' own folder. They fit that driver alone, so that no wheel can carry them.
_OF_DRIVERS = frozenset(
    (
        "nvcuda.dll",
        "nvml.dll",  # NVIDIA's: computing, and what the device is doing
        "opencl.dll",
        "vulkan-1.dll",  # any vendor's
    )
)
_MISSED = frozenset(("combase.dll", "ucrtbase.dll"))  # in Windows from 8 and 10 on, and not in delvewheel's lists


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
        libraries=frozenset(listed | arch.python_dlls | _MISSED),
        # Each processor's list is that of the oldest Windows that ran on it; all lists together have the newer DLLs too.
        later=frozenset().union(*_dll_list.ignore_names.values()),
    )


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))
