"""Source trees: the unpacked and patched archive of a recipe, with its overlay copied over it."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from everywheel.config.recipe import ResolvedRecipe
from everywheel.errors import BuildError, SourceError
from everywheel.execution.files import hash_file
from everywheel.execution.input_files import leads_out
from everywheel.execution.notices import report_notice
from everywheel.libraries.context import BuildContext
from everywheel.planning.steps import LibraryStep
from everywheel.sources.patch import apply_patch
from everywheel.sources.request import PinnedFile, list_source_files
from everywheel.sources.unpack import unpack_archive
from everywheel.store.local import FIXED_TIME, Store


def prepare_source(context: BuildContext, step: LibraryStep, tree: Path) -> None:
    """Unpack the source of a step's recipe into `tree`, apply its patches and copy its overlay over it.

    If `stage_patched_source` has packed a patched source, it is unpacked instead of the archive and the patches.
    Raises SourceError for an archive that cannot be unpacked or a patch that does not apply, and BuildError when the
    overlay does not fit into the source, or when the files of the recipe have changed since the plan was made.
    """
    recipe, staged = step.recipe, _staged_key(step)
    if not context.store.drop_damaged(staged) and context.store.find(staged) is not None:
        context.store.unpack(staged, tree)
    else:
        _unpack(recipe, context.sources, tree)
    _copy_overlay(recipe, tree)
    _check_unchanged(recipe, tree)


def _unpack(recipe: ResolvedRecipe, sources: Mapping[str, Path], tree: Path) -> None:
    """Unpack the archive of a recipe, apply the pinned patches, then the patches in the directory of the recipe.

    A patch in that directory has no pin, so an error about it names another remedy.
    """
    archive, *patches = list_source_files([recipe])
    unpack_archive(archive, sources[archive.sha256], tree)
    for patch in patches:
        apply_patch(patch, sources[patch.sha256], tree)
    for name in recipe.patches:
        file = PinnedFile(label=archive.label, filename=name, sha256=recipe.files[name], patches=archive.sha256)
        try:
            apply_patch(file, recipe.directory / name, tree)
        except SourceError as error:
            error.hint = (
                f"move it out of {recipe.directory / 'patches'}, and make it again in `everywheel shell {recipe.name}` with "
                "`diff -ruN source changed`, where `changed` is a copy of `source`: paths have one leading part (`-p1`)"
            )
            raise


def _staged_key(step: LibraryStep) -> str:
    """Return the key of a step's patched source; the step's own key covers the recipe, its files and the code that patches."""
    return hashlib.sha256(f"patched source of {step.key}".encode()).hexdigest()


def stage_patched_source(store: Store, step: LibraryStep, sources: Mapping[str, Path]) -> None:
    """Unpack and patch the source of a step's recipe, and pack it into the store, unless the store already contains it.

    Build images have neither git nor xz. Raises SourceError for an archive that cannot be unpacked or a patch that does not
    apply.
    """
    key = _staged_key(step)
    if store.drop_damaged(key):
        report_notice(f"{step.label}: its patched source in the store was damaged; patching it again")
    elif store.find(key) is not None:
        store.touch(key)
        return
    with TemporaryDirectory(dir=store.root / "tmp") as folder:
        tree = Path(folder) / "source"
        _unpack(step.recipe, sources, tree)
        store.put_tree(key, tree, name=step.name, version=step.version, target="patched source")


def _copy_overlay(recipe: ResolvedRecipe, tree: Path) -> None:
    """Copy the overlay over a source: exactly the files that the cache key covers, and none of them through a link.

    Raises BuildError when the source has a file for a folder of the overlay, or a folder for a file.
    """
    for name in recipe.overlay:
        destination = tree / name.removeprefix("overlay/")
        if destination.is_symlink():
            destination.unlink()
        if leads_out(destination, tree):
            raise _report_overlay(recipe, name, "a link of the source leads out of it")
        try:
            destination.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(recipe.directory / name, destination)
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise _report_overlay(recipe, name, f"{str(error.strerror).lower()} in the source") from None
        destination.chmod(0o755 if name in recipe.executables else 0o644)


def _report_overlay(recipe: ResolvedRecipe, name: str, reason: str) -> BuildError:
    return BuildError(
        f"{recipe.label}: {name} cannot be copied over the source",
        details={"reason": reason},
        hint="rename the file, or remove what is in its way with a patch",
    )


def _check_unchanged(recipe: ResolvedRecipe, tree: Path) -> None:
    """Raise BuildError when a file of the recipe differs from the one that the cache key was computed from."""
    used = {name: recipe.directory / name for name in recipe.files}
    used |= {name: tree / name.removeprefix("overlay/") for name in recipe.overlay}
    for name, file in used.items():
        if not file.is_file() or hash_file(file) != recipe.files[name]:
            raise BuildError(
                f"{recipe.label}: the recipe was changed while the build ran",
                details={"file": recipe.directory / name},
                hint="run the build again",
            )


def even_times(tree: Path, label: str) -> None:
    """Give all files of a source one time, so that make does not run autoconf and similar programs on files that were patched.

    Raises BuildError when the inputs of autoconf or automake were patched, and none of the files that they generate.
    """
    files = [Path(folder, name) for folder, _, names in os.walk(tree) for name in names]
    changed = [file for file in files if not file.is_symlink() and int(file.stat().st_mtime) != FIXED_TIME]
    inputs = [
        file
        for file in changed
        if file.suffix in (".ac", ".am") or (file.suffix == ".m4" and file.name != "aclocal.m4")
    ]
    if inputs and not any(file.name in ("configure", "Makefile.in", "aclocal.m4") for file in changed):
        raise BuildError(
            f"{label}: patches change the inputs of autoconf, which is not run",
            details={"changed": ", ".join(sorted(file.relative_to(tree).as_posix() for file in inputs))},
            hint="patch `configure` or `Makefile.in` as well, or leave the patch out",
        )
    for file in files:
        os.utime(file, (FIXED_TIME, FIXED_TIME), follow_symlinks=False)
