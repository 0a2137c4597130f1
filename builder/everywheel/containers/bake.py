"""Baking: a build image with this toolkit and its tools inside, for whoever runs cibuildwheel by himself."""

from __future__ import annotations

import shutil
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from everywheel.containers.catalog import BuildImage
from everywheel.containers.cibuildwheel import write_programs
from everywheel.containers.payload import Payload
from everywheel.containers.runtime import Runtime
from everywheel.errors import UsageError
from everywheel.platforms.target import Arch
from everywheel.store.local import Store

BAKED = ", baked"
"""How the label of baked images ends: they are their maker's, and never out of date."""
_DOCKERFILE = Path("docker") / "Dockerfile"


def bake_image(
    image: BuildImage, base: str, arch: Arch, payload: Payload, runtime: Runtime, store: Store, *, root: Path, tag: str
) -> None:
    """Build `docker/Dockerfile` on a build image; raise MachineError when the runtime cannot."""
    dockerfile = find_dockerfile(root)
    with TemporaryDirectory(dir=store.root / "tmp") as name:
        context = Path(name)
        shutil.copy(dockerfile, context / "Dockerfile")
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(Path(__file__).parents[1], context / "toolkit" / "everywheel", ignore=ignore)
        shutil.copytree(payload.site, context / "site", ignore=ignore)
        _write_version(context / "site")
        shutil.copytree(payload.tools, context / "tools", ignore=ignore)
        write_programs(image, context / "bin")
        runtime.build_image(context, tag, arch, {"BASE": base}, f"{image.name} {arch.name}{BAKED}")


def _write_version(site: Path) -> None:
    """Say which version of the toolkit is inside, as an installed package does: `everywheel --version` asks for it."""
    known = version("everywheel")
    folder = site / f"everywheel-{known}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: everywheel\nVersion: {known}\n")


def find_dockerfile(root: Path) -> Path:
    """Return the project's own docker/Dockerfile, else the toolkit's; raise UsageError where there is neither."""
    places = (root / _DOCKERFILE, Path(__file__).parents[1] / "Dockerfile", Path(__file__).parents[3] / _DOCKERFILE)
    for place in places:
        if place.is_file():
            return place
    raise UsageError(f"{root / _DOCKERFILE}: no such file", hint="copy the toolkit's docker/Dockerfile there")
