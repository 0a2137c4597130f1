"""A project as its files describe it: backend, extension modules, wanted libraries and supported Pythons."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from everywheel.config.build_backend import BuildBackend, read_build_backend
from everywheel.config.toml_reader import Table, read_toml
from everywheel.errors import UsageError
from everywheel.execution.input_files import ListedFile, UnusableFile, list_files, read_text
from everywheel.recognition.build_files import read_cmake, read_meson
from everywheel.recognition.evidence import Evidence, Kind, SourceText, format_tag
from everywheel.recognition.python_script import list_cffi_scripts, read_python_script
from everywheel.recognition.settings_files import read_pkg_info, read_pyproject, read_setup_cfg

_LARGEST_FILE = 4 << 20  # bytes; some setup.py contain tables
_OUTPUT = ("build", "dist", "wheelhouse", "__pycache__", "node_modules", "venv", "env", "site-packages")
_TESTS = ("test", "tests", "testing", "doc", "docs", "demo", "demos", "example", "examples", "sample", "samples")
_BENCHMARKS = ("bench", "benchmark", "benchmarks")
_BUNDLED = ("subprojects", "third_party", "vendor", "vendored", "extern")
_NOT_BUILT = frozenset((*_OUTPUT, *_TESTS, *_BENCHMARKS, *_BUNDLED))
"""Folders whose build files do not describe the project's own modules."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecognizedProject:
    """The evidence in a project's files, in the order of the files; `unread` are files that could not be read, with reasons.

    `rust` is the file that describes modules in Rust, or empty.
    """

    backend: BuildBackend
    evidence: tuple[Evidence, ...]
    unread: tuple[str, ...]
    rust: str

    def list_evidence(self, *kinds: Kind) -> tuple[Evidence, ...]:
        """Return the evidence of some kinds, the first one of each name, whether it is optional or not."""
        chosen = [evidence for evidence in self.evidence if evidence.kind in kinds]
        first = {(item.kind, item.name, item.is_optional): item for item in reversed(chosen)}
        return tuple(first.values())[::-1]

    @property
    def requires_python(self) -> str:
        """The specifier of the supported Pythons, or empty."""
        return next((evidence.name for evidence in self.list_evidence(Kind.REQUIRES_PYTHON)), "")

    @property
    def stable_abi(self) -> Evidence | None:
        """The evidence that wheels use the stable ABI; its name is the oldest CPython, such as `cp311`, or empty."""
        stated = self.list_evidence(Kind.STABLE_ABI)
        if not stated:
            return None
        versions = [evidence for evidence in self.list_evidence(Kind.STABLE_ABI, Kind.LIMITED_API) if evidence.name]
        # The wheel's own tag first; else the newest version that a module uses.
        own = [evidence for evidence in versions if evidence.kind is Kind.STABLE_ABI]
        return max(own or versions, key=lambda evidence: int(evidence.name[3:]), default=stated[0])


def recognize_project(root: Path) -> RecognizedProject:
    """Read the build files of the project in a folder; nothing of it is run.

    Raises UsageError for an invalid pyproject.toml, and for files that cannot be listed.
    """
    path = root / "pyproject.toml"
    pyproject = read_toml(path) if path.exists() else Table({}, path)
    try:
        files = list_files(root, exclude=_is_not_built)
    except UnusableFile as error:
        raise UsageError(str(error), hint="correct or remove it: the project's files are searched") from None
    reader = _Reader(files)
    rust = next((file.name for file in files if file.path.name == "Cargo.toml"), "")
    return RecognizedProject(
        backend=read_build_backend(pyproject), evidence=tuple(reader.read()), unread=tuple(reader.unread), rust=rust
    )


def _is_not_built(path: Path) -> bool:
    name = path.name
    return name.startswith(".") or name.lower() in _NOT_BUILT or name.endswith(".egg-info")


class _Reader:
    """Reads the build files of a project; `unread` are those that could not be read, with reasons."""

    def __init__(self, files: Sequence[ListedFile]) -> None:
        self._files = {file.name: file for file in files}
        self.unread: list[str] = []

    def read(self) -> Iterator[Evidence]:
        evidence = [*self._read_settings(), *self._read_scripts()]
        for name, file in self._files.items():
            if file.path.name == "meson.build":
                evidence += self._apply(name, read_meson)
            elif file.path.name == "CMakeLists.txt" or file.path.suffix == ".cmake":
                evidence += self._apply(name, read_cmake)
        if not any(item.kind is Kind.MODULE for item in evidence):
            sources = [name for name in self._files if name.endswith(".pyx")]
            evidence += [Evidence(kind=Kind.MODULE, name=name.removesuffix(".pyx"), file=name) for name in sources]
        yield from evidence

    def _read_settings(self) -> Iterator[Evidence]:
        yield from self._apply("pyproject.toml", lambda source: read_pyproject(source, tomllib.loads(source.text)))
        yield from self._apply("PKG-INFO", read_pkg_info)
        yield from self._apply("setup.cfg", read_setup_cfg)

    def _read_scripts(self) -> Iterator[Evidence]:
        scripts = sorted(filter(_is_script, self._files), key=lambda name: name != "setup.py")
        for source in self._open("setup.py"):
            scripts += list_cffi_scripts(source)
        for name in dict.fromkeys(scripts):
            for source in self._open(name):
                # Other scripts in subfolders may use classes that are named like those of setuptools.
                if "/" not in name or "set_source" in source.text:
                    yield from self._apply(name, read_python_script)

    def _apply(self, name: str, read: Callable[[SourceText], Iterable[Evidence]]) -> list[Evidence]:
        for source in self._open(name):
            try:
                return list(read(source))
            except SyntaxError as error:
                line = f":{error.lineno}" if error.lineno else ""
                self.unread.append(f"{name}{line}: {error.msg}")
        return []

    def _open(self, name: str) -> list[SourceText]:
        """Return the text of a file as a list of one; of none if the file does not exist or cannot be read."""
        if name not in self._files:
            return []
        try:
            return [SourceText(name=name, text=read_text(self._files[name].path, _LARGEST_FILE))]
        except (UnusableFile, FileNotFoundError) as error:
            if (note := str(error)) not in self.unread:
                self.unread.append(note)
            return []


def _is_script(name: str) -> bool:
    base = name.rpartition("/")[2]
    return base.endswith(".py") and ((base == name and base.startswith("setup")) or "build" in base or "ffi" in base)


def choose_stable_tag(stable: Evidence, oldest: str) -> str:
    """Return the entry of `python` for a project with the stable ABI, such as `cp311-abi3`."""
    return f"{stable.name or format_tag(oldest)}-abi3"
