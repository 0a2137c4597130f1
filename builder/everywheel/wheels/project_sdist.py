"""Projects as source distributions: a file, or a name on a package index, unpacked into the store."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion, Version

from everywheel.archives.refusal import ArchiveError, UnsafeArchive
from everywheel.archives.tar_unpacking import unpack_tar
from everywheel.errors import UsageError
from everywheel.execution.files import hash_file
from everywheel.execution.input_files import show_path
from everywheel.sources.package_index import download_sdist
from everywheel.store.local import Store
from everywheel.store.stamped_dir import ensure_stamped_dir
from everywheel.toolchains.pip_settings import list_indexes

_FORMS = "name a folder, a source distribution such as demo-1.0.tar.gz, or a project on the index such as 'demo==1.0'"


def parse_project_name(text: str) -> tuple[str, str]:
    """Return the name and the version (empty for the newest) of `NAME` or `NAME==VERSION`.

    Raises UsageError for a text of another form.
    """
    try:
        requirement = Requirement(text)
        versions = [specifier.version for specifier in requirement.specifier if specifier.operator == "=="]
        if requirement.url or requirement.marker or requirement.extras or len(versions) != len(requirement.specifier):
            raise InvalidRequirement(text)
        return requirement.name, str(Version(versions[0])) if versions else ""
    except (InvalidRequirement, InvalidVersion):
        raise UsageError(f"'{text}': no such folder or file, and not the name of a project", hint=_FORMS) from None


def fetch_named_sdist(name: str, version: str, store: Store, *, offline: bool) -> Path:
    """Return the sdist of a version from the index; with a version, a file that was downloaded before is used.

    Raises SourceError when no index has it, and MachineError when `offline` forbids the download.
    """

    def fill(folder: Path) -> None:
        with TemporaryDirectory(dir=store.root / "tmp") as scratch:
            shutil.move(download_sdist(name, version, list_indexes("download"), Path(scratch)), folder)

    title = f"{name} {version or '(newest version)'}"
    if not version and not offline:
        with TemporaryDirectory(dir=store.root / "tmp") as newest:
            fill(Path(newest))
            (path,) = Path(newest).iterdir()
            version = path.name.removesuffix(".tar.gz").rpartition("-")[2]
    folder = store.root / "tools" / f"index-{name}-{version or 'newest'}"
    (path,) = ensure_stamped_dir(folder, fill, title=title, offline=offline).glob("*.tar.gz")
    return path


def open_sdist(path: Path, store: Store) -> Path:
    """Return the folder with the files of an sdist, in the store; raise UsageError for a file that is not an sdist."""
    if path.suffix == ".whl":
        raise UsageError(
            f"{path.name} is a wheel, not a source distribution", hint="`everywheel repair` repairs a finished wheel"
        )

    def fill(folder: Path) -> None:
        try:
            unpack_tar(path, folder)
        except UnsafeArchive as reason:
            raise _report(path, "is not safe to unpack", str(reason)) from None
        except (ArchiveError, OSError) as reason:
            raise _report(path, "is not a source distribution", str(reason).lower().partition("\n")[0]) from None
        entries = list(folder.iterdir())
        if len(entries) != 1 or not entries[0].is_dir() or entries[0].is_symlink():
            raise _report(path, "is not a source distribution", "it does not have one folder with all files")
        if not (entries[0] / "PKG-INFO").is_file():
            raise _report(path, "is not a source distribution", "it has no PKG-INFO")

    folder = ensure_stamped_dir(store.root / "tools" / f"sdist-{hash_file(path)[:16]}", fill, title=path.name)
    return next(entry for entry in folder.iterdir() if entry.is_dir())


def _report(path: Path, fact: str, reason: str) -> UsageError:
    return UsageError(
        f"{show_path(path)} {fact}",
        details={"reason": reason},
        hint="an sdist is a .tar.gz with one folder that has a PKG-INFO: download a damaged one again, or "
        "unpack an archive of another kind and name its folder",
    )
