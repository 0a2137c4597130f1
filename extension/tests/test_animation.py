"""Encoding of animations: frames, delays and loop count."""

import importlib.util
import struct
import time
from typing import Any

import pytest
import webp
from pictures import write_animated_webp, write_gif, write_png
from webpencode import LimitExceededError, UnreadableImageError, decode, encode, probe

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
FRAMES = [[[(x // 10 + at) % 3 for x in range(60)] for _ in range(40)] for at in range(3)]
GIF = write_gif(FRAMES, [RED, GREEN, BLUE])


def add_loops(gif: bytes, loops: int) -> bytes:
    """Set the number of repetitions of a GIF after the first one (Netscape extension); 0 is infinite."""
    head = 13 + 128 * 3
    return gif[:head] + b"\x21\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<HB", loops, 0) + gif[head:]


def set_delays(gif: bytes, delays: list[int]) -> bytes:
    """Set the delays of the frames of a GIF, in hundredths of a second."""
    parts = gif.split(b"\x21\xf9\x04")
    assert len(parts) == len(delays) + 1
    rest = [struct.pack("<BH", part[0], delay) + part[3:] for delay, part in zip(delays, parts[1:], strict=True)]
    return b"\x21\xf9\x04".join([parts[0], *rest])


def list_frames(out: bytes) -> list[tuple[int, int]]:
    """Return the delay in milliseconds and the length of each frame (RFC 9649, 2.7.1.1)."""
    return [
        (int.from_bytes(body[12:15], "little"), len(body)) for name, body in webp.read_chunks(out) if name == "ANMF"
    ]


def read_loop(out: bytes) -> int:
    return int(struct.unpack("<IH", dict(webp.read_chunks(out))["ANIM"])[1])


def read_canvas(out: bytes) -> tuple[int, int]:
    canvas = dict(webp.read_chunks(out))["VP8X"]
    return int.from_bytes(canvas[4:7], "little") + 1, int.from_bytes(canvas[7:10], "little") + 1


@pytest.mark.parametrize("options", [{}, {"lossless": True}], ids=str)
def test_a_gif_stays_an_animation(options: dict[str, Any]) -> None:
    out = encode(set_delays(GIF, [5, 30, 100]), **options)

    assert [delay for delay, _ in list_frames(out)] == [50, 300, 1000]
    assert read_canvas(out) == (60, 40)
    assert probe(out).pages == 3


def test_frames_without_a_delay_last_a_tenth_of_a_second() -> None:
    assert [delay for delay, _ in list_frames(encode(set_delays(GIF, [0, 1, 2])))] == [100, 100, 20]


def test_an_animation_may_last_for_weeks() -> None:
    # More milliseconds than fit into an int; UBSan would report the overflow.
    frames = [[[at % 2] * 4] * 4 for at in range(3300)]
    gif = set_delays(write_gif(frames, [RED, BLUE]), [65535] * 3300)

    assert {delay for delay, _ in list_frames(encode(gif, effort=0))} == {655350}


@pytest.mark.parametrize(("loops", "times"), [(0, 0), (1, 2), (4, 5)])
def test_the_loop_count_is_kept(loops: int, times: int) -> None:
    assert read_loop(encode(add_loops(GIF, loops))) == times


@pytest.mark.parametrize("loop", [0, 1, 7, 65535])
def test_the_loop_count_can_be_chosen(loop: int) -> None:
    assert read_loop(encode(add_loops(GIF, 3), loop=loop)) == loop


def test_encoding_an_animated_webp_again_keeps_its_frames() -> None:
    first = encode(set_delays(GIF, [5, 30, 100]), lossless=True, loop=6)

    again = encode(first, lossless=True)

    assert list_frames(again) == list_frames(first)
    assert read_loop(again) == 6


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({"width": 30}, (30, 20)),
        ({"width": 20, "height": 20, "fit": "cover"}, (20, 20)),
        ({"width": 20, "height": 20, "fit": "contain"}, (20, 20)),
        ({"width": 120, "upscale": True}, (120, 80)),
    ],
    ids=str,
)
def test_every_frame_is_resized(options: dict[str, Any], size: tuple[int, int]) -> None:
    out = encode(GIF, **options)

    assert read_canvas(out) == size
    assert len(list_frames(out)) == 3


def test_animated_false_encodes_only_the_first_frame() -> None:
    still = encode(GIF, animated=False, lossless=True)

    assert webp.decode_lossless(still) == [[(*(RED, GREEN, BLUE)[at], 255) for at in row] for row in FRAMES[0]]


def test_a_gif_with_one_frame_becomes_a_still_image() -> None:
    assert webp.read_info(encode(write_gif(FRAMES[:1], [RED, GREEN, BLUE]), lossless=True)).chunks == ("VP8L",)


def test_frames_count_against_the_limit() -> None:
    with pytest.raises(LimitExceededError) as caught:
        encode(GIF, max_pixels=3 * 2400 - 1)

    assert str(caught.value) == "the animation has 7200 pixels (60 x 40, 3 frames), and max_pixels is 7199"
    assert encode(GIF, max_pixels=2400, animated=False)


def test_a_truncated_animation_is_an_error() -> None:
    animation = encode(GIF, lossless=True)

    for data in (GIF, animation):
        with pytest.raises(UnreadableImageError):
            encode(data[: len(data) * 2 // 3])


def test_a_gif_without_a_trailer_is_accepted() -> None:
    assert encode(GIF[:-1]) == encode(GIF)


def test_the_target_size_is_for_all_frames_together() -> None:
    noise = [[[(x * x * 7 + y * y * 13 + x * y * at) % 3 for x in range(80)] for y in range(60)] for at in range(4)]
    gif = write_gif(noise, [RED, GREEN, BLUE])

    assert len(encode(gif, target_size=6000)) < 8000 < len(encode(gif))


def test_a_canvas_that_is_too_large_is_rejected_before_frames_are_read() -> None:
    body = b"VP8X" + struct.pack("<II", 10, 2) + (16382).to_bytes(3, "little") * 2
    data = b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body

    with pytest.raises(LimitExceededError, match=r"^the image has 268402689 pixels"):
        encode(data + bytes(8), max_pixels=1000)


def test_a_still_image_ignores_the_loop_count() -> None:
    png = write_png([[(1, 2, 3, 255)]])

    assert encode(png, loop=3) == encode(png)


@pytest.mark.skipif(
    importlib.util.find_spec("webpencode._missing_library") is not None,
    reason="only the bundled libwebp has the patch for this",
)
def test_the_time_for_an_animation_with_many_frames_is_linear() -> None:
    # Libwebp itself searched a list of all frames for each frame: 12 seconds.
    stills = [encode(write_png([[(*color, 255)] * 2] * 2), lossless=True) for color in (RED, BLUE)]
    single = write_animated_webp((2, 2), [(still, 0, 0, 50) for still in stills])
    start = single.index(b"ANMF")
    many = single[:start] + (single[start:] * 32_768)[: 65_535 * (len(single) - start) // 2]
    many = many[:4] + struct.pack("<I", len(many) - 8) + many[8:]
    began = time.process_time()

    assert probe(many).pages == 65_535
    assert decode(many).shape == (2, 2, 3)
    assert time.process_time() - began < 3
