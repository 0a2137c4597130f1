"""images: list, build, lock and prune."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from rich.table import Table

from builder.build import default_jobs
from builder.commands.build import jobs_option, json_option
from builder.commands.printing import print_table
from builder.commands.smoke import runtime_option
from builder.engine.toolbox import ensure_toolbox
from builder.errors import BuildError, MachineError, NothingSelectedError, UsageError
from builder.execute import Outcome, Task, execute
from builder.images.bake import bake_image
from builder.images.bootstrap import bootstrap_image, bootstrapped_reference
from builder.images.catalog import Catalogue, SmokeImage, find_catalogue, load_catalogue
from builder.images.lock import find_pinned, resolve_digests, write_digests
from builder.images.prune import find_leftovers, remove_leftovers
from builder.images.stand_in import make_stand_in, stand_in_target
from builder.jobs import JobPool
from builder.project import load_project
from builder.recipe import suggest
from builder.report import Screen, make_console, show_failures
from builder.runtime import Runtime, find_runtime
from builder.store import Store, default_store
from builder.target import ARCHES, Arch


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

    `locked` ones are pulled by digest; where that fails, or there is no digest, an image is made from packages. What can be
    had in neither way is checked by its symbols alone.

    Example: everywheel images list --json
    """
    catalogue = load_catalogue(find_catalogue(root))
    rows = [_describe(image) for image in catalogue.images.values()]
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    made = _list_made(runtime)
    table = Table(box=None, pad_edge=False)
    for column in ("image", "libc", "architectures", "from a registry", "from packages", "ready"):
        table.add_column(column, no_wrap=True)
    for row, image in zip(rows, catalogue.images.values(), strict=True):
        ready = [
            arch for arch in image.arches if image.bootstrap and bootstrapped_reference(image, ARCHES[arch]) in made
        ]
        table.add_row(
            image.name,
            image.libc_words,
            " ".join(image.arches),
            row["registry"],
            row["packages"],
            " ".join(ready) or "-",
        )
    print_table(table)


def _describe(image: SmokeImage) -> dict[str, str]:
    made = image.bootstrap
    registry = "-" if not image.reference else "locked" if image.digests else "unlocked"
    packages = f"{made.suite} ({'musl' if made.kind == 'musl' else 'Debian'})" if made else "-"
    return {
        "name": image.name, "libc": image.libc_words, "arches": " ".join(image.arches), "image": image.reference,
        "registry": registry, "packages": packages,
    }  # fmt: skip


def _list_made(runtime: str | None) -> set[str]:
    try:
        with find_runtime(runtime) as engine:
            return {made.reference for made in engine.images()}
    except MachineError:
        return set()


@images_group.command("build")
@click.argument("names", nargs=-1)
@click.option("--arch", "arches", multiple=True, metavar="NAME", help="Only for this architecture; may be repeated.")
@click.option("--dry-run", is_flag=True, help="Show what would be made and stop.")
@runtime_option
@jobs_option
@click.pass_obj
def build_command(
    root: Path, names: tuple[str, ...], arches: tuple[str, ...], dry_run: bool, runtime: str | None, jobs: int | None
) -> None:
    """Make images from a distribution's packages, for the architectures of the project's targets.

    `smoke` does so by itself; this is for making them ahead.

    Example: everywheel images build debian-12 --arch aarch64
    """
    catalogue = load_catalogue(find_catalogue(root))
    chosen = _choose(catalogue, names, arches or tuple(t.arch.name for t in load_project(root).targets))
    if dry_run:
        for image, arch in chosen:
            click.echo(f"{image.name} {arch.name}")
        return
    store = Store(default_store())
    console = make_console()
    with find_runtime(runtime) as engine, Screen(console, len(chosen)) as screen, TemporaryDirectory() as folder:
        tasks = [
            Task(
                id=f"{image.name} {arch.name}", label=f"{image.name} {arch.name}", requires=(), priority=0.0,
                work=_make(image, arch, engine, store),
            )
            for image, arch in chosen
        ]  # fmt: skip
        with JobPool(Path(folder) / "jobs", jobs or default_jobs()) as pool:
            results = execute(tasks, pool, screen)
    failed = [result for result in results if result.outcome is Outcome.FAILED]
    if failed:
        show_failures(console, results)
        raise BuildError(f"{len(failed)} of {len(results)} images could not be made", hint="the logs say why")
    click.echo(f"{len(chosen)} images are ready")


def _make(
    image: SmokeImage, arch: Arch, engine: Runtime, store: Store
) -> Callable[[Callable[[str], None]], Outcome | None]:
    def work(tell: Callable[[str], None]) -> None:
        tell("unpack packages")
        bootstrap_image(image, arch, engine, store)

    return work


