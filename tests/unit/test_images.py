"""The catalog of images, its digests, image archives, and the check for emulators."""

from __future__ import annotations

import json
import subprocess
import tarfile
from pathlib import Path

import pytest
from everywheel.containers.bootstrap import bootstrapped_reference
from everywheel.containers.catalog import find_catalog, load_catalog
from everywheel.containers.image_archive import write_image
from everywheel.containers.local_build_image import local_build_image_reference
from everywheel.containers.lock import LockedImage, read_pins, resolve_digests, write_digests
from everywheel.containers.qemu import check_emulation
from everywheel.containers.run_id import RunId
from everywheel.errors import MachineError, UsageError
from everywheel.platforms.architectures import ARCHES
from everywheel.platforms.target import parse_target

ROOT = Path(__file__).parents[2]
SHIPPED = load_catalog(find_catalog(ROOT))

CATALOG = """# a comment
[smoke.old]
libc = "glibc 2.17"
image = "quay.io/pypa/manylinux2014_{arch}"
pinned-by = "manylinux2014"
arches = ["x86_64", "aarch64"]

[smoke.new]  # another comment
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
    path.write_text(CATALOG)
    return path


def test_every_shipped_target_has_an_image_that_can_be_built_from_packages() -> None:
    for tag in ("manylinux2014_x86_64", "manylinux2014_aarch64", "musllinux_1_2_x86_64", "musllinux_1_2_aarch64"):
        images = [image for image in SHIPPED.smoke_images.values() if image.is_claimed_by(parse_target(tag))]

        assert any(image.bootstrap for image in images), tag


def test_the_shipped_images_that_cibuildwheel_pins_are_locked() -> None:
    assert all(image.digests for image in SHIPPED.smoke_images.values() if image.pinned_by)


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
def test_a_wheel_claims_all_systems_with_its_glibc_floor_or_newer(file: Path, tag: str, claims: list[str]) -> None:
    images = load_catalog(file).smoke_images.values()

    assert [image.name for image in images if image.is_claimed_by(parse_target(tag))] == claims


def test_an_image_like_another_differs_only_in_its_processor(file: Path) -> None:
    images = load_catalog(file).smoke_images

    assert images["new-slow"].bootstrap == images["new"].bootstrap
    assert images["new-slow"].cpu == {"x86_64": "Nehalem"}
    references = {bootstrapped_reference(images[name], ARCHES["x86_64"]) for name in ("new", "new-slow")}
    assert len(references) == 1


def test_an_image_with_packages_has_another_reference_and_is_only_selected_by_name(file: Path) -> None:
    file.write_text(CATALOG + '\n[smoke.new-libx]\nlike = "new"\npackages = ["libx1"]\n')
    catalog = load_catalog(file)
    plain, image = catalog.smoke_images["new"], catalog.smoke_images["new-libx"]

    assert "new-libx" not in [image.name for image in catalog.select(())]
    assert [image.name for image in catalog.select(("new-libx",))] == ["new-libx"]
    assert (image.packages, image.reference, image.pinned_reference(ARCHES["x86_64"])) == (("libx1",), "", "")
    assert bootstrapped_reference(image, ARCHES["x86_64"]) != bootstrapped_reference(plain, ARCHES["x86_64"])


def test_digests_are_written_and_the_rest_of_the_file_is_unchanged(file: Path) -> None:
    changed = write_digests(
        file, [LockedImage(image="new", digests={"any": "sha256:12"}), LockedImage(image="old", digests={})]
    )

    assert changed == ("new",)
    lines = file.read_text().splitlines()
    assert [line for line in lines if line not in CATALOG.splitlines()] == ['digest = {any = "sha256:12"}']
    assert len(lines) == len(CATALOG.splitlines()) + 1
    image = load_catalog(file).smoke_images["new"]
    assert image.pinned_reference(ARCHES["x86_64"]) == "docker.io/library/debian:12-slim@sha256:12"


def test_an_unchanged_digest_is_not_written_again(file: Path) -> None:
    locked = [LockedImage(image="new", digests={"any": "sha256:12"})]
    write_digests(file, locked)

    assert write_digests(file, locked) == ()


def test_the_digests_of_pypas_images_are_the_pins_of_cibuildwheel(file: Path) -> None:
    old, new = resolve_digests((load_catalog(file).smoke_images[name] for name in ("old", "new")), None)

    assert old.digests == {arch: read_pins()[arch]["manylinux2014"] for arch in ("x86_64", "aarch64")}
    assert all(digest.startswith("sha256:") for digest in old.digests.values())
    assert new == LockedImage(image="new", digests={}, reason="no container runtime is available")


def test_an_unlocked_image_has_no_reference_to_pull(file: Path) -> None:
    assert load_catalog(file).smoke_images["old"].pinned_reference(ARCHES["x86_64"]) == ""


MUSL = """
[build.musl]
policy = "musllinux_1_2"
bootstrap = { musl = "trixie" }
arches = ["x86_64"]
python = "3.13"
"""
PORTABLE = """
[python.musl]
version = "3.13"
package = "python==1.0"
archive = "*.tar.xz"
sha256.x86_64 = "00"
"""


def test_a_local_image_is_built_again_for_another_portable_interpreter(tmp_path: Path) -> None:
    file, references = tmp_path / "images.toml", set()
    for version in ("1.0", "1.1"):
        file.write_text(MUSL + PORTABLE.replace("1.0", version))
        image = load_catalog(file).build_images["musl"]
        references.add(local_build_image_reference(image, ARCHES["x86_64"]))

    assert len(references) == 2


def test_a_musl_image_without_a_portable_interpreter_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "images.toml").write_text(MUSL)

    with pytest.raises(UsageError) as caught:
        load_catalog(tmp_path / "images.toml")

    assert caught.value.fact.endswith("there is no table [python.musl]")


@pytest.mark.parametrize(
    ("name", "platform"), [("aarch64", ("arm64", None)), ("armv7l", ("arm", "v7")), ("i686", ("386", None))]
)
def test_an_image_archive_has_its_architecture(tmp_path: Path, name: str, platform: tuple[str, str | None]) -> None:
    (tmp_path / "hello").write_text("hello")
    subprocess.run(["tar", "-C", tmp_path, "-cf", tmp_path / "root.tar", "hello"], check=True)
    write_image([tmp_path / "root.tar"], tmp_path / "image.tar", "x/y:z", ARCHES[name], {"a": "b"})

    with tarfile.open(tmp_path / "image.tar") as tar:
        manifest = json.load(tar.extractfile("manifest.json"))[0]  # type: ignore[arg-type]
        config = json.load(tar.extractfile(manifest["Config"]))  # type: ignore[arg-type]
        with tarfile.open(fileobj=tar.extractfile(manifest["Layers"][0])) as layer:
            names = layer.getnames()
    assert (config["architecture"], config.get("variant")) == platform
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
        ({"register": ""}, "no QEMU handler is registered", f"{INSTALL}, then `update-binfmts --enable qemu-riscv64`"),
        (
            {"register": "", "qemu-riscv64": HANDLER.format(state="disabled", flags="POCF")},
            "the QEMU handler is disabled",
            "`echo 1 > {dir}/qemu-riscv64` enables it",
        ),
        (
            {"register": "", "qemu-riscv64": HANDLER.format(state="enabled", flags="OC")},
            "the QEMU handler does not work in containers (it has no flag F)",
            f"{INSTALL} installs one that does",
        ),
    ],
)
def test_a_missing_emulator_is_reported_with_the_command_that_installs_it(
    tmp_path: Path, handlers: dict[str, str], reason: str, hint: str
) -> None:
    for name, text in handlers.items():
        (tmp_path / name).write_text(text)

    with pytest.raises(MachineError) as raised:
        check_emulation(ARCHES["riscv64"], tmp_path)
    assert raised.value.fact == "this machine cannot run programs for riscv64"
    assert raised.value.details == {"reason": reason}
    assert raised.value.hint == hint.format(dir=tmp_path)


def test_a_working_emulator_is_accepted(tmp_path: Path) -> None:
    for name, text in {"register": "", "qemu-riscv64": HANDLER.format(state="enabled", flags="POCF")}.items():
        (tmp_path / name).write_text(text)

    check_emulation(ARCHES["riscv64"], tmp_path)


def test_a_run_is_running_while_its_process_exists() -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    own = RunId.create()
    ended = RunId(machine=own.machine, process=process.pid, token="x")
    other = RunId(machine="other-machine", process=process.pid, token="x")

    assert own.is_running("exited")
    assert not ended.is_running("running")
    assert [other.is_running(status) for status in ("running", "exited")] == [True, False]
