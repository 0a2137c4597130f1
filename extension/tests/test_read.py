"""Sources that are paths and files, where results go, and what is said about images without encoding them."""

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
        made = [encode(photo), encode(str(photo)), encode(file), encode(io.BytesIO(PHOTO))]

    assert made == [encode(PHOTO)] * 4


def test_a_path_that_is_not_there_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        encode(tmp_path / "nothing.jpg")

    assert Path(caught.value.filename) == tmp_path / "nothing.jpg"


@pytest.mark.parametrize(
    ("data", "info"),
    [
        (PHOTO, Info("jpeg", *PHOTO_SIZE, 1, False, False, 1)),
        (orient_jpeg(PHOTO, 6), Info("jpeg", *PHOTO_SIZE, 1, False, False, 6)),
        (CMYK, Info("jpeg", *CMYK_SIZE, 1, False, False, 1)),
        (PROGRESSIVE, Info("jpeg", 48, 32, 1, False, True, 1)),
        (PALETTE, Info("png", 48, 32, 1, True, False, 1)),
        (DEEP, Info("png", 24, 16, 1, True, True, 1)),
        (write_png(CLEAR, alpha=True), Info("png", 20, 10, 1, True, False, 1)),
        (write_gif([[[0] * 5] * 4] * 3, [(1, 2, 3)]), Info("gif", 5, 4, 3, False, False, 1)),
        (encode(PHOTO), Info("webp", *PHOTO_SIZE, 1, False, False, 1)),
    ],
    ids=["jpeg", "turned", "cmyk", "progressive", "palette", "deep", "png", "gif", "webp"],
)
def test_a_header_is_read(data: bytes, info: Info) -> None:
    assert probe(data) == info
    assert probe(io.BytesIO(data)) == info


@pytest.mark.parametrize("count", [9_999, 10_000, 12_345])
def test_all_frames_are_counted(count: int) -> None:
    assert probe(write_gif([[[0]]] * count, [(1, 2, 3)])).pages == count


def test_a_header_is_enough_for_a_probe() -> None:
    assert probe(PHOTO[:2000]) == probe(PHOTO)


@pytest.mark.parametrize("read", [probe, decode, encode])
def test_what_cannot_be_read_is_told_apart(read: Any) -> None:
    with pytest.raises(UnsupportedFormatError, match=r"^VipsForeignLoad: buffer is not in a known format$"):
        read(b"no image")
    with pytest.raises(UnreadableImageError, match=r"^the input is empty$"):
        read(b"")
    with pytest.raises(TypeError, match=r"^a bytes-like object is required, not 'int'$"):
        read(5)


def test_pixels_are_decoded_as_they_are() -> None:
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


def test_pixels_are_not_shown_to_who_wants_columns() -> None:
    ctypes = pytest.importorskip("ctypes", exc_type=ImportError)  # a CPython may lack what it is made of
    view = ctypes.create_string_buffer(256)  # room for a Py_buffer
    columns = 0x0040 | 0x0010 | 0x0008  # PyBUF_F_CONTIGUOUS

    with pytest.raises(BufferError, match=r"^the pixels lie in rows, not in columns$"):
        ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(decode(write_png(ROWS))), view, columns)


def test_pixels_outlive_what_they_were_read_from() -> None:
    view = memoryview(decode(bytearray(write_png(ROWS))))

    assert tuple(view.tolist()[0][0]) == ROWS[0][0][:3]


@pytest.mark.parametrize("orientation", [1, 6])
def test_pixels_are_upright_and_fit(orientation: int) -> None:
    width, height = PHOTO_SIZE if orientation == 1 else PHOTO_SIZE[::-1]

    assert decode(orient_jpeg(PHOTO, orientation)).shape == (height, width, 3)
    assert decode(orient_jpeg(PHOTO, orientation), width=60, height=60, fit="cover").shape == (60, 60, 3)


def test_pixels_are_not_made_by_hand() -> None:
    with pytest.raises(TypeError, match="cannot create"):
        webpencode.Pixels()


def test_the_versions_and_formats_are_told() -> None:
    assert set(webpencode.versions()) == {"webpencode", "libvips", "libwebp"}
    assert all(version[0].isdigit() for version in webpencode.versions().values())
    assert {"gif", "jpeg", "png", "webp"} <= set(webpencode.formats())


# encode_to ------------------------------------------------------------------------------------------------------------


def test_a_file_is_written_whole(photo: Path, tmp_path: Path) -> None:
    path = tmp_path / "photo.webp"

    assert encode_to(photo, path) == path.stat().st_size
    assert path.read_bytes() == encode(PHOTO)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["photo.jpg", "photo.webp"]
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask


