"""Command group `images`: list, build, lock and prune container images."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path

import click

from everywheel.cli.options import jobs_option, json_option, runtime_option, verbose_option
from everywheel.cli.output import echo, make_table, print_table
from everywheel.cli.progress import make_console, open_display, show_failures
from everywheel.cli.store_lease import open_store
from everywheel.config.project import load_project
from everywheel.config.suggestions import suggest
from everywheel.containers.bootstrap import bootstrap_image, bootstrapped_reference
from everywheel.containers.catalog import BuildImage, SmokeImage, find_catalog, load_catalog
from everywheel.containers.local_build_image import (
    local_build_image_reference,
    make_local_build_image,
)
from everywheel.containers.lock import resolve_digests, write_digests
from everywheel.containers.prune import find_prune_candidates, remove_prune_candidates
from everywheel.containers.runtime import find_runtime
from everywheel.errors import BuildError, MachineError, NothingSelectedError, UsageError, count_noun
from everywheel.execution.jobserver import default_jobs, open_job_pool
from everywheel.execution.scheduler import LocalExecutor, Outcome, Result, Task, execute
from everywheel.platforms.architectures import ARCHES, Arch
from everywheel.platforms.tags import Floor

_CatalogImage = SmokeImage | BuildImage
_MakeImage = Callable[[_CatalogImage, Arch], object]


@click.group("images", short_help="List, build and lock the images for builds and smoke tests.")
def images_group() -> None:
    """Work with the smoke images and build images of docker/images.toml.

    Example: everywheel images list
    """


@images_group.command("list", short_help="List the images, their sources and architectures.")
@runtime_option
@json_option
@click.pass_obj
def list_command(root: Path, runtime: str | None, as_json: bool) -> None:
    """List the images with their sources and architectures.

    A `locked` image is pulled by digest. An image without a digest, or whose registry does not respond, is built from a
    distribution's packages. If mmdebstrap is installed, an image with its own Python is always built from packages. For an
    image that can be neither pulled nor built, only the symbols of wheels are checked.

    Example: everywheel images list --json
    """
    catalog = load_catalog(find_catalog(root))
    local = _list_local_images(runtime)
    smoke = [_describe_image(image, "smoke", image.libc_label, local) for image in catalog.smoke_images.values()]
    build = [_describe_image(image, "build", _lowest_floor(image), local) for image in catalog.build_images.values()]
    if as_json:
        echo(json.dumps([*smoke, *build], indent=1))
        return
    for kind, rows, column in (("smoke", smoke, "libc"), ("build", build, "lowest floor")):
        table = make_table(f"{kind} image", column, "architectures", "registry", "packages", "ready")
        for row in rows:
            ready = row["ready"] or "-"
            table.add_row(row["name"], row["libc"], row["arches"], row["registry"], row["packages"], ready)
        print_table(table)


def _lowest_floor(image: BuildImage) -> str:
    """Return the lowest libc that wheels from a build image can support, as in platform tags."""
    return str(Floor(libc=image.libc, version=image.libc_version))


def _reference(image: _CatalogImage, arch: Arch) -> str:
    """Return the name, in the container runtime, of an image that is built from packages."""
    if isinstance(image, BuildImage):
        return local_build_image_reference(image, arch)
    return bootstrapped_reference(image, arch)


def _describe_image(image: _CatalogImage, kind: str, libc: str, local_images: Collection[str]) -> dict[str, str]:
    bootstrap = image.bootstrap
    pinned = image.digests or (isinstance(image, BuildImage) and image.pinned_by)
    registry = "-" if not image.reference else "locked" if pinned else "unlocked"
    packages = f"{bootstrap.suite} ({'musl' if bootstrap.kind == 'musl' else 'Debian'})" if bootstrap else "-"
    ready = [arch for arch in image.arches if bootstrap and _reference(image, ARCHES[arch]) in local_images]
    return {
        "name": image.name,
        "kind": kind,
        "libc": libc,
        "arches": " ".join(image.arches),
        "image": image.reference,
        "registry": registry,
        "packages": packages,
        "ready": " ".join(ready),
    }


def _list_local_images(runtime: str | None) -> frozenset[str]:
    """Return the names of the images that this tool has built; empty if no container runtime responds."""
    try:
        with find_runtime(runtime) as client:
            return frozenset(image.reference for image in client.images.list_built())
    except MachineError:
        if runtime is not None:
            raise
        return frozenset()


@images_group.command("build", short_help="Build images from packages of a distribution.")
@click.argument("names", nargs=-1)
@click.option("--arch", "arches", multiple=True, metavar="NAME", help="Only for this architecture; repeatable.")
@click.option("--build-images", is_flag=True, help="Build images for building wheels instead of smoke images.")
@click.option("--dry-run", is_flag=True, help="List the images that would be built, and stop.")
@runtime_option
@jobs_option
@verbose_option
@click.pass_obj
def build_command(
    root: Path,
    names: tuple[str, ...],
    arches: tuple[str, ...],
    build_images: bool,
    dry_run: bool,
    runtime: str | None,
    jobs: int | None,
) -> None:
    """Build images from a distribution's packages, for the architectures of the project's targets.

    `smoke` and `build --engine container` build the images that they need; this command builds them ahead of time.

    Example: everywheel images build debian-12 --arch aarch64
    """
    catalog = load_catalog(find_catalog(root))
    project = load_project(root)
    by_name: Mapping[str, _CatalogImage] = catalog.build_images if build_images else catalog.smoke_images
    chosen = _choose_images(by_name, names, arches or tuple(target.arch.name for target in project.targets))
    if dry_run:
        for image, arch in chosen:
            echo(f"{image.name} {arch.name}")
        return
    store = open_store()
    with find_runtime(runtime) as client:

        def make_image(image: _CatalogImage, arch: Arch) -> object:
            if isinstance(image, BuildImage):
                return make_local_build_image(image, arch, project, client.images, store, offline=False)
            return bootstrap_image(image, arch, client.images, store)

        results = _make_images(chosen, make_image, jobs or default_jobs())
    failed = sum(result.outcome is Outcome.FAILED for result in results)
    if failed:
        raise BuildError(f"{failed} of {len(results)} images could not be built", hint="read the logs named above")
    echo(f"{count_noun(len(chosen), 'image is', 'images are')} ready")


def _make_images(images: Sequence[tuple[_CatalogImage, Arch]], make_image: _MakeImage, jobs: int) -> tuple[Result, ...]:
    """Build images in parallel with progress; print every failure."""

    def work(image: _CatalogImage, arch: Arch, set_stage: Callable[[str], None]) -> None:
        set_stage("unpack packages")
        make_image(image, arch)

    names = [f"{image.name} {arch.name}" for image, arch in images]
    tasks = [
        Task(id=name, label=name, requires=(), priority=0.0, work=partial(work, image, arch))
        for name, (image, arch) in zip(names, images, strict=True)
    ]
    console = make_console()
    with (
        open_display(console, total=len(tasks)) as display,
        open_job_pool(jobs) as pool,
    ):
        results = execute(tasks, LocalExecutor(pool), display)
    show_failures(console, results)
    return results


def _choose_images(
    by_name: Mapping[str, _CatalogImage], names: Sequence[str], arches: Sequence[str]
) -> tuple[tuple[_CatalogImage, Arch], ...]:
    """Return the selected images that can be built from packages, each once for every architecture that it supports."""
    for arch in arches:
        if arch not in ARCHES:
            raise UsageError(f"there is no architecture '{arch}'", hint=suggest(arch, ARCHES))
    for name in names:
        if name not in by_name:
            raise UsageError(f"there is no image '{name}'", hint=suggest(name, by_name))
    chosen: dict[str, tuple[_CatalogImage, Arch]] = {}
    for image in (by_name[name] for name in dict.fromkeys(names or by_name)):
        if image.bootstrap is None:
            if names:
                raise UsageError(
                    f"image '{image.name}' cannot be built from packages",
                    hint=f"it is pulled from a registry once it is locked: `everywheel images lock {image.name}`",
                )
            continue
        for supported_arch in (ARCHES[arch] for arch in dict.fromkeys(arches) if arch in image.arches):
            chosen.setdefault(_reference(image, supported_arch), (image, supported_arch))
    if not chosen:
        raise NothingSelectedError(
            "no selected image supports any selected architecture",
            hint="`everywheel images list` shows the architectures of each image",
        )
    return tuple(chosen.values())


@images_group.command("lock", short_help="Write the images' digests to docker/images.toml.")
@click.argument("names", nargs=-1)
@click.option("--check", is_flag=True, help="Write nothing; fail when an image has no digest.")
@click.option("--dry-run", is_flag=True, help="Show the digests and write nothing.")
@runtime_option
@json_option
@click.pass_obj
def lock_command(
    root: Path, names: tuple[str, ...], check: bool, dry_run: bool, runtime: str | None, as_json: bool
) -> None:
    """Find the digests of images and write them to docker/images.toml.

    PyPA's images get the digests that the installed cibuildwheel pins; registries are queried for all others.

    Example: everywheel images lock debian-12
    """
    catalog = load_catalog(find_catalog(root))
    chosen = [image for image in catalog.select(names) if image.reference and not image.cpu]
    if check:
        _check_locked(chosen)
        return
    try:
        with find_runtime(runtime) as client:
            locked = resolve_digests(chosen, client.images)
    except MachineError:
        if runtime is not None:
            raise
        locked = resolve_digests(chosen, None)
    changed = () if dry_run else write_digests(catalog.file, locked)
    if as_json:
        echo(json.dumps([dataclasses.asdict(image) for image in locked], indent=1))
        return
    for image in locked:
        state = f"locked by {image.origin}" if image.digests else f"unlocked: {image.reason}"
        echo(f"{image.image}: {state}")
    echo("nothing was written" if dry_run else f"{count_noun(len(changed), 'image')} changed in {catalog.file}")


def _check_locked(images: Sequence[SmokeImage]) -> None:
    """Raise UsageError when an image has no digest."""
    unlocked = [image.name for image in images if not image.digests]
    if unlocked:
        raise UsageError(
            f"{len(unlocked)} of {len(images)} images are unlocked",
            details={"unlocked": ", ".join(unlocked)},
            hint="run `everywheel images lock` on a machine that can reach the registries",
        )
    echo(f"all {len(images)} images are locked")


@images_group.command("prune", short_help="Remove outdated images that this tool has built.")
@click.option("--all", "everything", is_flag=True, help="Also remove images that are up to date.")
@click.option("--dry-run", is_flag=True, help="List what would be removed, and stop.")
@runtime_option
@click.pass_obj
def prune_command(root: Path, everything: bool, dry_run: bool, runtime: str | None) -> None:
    """Remove images built by this tool that are out of date, and containers of killed runs; other images are kept.

    Example: everywheel images prune --dry-run
    """
    catalog = load_catalog(find_catalog(root))
    with find_runtime(runtime) as client:
        candidates = find_prune_candidates(catalog, client, everything=everything)
        for candidate in candidates:
            size = f" ({candidate.size / 1e6:.0f} MB)" if candidate.size else ""
            echo(f"{candidate.kind} {candidate.name}{size}")
        if not dry_run:
            remove_prune_candidates(candidates, client)
    total = sum(candidate.size for candidate in candidates) / 1e6
    echo(f"{len(candidates)} {'would be removed' if dry_run else 'removed'}, {total:.0f} MB")


COMMAND = images_group
