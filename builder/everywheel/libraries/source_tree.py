"""Source trees: the unpacked and patched archive of a recipe, with its overlay copied over it."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from everywheel.config.recipe import ResolvedRecipe
from everywheel.errors import BuildError
from everywheel.execution.cancellation import until_canceled
from everywheel.execution.files import hash_file
from everywheel.libraries.context import BuildContext
from everywheel.sources.patch import apply_patch
from everywheel.sources.request import PinnedFile, list_source_files
from everywheel.sources.unpack import unpack_archive
from everywheel.store.local import Store, pack_tree


def prepare_source(context: BuildContext, recipe: ResolvedRecipe, tree: Path) -> None:
    """Unpack a recipe's source into `tree`, apply its patches and copy its overlay over it.

    If `stage_patched_source` has packed a patched source, it is unpacked instead of the archive and the patches.
    Raises SourceError for an archive that cannot be unpacked or a patch that does not apply, and BuildError when the
    files of the recipe have changed since the plan was made.
    """
    staged = staged_source(context.store, recipe)
    if staged.exists():
        with tarfile.open(staged) as archive:
            archive.extractall(tree, until_canceled(archive))  # packed by `stage_patched_source`, from verified bytes
    else:
        _unpack(recipe, context.sources, tree)
    if recipe.overlay is not None:
        shutil.copytree(recipe.overlay, tree, dirs_exist_ok=True)
    _check_unchanged(recipe, tree)


def _unpack(recipe: ResolvedRecipe, sources: Mapping[str, Path], tree: Path) -> None:
    """Unpack the archive of a recipe, apply the pinned patches, then the patches in the directory of the recipe."""
    archive, *patches = list_source_files([recipe])
    unpack_archive(archive, sources[archive.sha256], tree)
    for patch in patches:
        apply_patch(patch, sources[patch.sha256], tree)
    for name in recipe.patches:
        file = PinnedFile(label=archive.label, filename=name, sha256=recipe.files[name], patches=archive.sha256)
        apply_patch(file, recipe.directory / name, tree)


def staged_source(store: Store, recipe: ResolvedRecipe) -> Path:
    """Return the path of a recipe's patched source in the store, for build images that have neither git nor xz."""
    hashes = [*(file.sha256 for file in list_source_files([recipe])), *(recipe.files[name] for name in recipe.patches)]
    return store.root / "patched" / f"{recipe.name}-{hashlib.sha256(''.join(hashes).encode()).hexdigest()[:16]}.tar.gz"


def stage_patched_source(store: Store, recipe: ResolvedRecipe, sources: Mapping[str, Path]) -> None:
    """Unpack and patch a recipe's source, and pack the result into the store, unless the store already contains it.

    Raises SourceError for an archive that cannot be unpacked or a patch that does not apply.
    """
    final = staged_source(store, recipe)
    if final.exists():
        return
    final.parent.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=store.root / "tmp") as folder:
        tree, packed = Path(folder) / "source", Path(folder) / "packed"
        _unpack(recipe, sources, tree)
        pack_tree(tree, packed, level=1)
        packed.replace(final)


def _check_unchanged(recipe: ResolvedRecipe, tree: Path) -> None:
    """Raise BuildError when the overlay or a patch differs from the files that the cache key was computed from."""
    used = {name: tree / name.removeprefix("overlay/") for name in recipe.files if name.startswith("overlay/")}
    used |= {name: recipe.directory / name for name in recipe.patches}
    for name, file in used.items():
        if not file.is_file() or hash_file(file) != recipe.files[name]:
            raise BuildError(
                f"{recipe.label}: the recipe was changed while the build ran",
                details={"file": recipe.directory / name},
                hint="run the build again",
            )