def test_options_go_with_it(tmp_path: Path) -> None:
    encode_to(PHOTO, str(tmp_path / "small.webp"), width=50, lossless=True)

    info = webp.read_info((tmp_path / "small.webp").read_bytes())
    assert (info.width, info.lossless) == (50, True)


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "photo.webp"
    path.write_bytes(b"old")

    with pytest.raises(UnsupportedFormatError):
        encode_to(b"no image", path)
    with pytest.raises(FileNotFoundError):
        encode_to(PHOTO, tmp_path / "nowhere" / "photo.webp")

    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="to make a link takes a privilege")
def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link.webp").symlink_to("real.webp")

    encode_to(PHOTO, tmp_path / "link.webp")

    assert (tmp_path / "link.webp").is_symlink()
    assert (tmp_path / "real.webp").read_bytes() == encode(PHOTO)


@pytest.mark.skipif(sys.platform == "win32", reason="pipes are no files there")
def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)

    encode_to(write_png(ROWS), tmp_path / "pipe")

    assert os.read(reader, 1 << 16) == encode(write_png(ROWS))
    os.close(reader)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="there is no name for standard output here")
def test_standard_output_that_is_a_pipe_is_written_to(tmp_path: Path) -> None:
    program = "import sys, webpencode; print(webpencode.encode_to(sys.argv[1], '/dev/stdout'), file=sys.stderr)"
    image = tmp_path / "noise.png"
    image.write_bytes(write_png(ROWS))

    done = subprocess.run([sys.executable, "-c", program, image], capture_output=True, timeout=60)

    assert (done.returncode, done.stderr) == (0, b"%d\n" % len(done.stdout))
    assert done.stdout == encode(write_png(ROWS))


class Raw(io.RawIOBase):
    """A file that takes at most a hundred bytes at a time, and so many in all."""

    def __init__(self, room: int) -> None:
        self.data, self._room = b"", room

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int | None:
        part = bytes(data)[: min(100, self._room - len(self.data))]
        self.data += part
        return len(part) or None


def test_a_raw_file_gets_all_of_it() -> None:
    raw = Raw(1 << 20)

    assert encode_to(PHOTO, raw) == len(encode(PHOTO))
    assert raw.data == encode(PHOTO)


def test_a_raw_file_that_would_block_is_an_error() -> None:
    with pytest.raises(BlockingIOError, match=r"^the destination took 150 of \d+ bytes and would block$"):
        encode_to(PHOTO, Raw(150))


def test_a_destination_that_is_none_is_told_before_anything_is_encoded() -> None:
    with pytest.raises(TypeError, match=r"^destination must be a path or a binary file object, not NoneType$"):
        encode_to(b"no image", None)  # type: ignore[arg-type]


def test_a_destination_may_be_a_path_of_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.webp").write_bytes(b"old")
    with os.scandir(os.fsencode(tmp_path)) as entries:
        (entry,) = entries

        encode_to(PHOTO, entry)  # type: ignore[arg-type]

    assert (tmp_path / "a.webp").read_bytes() == encode(PHOTO)


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are others there")
@pytest.mark.parametrize("mode", [0o600, 0o664])
def test_a_new_file_has_the_permissions_of_the_old_one(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "a.webp"
    path.touch()
    path.chmod(mode)

    encode_to(PHOTO, path)

    assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may give files away")
def test_a_new_file_belongs_to_whom_the_old_one_did(tmp_path: Path) -> None:
    path = tmp_path / "a.webp"
    path.touch()
    os.chown(path, 65_533, 65_532)
    path.chmod(0o2640)

    encode_to(PHOTO, path)

    found = path.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (65_533, 65_532, 0o2640)


def test_an_error_names_the_file_that_was_asked_for(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        encode_to(PHOTO, tmp_path / "nowhere" / "a.webp")

    assert caught.value.filename == str(tmp_path / "nowhere" / "a.webp")
    assert caught.value.filename2 is None


def test_a_name_may_be_as_long_as_any(tmp_path: Path) -> None:
    encode_to(PHOTO, tmp_path / ("x" * 250))

    assert (tmp_path / ("x" * 250)).exists()


def test_a_mapped_file_is_read_as_often_as_one_likes(photo: Path) -> None:
    with photo.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert [encode(mapped), encode(mapped)] == [encode(PHOTO)] * 2


def test_a_file_object_is_written_to() -> None:
    file = io.BytesIO()

    assert encode_to(PHOTO, file) == len(file.getvalue())
    assert file.getvalue() == encode(PHOTO)
