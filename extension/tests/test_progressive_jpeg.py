"""Progressive JPEGs that are shrunk by 8: scans with details are not decoded, and the pixels are the same."""

from collections.abc import Iterator

import pytest
from pictures import DATA
from webpencode import UnreadableImageError, WebPEncodeError, decode, encode

# Created by jpegtran from a picture of 48 x 32 pixels.
FILES = {
    name: (DATA / f"progressive-{name}.jpg").read_bytes()
    for name in (
        "approximation",  # 4:2:2; the scans of means have one component and add bits in two steps
        "arithmetic",
        "cmyk",
        "gray",
        "partial",  # without the last bit of details of the first component: libjpeg estimates it
        "restarts",  # 4:4:4; a restart marker after three blocks
        "subsampled",  # 4:2:0; means of the first component, and means of 4 x 4 samples of the others
    )
}
RESTARTS = FILES["restarts"]
START_OF_SCAN, TABLES, END = b"\xff\xda", b"\xff\xc4", b"\xff\xd9"


def prevent_shortcut(jpeg: bytes) -> bytes:
    """Insert an unexpected byte between segments, so that libjpeg decodes all scans."""
    return jpeg[:2] + b"\xff\xfe\0\2-" + jpeg[2:]


def read(jpeg: bytes, width: int = 6) -> bytes | type[WebPEncodeError]:
    """Return the pixels of a shrunk JPEG, or the type of the error."""
    try:
        return bytes(decode(jpeg, width=width, filter="area"))
    except WebPEncodeError as error:
        return type(error)


def find_details(jpeg: bytes) -> Iterator[tuple[int, int]]:
    """Return where the segment of each scan with details begins, and where its data end."""
    at = jpeg.find(START_OF_SCAN)
    while at != -1:
        length = int.from_bytes(jpeg[at + 2 : at + 4], "big")
        end = at + 2 + length
        while jpeg[end] != 0xFF or jpeg[end + 1] == 0 or 0xD0 <= jpeg[end + 1] <= 0xD7:
            end += 1
        if jpeg[at + 2 + length - 3] > 0:
            yield at, end
        at = jpeg.find(START_OF_SCAN, end)


def find_tables(jpeg: bytes) -> Iterator[tuple[int, int]]:
    """Return where each segment of Huffman tables for details begins and ends."""
    at = jpeg.find(TABLES)
    while at != -1:
        end = at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
        if jpeg[at + 4] >= 0x10:
            yield at, end
        at = jpeg.find(TABLES, end)


def replace_details(number: int, data: bytes | None = None, *, header: bytes = b"") -> bytes:
    """Replace the data or the header, without component, of a scan with details."""
    at, end = list(find_details(RESTARTS))[number]
    begin = at + 10
    jpeg = RESTARTS[: at + 7] + (header or RESTARTS[at + 7 : begin])
    return jpeg + (RESTARTS[begin:end] if data is None else data) + RESTARTS[end:]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("width", [6, 5, 3, 1])
def test_the_pixels_are_those_of_all_scans(name: str, width: int) -> None:
    pixels = read(FILES[name], width)

    assert isinstance(pixels, bytes)
    assert pixels == read(prevent_shortcut(FILES[name]), width)


def test_the_pixels_are_the_means_of_blocks() -> None:
    whole = decode(FILES["gray"])
    shrunk = decode(FILES["gray"], width=6)

    assert (whole.shape, shrunk.shape) == ((32, 48, 3), (4, 6, 3))
    for y in range(4):
        for x in range(6):
            block = [bytes(whole)[((8 * y + row) * 48 + 8 * x) * 3 :][: 8 * 3 : 3] for row in range(8)]
            assert abs(bytes(shrunk)[(y * 6 + x) * 3] - sum(map(sum, block)) / 64) < 1.5


def test_a_jpeg_is_encoded_without_details() -> None:
    assert encode(RESTARTS, width=6) == encode(prevent_shortcut(RESTARTS), width=6)


def test_missing_details_are_an_error_only_if_they_are_needed() -> None:
    expected = read(RESTARTS)
    restarts = b"".join(bytes((0xFF, 0xD0 + number % 8)) for number in range((6 * 4 - 1) // 3))

    for number in range(len(list(find_details(RESTARTS)))):
        empty = replace_details(number, restarts)
        assert read(empty) == expected
        for width in (48, 24, 12):
            with pytest.raises(UnreadableImageError, match="premature end"):
                decode(empty, width=width)


def test_details_of_subsampled_components_are_needed() -> None:
    jpeg = FILES["subsampled"]
    scans = {jpeg[at + 5]: (at, end) for at, end in find_details(jpeg)}
    assert sorted(scans) == [1, 2, 3]

    for component, (at, end) in scans.items():
        empty = jpeg[: at + 10] + jpeg[end:]
        if component == 1:
            assert read(empty) == read(jpeg)
        else:
            assert read(empty) == UnreadableImageError


@pytest.mark.parametrize(
    "jpeg",
    [
        RESTARTS[: -len(END)],
        RESTARTS[: list(find_details(RESTARTS))[-1][1] - 9],
        RESTARTS[: list(find_details(RESTARTS))[-1][0] + 5],
        replace_details(0, header=bytes((1, 64, 0x02))),
        replace_details(0, header=bytes((5, 1, 0x02))),
        replace_details(-1, header=bytes((1, 63, 0x20))),
        replace_details(0, header=bytes((0, 5, 0x02))),
        RESTARTS.replace(TABLES, b"\xff\xfe"),
    ],
    ids=[
        "no end marker",
        "truncated data",
        "truncated header",
        "coefficient 64",
        "reversed coefficients",
        "two bits at once",
        "means and details",
        "no tables",
    ],
)
def test_damage_of_the_structure_is_an_error(jpeg: bytes) -> None:
    assert read(jpeg) == UnreadableImageError
    assert read(prevent_shortcut(jpeg)) == UnreadableImageError


def test_any_damaged_byte_has_the_same_consequence_except_in_details() -> None:
    data = [{at + 6, *range(at + 10, end)} for at, end in find_details(RESTARTS)]  # with the number of the table
    tables = [{*range(at, end)} for at, end in find_tables(RESTARTS)]
    expected = read(RESTARTS)

    for at in range(4, len(RESTARTS)):  # behind the signature
        byte = RESTARTS[at]
        for value in {byte ^ 1, 0xFF}:
            damaged = RESTARTS[:at] + bytes([value]) + RESTARTS[at + 1 :]
            actual, complete = read(damaged), read(prevent_shortcut(damaged))
            if actual != complete:
                assert at in set().union(*data, *tables), at
                assert (actual, complete) == (expected, UnreadableImageError)