def _choose(catalogue: Catalogue, names: tuple[str, ...], arches: tuple[str, ...]) -> list[tuple[SmokeImage, Arch]]:
    for arch in arches:
        if arch not in ARCHES:
            raise UsageError(f"there is no architecture '{arch}'", hint=suggest(arch, ARCHES))
    chosen: dict[str, tuple[SmokeImage, Arch]] = {}
    for image in catalogue.choose(names):
        if image.bootstrap is None:
            if names:
                raise UsageError(
                    f"image '{image.name}' cannot be made here",
                    hint=f"it is pulled, once locked: `everywheel images lock {image.name}`",
                )
            continue
        for arch in dict.fromkeys(arches):
            if arch in image.arches:
                chosen.setdefault(bootstrapped_reference(image, ARCHES[arch]), (image, ARCHES[arch]))
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
    catalogue = load_catalogue(find_catalogue(root))
    chosen = [image for image in catalogue.choose(names) if image.reference and not image.cpu]
    if check:
        unlocked = [image.name for image in chosen if not image.digests]
        if unlocked:
            raise UsageError(
                f"{len(unlocked)} of {len(chosen)} images are unlocked", details={"unlocked": ", ".join(unlocked)},
                hint="`everywheel images lock`, where their registries answer",
            )  # fmt: skip
        click.echo(f"all {len(chosen)} images are locked")
        return
    try:
        with find_runtime(runtime) as engine:
            locked = resolve_digests(chosen, engine)
    except MachineError:
        if runtime is not None:
            raise
        locked = resolve_digests(chosen, None)
    changed = () if dry_run else write_digests(catalogue.file, locked)
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(one) for one in locked], indent=1))
        return
    for one in locked:
        words = f"locked by {one.place}" if one.digests else f"unlocked: {one.why}"
        click.echo(f"{one.image}: {words}")
    click.echo(f"{len(changed)} changed in {catalogue.file}" if not dry_run else "nothing was written")


@images_group.command("bake")
@click.argument("name")
@click.option("--arch", "arch_name", default="x86_64", show_default=True, metavar="NAME", help="The architecture.")
@click.option("--tag", help="What to call the result [default: everywheel/NAME:ARCH].")
@runtime_option
@click.pass_obj
def bake_command(root: Path, name: str, arch_name: str, tag: str | None, runtime: str | None) -> None:
    """Make a build image that has this toolkit and its tools inside, for cibuildwheel runs of your own.

    `everywheel build --engine container` does not need it: it mounts the same things.

    Example: everywheel images bake manylinux2014 --arch aarch64 --tag ghcr.io/me/manylinux2014
    """
    catalogue = load_catalogue(find_catalogue(root))
    if name not in catalogue.builds:
        raise UsageError(f"there is no build image '{name}'", hint=suggest(name, catalogue.builds))
    image = catalogue.builds[name]
    if arch_name not in image.arches:
        raise UsageError(f"build image '{name}' is not for '{arch_name}'", hint=suggest(arch_name, image.arches))
    arch, store, project = ARCHES[arch_name], Store(default_store()), load_project(root)
    target = stand_in_target(image, arch)
    reference = tag or f"everywheel/{name}:{arch_name}"
    toolbox = ensure_toolbox(target, image.libc_version, image.python, (), store, offline=False)
    with find_runtime(runtime) as engine:
        if image.bootstrap is not None:
            base = make_stand_in(image, arch, catalogue.pythons[image.libc], project, engine, store, offline=False)
        else:
            base = find_pinned(image, arch)
            engine.pull_image(base, arch)
        bake_image(image, base, arch, toolbox, engine, store, root=root, tag=reference)
    click.echo(f"made {reference}")


@images_group.command("prune")
@click.option("--all", "everything", is_flag=True, help="Also the images that would be made just so again.")
@click.option("--dry-run", is_flag=True, help="Show what would be removed and stop.")
@runtime_option
@click.pass_obj
def prune_command(root: Path, everything: bool, dry_run: bool, runtime: str | None) -> None:
    """Remove images that were made here and are out of date, and what killed runs left. Nobody else's are touched.

    Example: everywheel images prune --dry-run
    """
    catalogue = load_catalogue(find_catalogue(root))
    with find_runtime(runtime) as engine:
        leftovers = find_leftovers(catalogue, engine, everything=everything)
        for one in leftovers:
            click.echo(f"{one.kind} {one.name}" + (f" ({one.size / 1e6:.0f} MB)" if one.size else ""))
        if not dry_run:
            remove_leftovers(leftovers, engine)
    words = "would be removed" if dry_run else "removed"
    click.echo(f"{len(leftovers)} {words}, {sum(one.size for one in leftovers) / 1e6:.0f} MB")


COMMANDS = (images_group,)
