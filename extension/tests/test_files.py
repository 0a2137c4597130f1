"""Paths and file objects as sources and destinations; probe() and decode()."""

import io
import mmap
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import webp
import webpencode
from pictures import (
    CMYK,
    CMYK_SIZE,
    DEEP,
    PALETTE,
    PHOTO,
    PHOTO_SIZE,
    PROGRESSIVE,
    draw_gradient,
    draw_noise,
    orient_jpeg,
    write_gif,
    write_png,
)
from webpencode import Info, UnreadableImageError, UnsupportedFormatError, decode, encode, encode_to, probe

ROWS = draw_noise(31, 17)
CLEAR = draw_gradient(20, 10, alpha=True)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    path.write_bytes(PHOTO)
    return path


def test_a_path_and_a_file_object_are_read(photo: Path) -> None:
    with photo.open("rb") as file:
        results = [encode(photo), encode(str(photo)), encode(file), encode(io.BytesIO(PHOTO))]

    assert results == [encode(PHOTO)] * 4


def test_a_missing_file_is_a_file_not_found_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        encode(tmp_path / "nothing.jpg")

    assert Path(caught.value.filename) == tmp_path / "nothing.jpg"


@pytest.mark.parametrize(
    ("data", "info"),
    [
        (PHOTO, Info("jpeg", *PHOTO_SIZE, 1, False, False, 1)),
        (orient_jpeg(PHOTO, 6), Info("jpeg", *PHOTO_SIZE, 1, False, False, 6)),
        (CMYK, Info("jpeg", *CMYK_SIZE, 1, False, False, 1)),
        (PROGRESSIVE, Info("jpeg", 48, 32, 1, False, True, 1, True)),
        (PALETTE, Info("png", 48, 32, 1, True, False, 1)),
        (DEEP, Info("png", 24, 16, 1, True, True, 1, True)),
        (write_png(CLEAR, alpha=True), Info("png", 20, 10, 1, True, False, 1)),
        (write_gif([[[0] * 5] * 4] * 3, [(1, 2, 3)]), Info("gif", 5, 4, 3, False, False, 1)),
        (encode(PHOTO), Info("webp", *PHOTO_SIZE, 1, False, False, 1)),
    ],
    ids=["jpeg", "rotated", "cmyk", "progressive", "palette", "deep", "png", "gif", "webp"],
)
def test_probe_reads_the_header(data: bytes, info: Info) -> None:
    assert probe(data) == info
    assert probe(io.BytesIO(data)) == info


@pytest.mark.parametrize("count", [9_999, 10_000, 12_345])
def test_all_frames_are_counted(count: int) -> None:
    assert probe(write_gif([[[0]]] * count, [(1, 2, 3)])).pages == count


def test_probe_needs_only_the_header() -> None:
    assert probe(PHOTO[:2000]) == probe(PHOTO)


@pytest.mark.parametrize("read", [probe, decode, encode])
def test_unreadable_sources_raise_different_errors(read: Any) -> None:
    with pytest.raises(UnsupportedFormatError, match=r"^VipsForeignLoad: buffer is not in a known format$"):
        read(b"no image")
    with pytest.raises(UnreadableImageError, match=r"^the input is empty$"):
        read(b"")
    with pytest.raises(TypeError, match=r"^a bytes-like object is required, not 'int'$"):
        read(5)


def test_pixels_are_decoded_exactly() -> None:
    pixels = decode(write_png(ROWS))

    assert pixels.shape == (17, 31, 3)
    assert bytes(pixels) == b"".join(bytes(pixel[:3]) for row in ROWS for pixel in row)
    assert repr(pixels) == "<webpencode.Pixels 31 x 17, 3 bands>"
    assert bytes(decode(encode(write_png(ROWS), lossless=True))) == bytes(pixels)


def test_pixels_are_a_buffer_and_an_array() -> None:
    pixels = decode(write_png(CLEAR, alpha=True))
    view = memoryview(pixels)

    assert (view.shape, view.format, view.readonly, view.c_contiguous) == ((10, 20, 4), "B", True, True)
    assert view[3, 2, 3] == CLEAR[3][2][3]
    array = pixels.__array_interface__
    assert (array["shape"], array["typestr"], array["version"]) == ((10, 20, 4), "|u1", 3)
    assert encode(pixels, lossless=True) == encode(write_png(CLEAR, alpha=True), lossless=True)


def test_pixels_are_not_available_in_column_major_order() -> None:
    ctypes = pytest.importorskip("ctypes", exc_type=ImportError)  # CPython can be built without it
    view = ctypes.create_string_buffer(256)  # large enough for a Py_buffer
    columns = 0x0040 | 0x0010 | 0x0008  # PyBUF_F_CONTIGUOUS

    with pytest.raises(BufferError, match=r"^the pixels are only available in row-major \(C\) order$"):
        ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(decode(write_png(ROWS))), view, columns)


def test_pixels_outlive_their_source() -> None:
    view = memoryview(decode(bytearray(write_png(ROWS))))

    assert tuple(view.tolist()[0][0]) == ROWS[0][0][:3]


@pytest.mark.parametrize("orientation", [1, 6])
def test_decode_applies_orientation_and_size(orientation: int) -> None:
    width, height = PHOTO_SIZE if orientation == 1 else PHOTO_SIZE[::-1]

    assert decode(orient_jpeg(PHOTO, orientation)).shape == (height, width, 3)
    assert decode(orient_jpeg(PHOTO, orientation), width=60, height=60, fit="cover").shape == (60, 60, 3)


