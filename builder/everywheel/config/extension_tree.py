"""The source files of an extension: which files are copied and built, and the hash that identifies them."""

from __future__ import annotations

import hashlib
from pathlib import Path

from everywheel.config.output_folders import is_output
from everywheel.errors import UsageError
from everywheel.execution.files import hash_file
from everywheel.execution.input_files import ListedFile, UnusableFile, list_files


def extension_files(directory: Path) -> list[ListedFile]:
    """Return all files of the extension except those in output folders, sorted; links are followed.

    Raises UsageError for a file or folder that cannot be used.
    """
    try:
        return list_files(directory, exclude=lambda path: is_output(path, directory))
    except UnusableFile as error:
        raise _report_unusable(error) from None


def _report_unusable(error: object) -> UsageError:
    return UsageError(str(error), hint="correct or remove it: all files of the extension are copied and built")


def digest_tree(directory: Path) -> str:
    """Return one hash over the names, executable bits and contents of the extension's files.

    Raises UsageError for a file or folder that cannot be used.
    """
    total = hashlib.sha256()
    for file in extension_files(directory):
        try:
            digest = hash_file(file.path)
        except OSError as error:
            raise _report_unusable(f"{file.path}: cannot be read: {(error.strerror or str(error)).lower()}") from None
        # No name contains NUL, and the rest of a line has always the same length: different trees differ here.
        total.update(f"{file.name}\0{'x' if file.executable else '-'} {digest}\n".encode())
    return total.hexdigest()
