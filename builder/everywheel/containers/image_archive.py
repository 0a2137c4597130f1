"""Image archives: root filesystems packed in the format of `docker save`, which Docker and Podman load.

The format is that of Docker's image specification 1.2. `docker import` is not used: older versions of Docker ignore
its `--platform` and record the architecture of the build machine (https://github.com/moby/moby/issues/42813).
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from everywheel.containers.runtime_images import image_platform
from everywheel.execution.files import hash_file, translate_os_errors
from everywheel.platforms.architectures import Arch
from everywheel.store.local import FIXED_TIME

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def write_image(
    layers: Sequence[Path],
    archive: Path,
    reference: str,
    arch: Arch,
    labels: Mapping[str, str],
    env: Mapping[str, str] = {},
) -> None:
    """Pack tar archives as the layers of an image; the first is a root filesystem, later ones replace and add files."""
    digests = [hash_file(layer) for layer in layers]
    architecture, variant = image_platform(arch)
    config: dict[str, object] = {
        "architecture": architecture,
        "os": "linux",
        "created": "2020-01-01T00:00:00Z",
        "config": {
            "Env": [f"{name}={value}" for name, value in {"PATH": _PATH, **env}.items()],
            "Labels": dict(labels),
            "WorkingDir": "/",
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]},
    }
    if variant:
        config["variant"] = variant
    text = json.dumps(config, sort_keys=True).encode()
    name = f"{hashlib.sha256(text).hexdigest()}.json"
    manifest = [{"Config": name, "RepoTags": [reference], "Layers": [f"{digest}/layer.tar" for digest in digests]}]
    with translate_os_errors(archive), tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as tar:
        _add(tar, name, text)
        _add(tar, "manifest.json", json.dumps(manifest).encode())
        for layer, digest in zip(layers, digests, strict=True):
            with layer.open("rb") as content:
                tar.addfile(_describe(f"{digest}/layer.tar", layer.stat().st_size), content)


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    tar.addfile(_describe(name, len(data)), io.BytesIO(data))


def _describe(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.mode = size, FIXED_TIME, 0o644
    return member
