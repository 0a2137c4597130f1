"""The catalog of images, its digests, and image archives."""

from __future__ import annotations

import json
import subprocess
import tarfile
from pathlib import Path

import pytest
from everywheel.containers.bootstrap import bootstrapped_reference
from everywheel.containers.catalog import find_catalog, load_catalog
from everywheel.containers.image_archive import write_image
from everywheel.containers.lock import LockedImage, read_pins, resolve_digests, write_digests
from everywheel.containers.qemu import check_emulation
from everywheel.errors import MachineError
from everywheel.platforms.architectures import ARCHES
from everywheel.platforms.target import parse_target

ROOT = Path(__file__).parents[2]
SHIPPED = load_catalog(find_catalog(ROOT))

CATALOGUE = """# a comment that stays
[smoke.old]
libc = "glibc 2.17"
image = "quay.io/pypa/manylinux2014_{arch}"
pinned-by = "manylinux2014"
arches = ["x86_64", "aarch64"]

[smoke.new]  # and another
libc = "glibc 2.36"
image = "docker.io/library/debian:12-slim"
bootstrap = { debian = "bookworm", python = "3.11" }
arches = ["x86_64"]

[smoke.new-slow]
like = "new"
cpu = { x86_64 = "Nehalem" }
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "images.toml"
    path.write_text(CATALOGUE)
    return path


def test_every_shipped_target_has_an_image_that_can_be_made_here() -> None:
    for tag in ("manylinux2014_x86_64", "manylinux2014_aarch64", "musllinux_1_2_x86_64", "musllinux_1_2_aarch64"):
        images = [image for image in SHIPPED.images.values() if image.is_claimed_by(parse_target(tag))]

        assert any(image.bootstrap for image in images), tag


def test_the_shipped_images_that_cibuildwheel_pins_are_locked() -> None:
    assert all(image.digests for image in SHIPPED.images.values() if image.pinned_by)


@pytest.mark.parametrize(
    ("tag", "claims"),
    [
        ("manylinux2014_x86_64", ["old", "new", "new-slow"]),
        ("manylinux_2_28_x86_64", ["new", "new-slow"]),
        ("manylinux_2_40_x86_64", []),
        ("manylinux2014_aarch64", ["old"]),
        ("musllinux_1_2_x86_64", []),
    ],
)
def test_a_wheel_claims_the_systems_from_its_floor_on(file: Path, tag: str, claims: list[str]) -> None:
    images = load_catalog(file).images.values()

    assert [image.name for image in images if image.is_claimed_by(parse_target(tag))] == claims


def test_an_image_like_another_differs_in_its_processor_only(file: Path) -> None:
    images = load_catalog(file).images

    assert images["new-slow"].bootstrap == images["new"].bootstrap
    assert images["new-slow"].cpu == {"x86_64": "Nehalem"}
    made = {bootstrapped_reference(images[name], ARCHES["x86_64"]) for name in ("new", "new-slow")}
    assert len(made) == 1


def test_an_image_with_packages_is_made_with_them_and_only_tried_by_name(file: Path) -> None:
    file.write_text(CATALOGUE + '\n[smoke.new-libx]\nlike = "new"\npackages = ["libx1"]\n')
    catalog = load_catalog(file)
    plain, image = catalog.images["new"], catalog.images["new-libx"]

    assert "new-libx" not in [one.name for one in catalog.choose(())]
    assert [one.name for one in catalog.choose(("new-libx",))] == ["new-libx"]
    assert (image.packages, image.reference, image.pinned(ARCHES["x86_64"])) == (("libx1",), "", "")
    assert bootstrapped_reference(image, ARCHES["x86_64"]) != bootstrapped_reference(plain, ARCHES["x86_64"])


def test_digests_go_into_the_file_and_all_else_stays(file: Path) -> None:
    changed = write_digests(
        file, [LockedImage(image="new", digests={"any": "sha256:12"}), LockedImage(image="old", digests={})]
    )

    assert changed == ("new",)
    lines = file.read_text().splitlines()
    assert [line for line in lines if line not in CATALOGUE.splitlines()] == ['digest = {any = "sha256:12"}']
    assert len(lines) == len(CATALOGUE.splitlines()) + 1
    image = load_catalog(file).images["new"]
    assert image.pinned(ARCHES["x86_64"]) == "docker.io/library/debian:12-slim@sha256:12"


def test_an_unchanged_digest_is_not_written_again(file: Path) -> None:
    locked = [LockedImage(image="new", digests={"any": "sha256:12"})]
    write_digests(file, locked)

    assert write_digests(file, locked) == ()


def test_the_pypa_images_digests_are_cibuildwheels_pins(file: Path) -> None:
    old, new = resolve_digests((load_catalog(file).images[name] for name in ("old", "new")), None)

    assert old.digests == {arch: read_pins()[arch]["manylinux2014"] for arch in ("x86_64", "aarch64")}
    assert all(digest.startswith("sha256:") for digest in old.digests.values())
    assert new == LockedImage(image="new", digests={}, reason="no container runtime to ask with")


def test_an_unlocked_image_has_no_reference_to_pull(file: Path) -> None:
    assert load_catalog(file).images["old"].pinned(ARCHES["x86_64"]) == ""


@pytest.mark.parametrize(
    ("name", "said"), [("aarch64", ("arm64", None)), ("armv7l", ("arm", "v7")), ("i686", ("386", None))]
)
def test_an_image_archive_says_its_architecture(tmp_path: Path, name: str, said: tuple[str, str | None]) -> None:
    (tmp_path / "hello").write_text("hello")
    subprocess.run(["tar", "-C", tmp_path, "-cf", tmp_path / "root.tar", "hello"], check=True)
    write_image([tmp_path / "root.tar"], tmp_path / "image.tar", "x/y:z", ARCHES[name], {"a": "b"})

    with tarfile.open(tmp_path / "image.tar") as tar:
        manifest = json.load(tar.extractfile("manifest.json"))[0]  # type: ignore[arg-type]
        config = json.load(tar.extractfile(manifest["Config"]))  # type: ignore[arg-type]
        with tarfile.open(fileobj=tar.extractfile(manifest["Layers"][0])) as layer:
            names = layer.getnames()
    assert (config["architecture"], config.get("variant")) == said
    assert manifest["RepoTags"] == ["x/y:z"]
    assert names == ["hello"]


HANDLER = "{state}\ninterpreter /usr/bin/qemu-riscv64-static\nflags: {flags}\noffset 0\n"
INSTALL = "`apt-get install qemu-user-static binfmt-support`"


@pytest.mark.parametrize(
    ("handlers", "reason", "hint"),
    [
        (
            {},
            "binfmt_misc is not mounted",
            f"`mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc`, then {INSTALL}",
        ),
        ({"register": ""}, "no QEMU handler for it", f"{INSTALL}, then `update-binfmts --enable qemu-riscv64`"),
        (
            {"register": "", "qemu-riscv64": HANDLER.format(state="disabled", flags="POCF")},
            "its QEMU handler is switched off",
            "`echo 1 > {dir}/qemu-riscv64` switches it on",
        ),
        (
            {"register": "", "qemu-riscv64": HANDLER.format(state="enabled", flags="OC")},
            "its QEMU handler is not there inside containers (no F among its flags)",
            f"{INSTALL} brings a static one",
        ),
    ],
)
def test_a_missing_emulator_is_told_with_what_to_type(
    tmp_path: Path, handlers: dict[str, str], reason: str, hint: str
) -> None:
    for name, text in handlers.items():
        (tmp_path / name).write_text(text)

    with pytest.raises(MachineError) as raised:
        check_emulation(ARCHES["riscv64"], tmp_path)
    assert raised.value.fact == "this machine does not run riscv64 programs"
    assert raised.value.details == {"reason": reason}
    assert raised.value.hint == hint.format(dir=tmp_path)


def test_a_working_emulator_is_taken(tmp_path: Path) -> None:
    for name, text in {"register": "", "qemu-riscv64": HANDLER.format(state="enabled", flags="POCF")}.items():
        (tmp_path / name).write_text(text)

    check_emulation(ARCHES["riscv64"], tmp_path)
