"""images: list, build, lock and prune."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from rich.table import Table

from everywheel.cli.options import jobs_option, json_option
from everywheel.cli.progress import ProgressDisplay, make_console, show_failures
from everywheel.cli.smoke import runtime_option
from everywheel.cli.tables import print_table
from everywheel.config.project import load_project
from everywheel.config.recipe import suggest
from everywheel.containers.bootstrap import bootstrap_image, bootstrapped_reference
from everywheel.containers.catalog import BuildImage, SmokeImage, find_catalog, load_catalog
from everywheel.containers.local_build_image import (
    local_build_image_reference,
    make_local_build_image,
)
from everywheel.containers.lock import resolve_digests, write_digests
from everywheel.containers.prune import find_prune_candidates, remove_prune_candidates
from everywheel.containers.runtime import Runtime, find_runtime
from everywheel.errors import BuildError, MachineError, NothingSelectedError, UsageError
from everywheel.execution.jobserver import JobPool, default_jobs
from everywheel.execution.scheduler import Outcome, Task, execute
from everywheel.platforms.architectures import ARCHES, Arch
from everywheel.platforms.tags import Floor
from everywheel.store.local import Store, default_store

_Image = SmokeImage | BuildImage


@click.group("images", short_help="The systems that wheels are tried on.")
def images_group() -> None:
    """Work with the images of docker/images.toml.

    Example: everywheel images list
    """


@images_group.command("list")
@runtime_option
@json_option
@click.pass_obj
def list_command(root: Path, runtime: str | None, as_json: bool) -> None:
    """List the images, and where each comes from.

    `locked` ones are pulled by digest; where that fails, or there is no digest, an image is made from packages. So is one that
    has a Python of its own, wherever mmdebstrap is. What can be had in neither way is checked by its symbols alone.

    Example: everywheel images list --json
    """
    catalog = load_catalog(find_catalog(root))
    made = _list_made(runtime)
    smoke = [_describe(image, "smoke", image.libc_label, made) for image in catalog.images.values()]
    build = [_describe(image, "build", _promise(image), made) for image in catalog.builds.values()]
    if as_json:
        click.echo(json.dumps([*smoke, *build], indent=1))
        return
    for rows, column in ((smoke, "libc"), (build, "promises")):
        table = Table(box=None, pad_edge=False)
        for name in (f"{rows[0]['kind']} image", column, "architectures", "from a registry", "from packages", "ready"):
            table.add_column(name, no_wrap=True)
        for row in rows:
            ready = row["ready"] or "-"
            table.add_row(row["name"], row["libc"], row["arches"], row["registry"], row["packages"], ready)
        print_table(table)


def _promise(image: BuildImage) -> str:
    """Return the lowest floor that wheels from an image can promise, as platform tags write it."""
    return str(Floor(libc=image.libc, version=image.libc_version))


def _reference(image: _Image, arch: Arch) -> str:
    return (
        local_build_image_reference(image, arch)
        if isinstance(image, BuildImage)
        else bootstrapped_reference(image, arch)
    )


def _describe(image: _Image, kind: str, libc: str, made: set[str]) -> dict[str, str]:
    bootstrap = image.bootstrap
    pinned = image.digests or (isinstance(image, BuildImage) and image.pinned_by)
    registry = "-" if not image.reference else "locked" if pinned else "unlocked"
    packages = f"{bootstrap.suite} ({'musl' if bootstrap.kind == 'musl' else 'Debian'})" if bootstrap else "-"
    ready = [arch for arch in image.arches if bootstrap and _reference(image, ARCHES[arch]) in made]
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


def _list_made(runtime: str | None) -> set[str]:
    try:
        with find_runtime(runtime) as engine:
            return {made.reference for made in engine.images.list_built()}
    except MachineError:
        if runtime is not None:
            raise
        return set()


@images_group.command("build")
@click.argument("names", nargs=-1)
@click.option("--arch", "arches", multiple=True, metavar="NAME", help="Only for this architecture; may be repeated.")
@click.option("--build-images", is_flag=True, help="Make images to build wheels in, not to try them on.")
@click.option("--dry-run", is_flag=True, help="Show what would be made and stop.")
@runtime_option
@jobs_option
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
    """Make images from a distribution's packages, for the architectures of the project's targets.

    `smoke` and `build --engine container` do so by themselves; this is for making them ahead.

    Example: everywheel images build debian-12 --arch aarch64
    """
    catalog = load_catalog(find_catalog(root))
    project = load_project(root)
    known: Mapping[str, _Image] = catalog.builds if build_images else catalog.images
    chosen = _choose(known, names, arches or tuple(target.arch.name for target in project.targets))
    if dry_run:
        for image, arch in chosen:
            click.echo(f"{image.name} {arch.name}")
        return
    store = Store(default_store())
    console = make_console()

    def make(image: _Image, arch: Arch, engine: Runtime) -> Callable[[Callable[[str], None]], Outcome | None]:
        def work(set_stage: Callable[[str], None]) -> None:
            set_stage("unpack packages")
            if isinstance(image, BuildImage):
                make_local_build_image(
                    image, arch, catalog.pythons[image.libc], project, engine.images, store, offline=False
                )
            else:
                bootstrap_image(image, arch, engine.images, store)

        return work

    with (
        find_runtime(runtime) as engine,
        ProgressDisplay(console, len(chosen)) as screen,
        TemporaryDirectory() as folder,
    ):
        tasks = [
            Task(
                id=f"{image.name} {arch.name}",
                label=f"{image.name} {arch.name}",
                requires=(),
                priority=0.0,
                work=make(image, arch, engine),
            )
            for image, arch in chosen
        ]
        with JobPool(Path(folder) / "jobs", jobs or default_jobs()) as pool:
            results = execute(tasks, pool, screen)
    failed = [result for result in results if result.outcome is Outcome.FAILED]
    if failed:
        show_failures(console, results)
        raise BuildError(f"{len(failed)} of {len(results)} images could not be made", hint="the logs say why")
    click.echo(f"{len(chosen)} images are ready")


def _choose(known: Mapping[str, _Image], names: tuple[str, ...], arches: tuple[str, ...]) -> list[tuple[_Image, Arch]]:
    for arch in arches:
        if arch not in ARCHES:
            raise UsageError(f"there is no architecture '{arch}'", hint=suggest(arch, ARCHES))
    for name in names:
        if name not in known:
            raise UsageError(f"there is no image '{name}'", hint=suggest(name, known))
    chosen: dict[str, tuple[_Image, Arch]] = {}
    for image in (known[name] for name in dict.fromkeys(names or known)):
        if image.bootstrap is None:
            if names:
                raise UsageError(
                    f"image '{image.name}' cannot be made here",
                    hint=f"it is pulled, once locked: `everywheel images lock {image.name}`",
                )
            continue
        for known_arch in (ARCHES[arch] for arch in dict.fromkeys(arches) if arch in image.arches):
            chosen.setdefault(_reference(image, known_arch), (image, known_arch))
    if not chosen:
        raise NothingSelectedError(
            "none of these images is for these architectures",
            hint="`everywheel images list` shows which image is for which",
        )
    return list(chosen.values())


@images_group.command("lock")
@click.argument("names", nargs=-1)
@click.option("--check", is_flag=True, help="Change nothing; fail when an image has no digest.")
@click.option("--dry-run", is_flag=True, help="Show what would be written and stop.")
@runtime_option
@json_option
@click.pass_obj
def lock_command(
    root: Path, names: tuple[str, ...], check: bool, dry_run: bool, runtime: str | None, as_json: bool
) -> None:
    """Find the digests of images and write them into docker/images.toml.

    The PyPA's are those that the installed cibuildwheel pins; others are asked of their registry, through the runtime.

    Example: everywheel images lock debian-12
    """
    catalog = load_catalog(find_catalog(root))
    chosen = [image for image in catalog.select(names) if image.reference and not image.cpu]
    if check:
        unlocked = [image.name for image in chosen if not image.digests]
        if unlocked:
            raise UsageError(
                f"{len(unlocked)} of {len(chosen)} images are unlocked",
                details={"unlocked": ", ".join(unlocked)},
                hint="`everywheel images lock`, where their registries answer",
            )
        click.echo(f"all {len(chosen)} images are locked")
        return
    try:
        with find_runtime(runtime) as engine:
            locked = resolve_digests(chosen, engine.images)
    except MachineError:
        if runtime is not None:
            raise
        locked = resolve_digests(chosen, None)
    changed = () if dry_run else write_digests(catalog.file, locked)
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(one) for one in locked], indent=1))
        return
    for one in locked:
        words = f"locked by {one.origin}" if one.digests else f"unlocked: {one.reason}"
        click.echo(f"{one.image}: {words}")
    click.echo(f"{len(changed)} changed in {catalog.file}" if not dry_run else "nothing was written")


@images_group.command("prune")
@click.option("--all", "everything", is_flag=True, help="Also the images that would be made just so again.")
@click.option("--dry-run", is_flag=True, help="Show what would be removed and stop.")
@runtime_option
@click.pass_obj
def prune_command(root: Path, everything: bool, dry_run: bool, runtime: str | None) -> None:
    """Remove images that were made here and are out of date, and what killed runs left. Nobody else's are touched.

    Example: everywheel images prune --dry-run
    """
    catalog = load_catalog(find_catalog(root))
    with find_runtime(runtime) as engine:
        candidates = find_prune_candidates(catalog, engine, everything=everything)
        for one in candidates:
            click.echo(f"{one.kind} {one.name}" + (f" ({one.size / 1e6:.0f} MB)" if one.size else ""))
        if not dry_run:
            remove_prune_candidates(candidates, engine)
    words = "would be removed" if dry_run else "removed"
    click.echo(f"{len(candidates)} {words}, {sum(one.size for one in candidates) / 1e6:.0f} MB")


COMMANDS = (images_group,)