def test_pixels_cannot_be_instantiated() -> None:
    with pytest.raises(TypeError, match="cannot create"):
        webpencode.Pixels()


def test_versions_and_formats_are_available() -> None:
    assert set(webpencode.versions()) == {"webpencode", "libvips", "libwebp"}
    assert all(version[0].isdigit() for version in webpencode.versions().values())
    assert {"gif", "jpeg", "png", "webp"} <= set(webpencode.formats())


# encode_to ------------------------------------------------------------------------------------------------------------


def test_a_file_is_written_completely(photo: Path, tmp_path: Path) -> None:
    path = tmp_path / "photo.webp"

    assert encode_to(photo, path) == path.stat().st_size
    assert path.read_bytes() == encode(PHOTO)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["photo.jpg", "photo.webp"]
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask


def test_encode_to_accepts_the_options_of_encode(tmp_path: Path) -> None:
    encode_to(PHOTO, str(tmp_path / "small.webp"), width=50, lossless=True)

    info = webp.read_info((tmp_path / "small.webp").read_bytes())
    assert (info.width, info.lossless) == (50, True)


def test_a_failure_does_not_change_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "photo.webp"
    path.write_bytes(b"old")

    with pytest.raises(UnsupportedFormatError):
        encode_to(b"no image", path)
    with pytest.raises(FileNotFoundError):
        encode_to(PHOTO, tmp_path / "nowhere" / "photo.webp")

    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="creating a link requires a privilege")
def test_a_symbolic_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "link.webp").symlink_to("real.webp")

    encode_to(PHOTO, tmp_path / "link.webp")

    assert (tmp_path / "link.webp").is_symlink()
    assert (tmp_path / "real.webp").read_bytes() == encode(PHOTO)


@pytest.mark.skipif(sys.platform == "win32", reason="pipes are not files on Windows")
def test_a_pipe_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)

    encode_to(write_png(ROWS), tmp_path / "pipe")

    assert os.read(reader, 1 << 16) == encode(write_png(ROWS))
    os.close(reader)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="/dev/stdout does not exist")
def test_dev_stdout_can_be_a_pipe(tmp_path: Path) -> None:
    program = "import sys, webpencode; print(webpencode.encode_to(sys.argv[1], '/dev/stdout'), file=sys.stderr)"
    image = tmp_path / "noise.png"
    image.write_bytes(write_png(ROWS))

    done = subprocess.run([sys.executable, "-c", program, image], capture_output=True, timeout=60)

    assert (done.returncode, done.stderr) == (0, b"%d\n" % len(done.stdout))
    assert done.stdout == encode(write_png(ROWS))


class Raw(io.RawIOBase):
    """A raw file that accepts at most a hundred bytes per call, and `capacity` bytes in total."""

    def __init__(self, capacity: int) -> None:
        self.data, self._capacity = b"", capacity

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int | None:
        part = bytes(data)[: min(100, self._capacity - len(self.data))]
        self.data += part
        return len(part) or None


def test_a_raw_file_receives_all_bytes() -> None:
    raw = Raw(1 << 20)

    assert encode_to(PHOTO, raw) == len(encode(PHOTO))
    assert raw.data == encode(PHOTO)


def test_a_raw_file_that_would_block_is_an_error() -> None:
    with pytest.raises(BlockingIOError, match=r"^the destination would block after 150 of \d+ bytes$"):
        encode_to(PHOTO, Raw(150))


def test_an_invalid_destination_is_rejected_before_encoding() -> None:
    with pytest.raises(TypeError, match=r"^destination must be a path or a binary file object, not NoneType$"):
        encode_to(b"no image", None)  # type: ignore[arg-type]


def test_a_destination_may_be_a_bytes_path(tmp_path: Path) -> None:
    (tmp_path / "a.webp").write_bytes(b"old")
    with os.scandir(os.fsencode(tmp_path)) as entries:
        (entry,) = entries

        encode_to(PHOTO, entry)  # type: ignore[arg-type]

    assert (tmp_path / "a.webp").read_bytes() == encode(PHOTO)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
@pytest.mark.parametrize("mode", [0o600, 0o664])
def test_a_new_file_has_the_permissions_of_the_old_one(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "a.webp"
    path.touch()
    path.chmod(mode)

    encode_to(PHOTO, path)

    assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can change the owner")
def test_a_new_file_has_the_owner_of_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "a.webp"
    path.touch()
    os.chown(path, 65_533, 65_532)
    path.chmod(0o2640)

    encode_to(PHOTO, path)

    status = path.stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (65_533, 65_532, 0o2640)


def test_an_error_names_the_requested_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        encode_to(PHOTO, tmp_path / "nowhere" / "a.webp")

    assert caught.value.filename == str(tmp_path / "nowhere" / "a.webp")
    assert caught.value.filename2 is None


def test_a_file_name_may_have_the_maximum_length(tmp_path: Path) -> None:
    encode_to(PHOTO, tmp_path / ("x" * 250))

    assert (tmp_path / ("x" * 250)).exists()


def test_a_memory_mapped_file_can_be_read_repeatedly(photo: Path) -> None:
    with photo.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert [encode(mapped), encode(mapped)] == [encode(PHOTO)] * 2


def test_a_file_object_is_written_to() -> None:
    file = io.BytesIO()

    assert encode_to(PHOTO, file) == len(file.getvalue())
    assert file.getvalue() == encode(PHOTO)
