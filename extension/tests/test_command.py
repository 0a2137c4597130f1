"""The command, as people type it."""

import errno
import inspect
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import webp
from pictures import PHOTO, PHOTO_SIZE, draw_gradient, draw_noise, write_gif, write_png
from webpencode import encode

# Windows starts no Python without it.
SYSTEM = {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}
ENVIRONMENT = {
    **SYSTEM,
    "PYTHONUTF8": "1",
    "PATH": "",
    "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
}


def run(*words: str | Path, cwd: Path, exit_code: int = 0, **environment: str) -> tuple[str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "webpencode", *map(str, words)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        env={**ENVIRONMENT, **environment},
    )
    assert done.returncode == exit_code, done.stdout + done.stderr
    return spell_paths(done.stdout), spell_paths(done.stderr)


def spell_paths(words: str) -> str:
    """Spell Windows' paths as all others are; in JSON their backslashes stand twice."""
    return words.replace("\\\\", "/").replace("\\", "/") if os.sep == "\\" else words


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of images, with a folder in it, and a file that is none."""
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "photo.jpg").write_bytes(PHOTO)
    (tmp_path / "in" / "deep" / "LOUD.PNG").write_bytes(write_png(draw_gradient(30, 20)))
    (tmp_path / "in" / "notes.txt").write_text("no image")
    return tmp_path


def list_files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_folder_becomes_a_folder(photos: Path) -> None:
    output, errors = run("in", "-o", "out", "--width", 90, "-j", 2, cwd=photos)

    assert list_files(photos / "out") == ["deep/LOUD.webp", "photo.webp"]
    assert (photos / "out" / "photo.webp").read_bytes() == encode(PHOTO, width=90)
    assert output == ""
    assert re.fullmatch(
        r"\[1/2\] out/deep/LOUD\.webp: [\d.]+ k?B → [\d.]+ B, −\d+%\n"
        r"\[2/2\] out/photo\.webp: 13\.9 kB → [\d.]+ k?B, −\d+%\n"
        r"2 of 2 images in [\d.]+ s: [\d.]+ kB → [\d.]+ k?B, −\d+%\n",
        errors,
    ), errors


def test_without_a_place_the_result_lies_beside_the_image(photos: Path) -> None:
    run("in/photo.jpg", "-q", cwd=photos)

    assert (photos / "in" / "photo.webp").read_bytes() == encode(PHOTO)


def test_one_image_can_be_given_a_name(photos: Path) -> None:
    run("in/photo.jpg", "-o", "other.webp", cwd=photos)

    assert (photos / "other.webp").exists()


def test_nothing_is_replaced_unless_it_is_said(photos: Path) -> None:
    (photos / "in" / "photo.webp").write_bytes(b"old")

    _, errors = run("in/photo.jpg", "-q", cwd=photos, exit_code=1)
    assert errors == "error: in/photo.jpg: in/photo.webp is there already; --force replaces it\n"
    assert (photos / "in" / "photo.webp").read_bytes() == b"old"

    run("in/photo.jpg", "-q", "--force", cwd=photos)
    assert (photos / "in" / "photo.webp").read_bytes() == encode(PHOTO)


def test_a_bad_image_does_not_stop_the_others(photos: Path) -> None:
    (photos / "in" / "bad.png").write_bytes(b"no image")

    _, errors = run("in", "missing.jpg", "-o", "out", "-q", cwd=photos, exit_code=1)

    assert errors == (
        "error: in/bad.png: VipsForeignLoad: buffer is not in a known format\n"
        "error: missing.jpg: No such file or directory: missing.jpg\n"
    )
    assert list_files(photos / "out") == ["deep/LOUD.webp", "photo.webp"]


AS_NOBODY = """
import os, sys
import webpencode.__main__
# All is imported by it: nobody may look where Python lies.
assert webpencode.__main__.main(["in/photo.jpg", "-o", "before.webp", "-q"]) == 0
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
sys.exit(webpencode.__main__.main(sys.argv[1:]))
"""


@pytest.fixture
def secrets(photos: Path) -> Iterator[Path]:
    """The photos, with a folder that nobody may read, and one that everybody may but whose files nobody may look at."""
    for name in ("secret", "sealed"):
        (photos / "in" / name).mkdir()
        (photos / "in" / name / "photo.png").write_bytes(write_png(draw_gradient(9, 9)))
    (photos / "in" / "secret").chmod(0)
    (photos / "in" / "sealed").chmod(0o444)
    photos.chmod(0o777)
    yield photos
    for name in ("secret", "sealed"):
        (photos / "in" / name).chmod(0o755)


def run_as_nobody(*words: str, cwd: Path, exit_code: int) -> tuple[str, str]:
    """Run the command as somebody whom permissions bind, as they do not bind root."""
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, *words], cwd=cwd, capture_output=True, text=True, timeout=60, env=ENVIRONMENT
    )
    assert done.returncode == exit_code, done.stdout + done.stderr
    return done.stdout, done.stderr


NO_MODES = pytest.mark.skipif(sys.platform == "win32", reason="who may read a folder is told otherwise there")


@NO_MODES
def test_a_folder_that_cannot_be_searched_is_named_and_does_not_stop_the_others(secrets: Path) -> None:
    _, errors = run_as_nobody("in", "in/secret", "-o", "out", cwd=secrets, exit_code=1)

    assert list_files(secrets / "out") == ["deep/LOUD.webp", "photo.webp"]
    lines = errors.splitlines()
    assert lines[0] == "error: in/secret: Permission denied: in/secret"
    assert [line for line in lines if line.startswith("error: ")][1:] == [
        "error: in/sealed/photo.png: Permission denied: in/sealed/photo.png"
    ]
    assert re.fullmatch(r"2 of 3 images in [\d.]+ s: .*%; folders not searched: 1", lines[-1]), errors


@NO_MODES
@pytest.mark.parametrize("options", [["-q"], ["-n"]], ids=str)
def test_a_folder_that_cannot_be_searched_is_no_folder_without_images(secrets: Path, options: list[str]) -> None:
    output, errors = run_as_nobody("in/secret", *options, cwd=secrets, exit_code=1)

    assert (output, errors) == ("", "error: in/secret: Permission denied: in/secret\n")


@NO_MODES
def test_a_machine_is_told_of_a_folder_that_cannot_be_searched(secrets: Path) -> None:
    output, _ = run_as_nobody("in", "-o", "out", "--json", cwd=secrets, exit_code=1)

    lines = [json.loads(line) for line in output.splitlines()]
    assert lines[0] == {"source": "in/secret", "destination": None, "error": "Permission denied: in/secret"}
    assert [line["source"] for line in lines[1:]] == ["in/deep/LOUD.PNG", "in/photo.jpg", "in/sealed/photo.png"]


@pytest.mark.skipif(sys.platform == "win32", reason="to make a link takes a privilege")
def test_a_link_to_itself_is_an_error_and_a_link_to_nothing_is_no_image(photos: Path) -> None:
    (photos / "in" / "loop.jpg").symlink_to("loop.jpg")
    (photos / "in" / ".#photo.jpg").symlink_to("somebody@somewhere")  # as Emacs locks a file
    words = os.strerror(errno.ELOOP)

    _, errors = run("in", "-o", "out", "-q", cwd=photos, exit_code=1)
    assert errors == f"error: in/loop.jpg: {words}: in/loop.jpg\n"

    _, errors = run("in/deep", "-o", "in/loop.jpg", "-q", cwd=photos, exit_code=1)
    assert errors == f"error: in/deep/LOUD.PNG: {os.strerror(errno.ENOTDIR)}: in/loop.jpg\n"


def test_a_folder_can_be_encoded_again(photos: Path) -> None:
    run("in", "-q", cwd=photos)
    (photos / "in" / "photo.webp").write_bytes(b"old")

    _, errors = run("in", "-q", cwd=photos, exit_code=1)
    assert errors == (
        "error: in/deep/LOUD.PNG: in/deep/LOUD.webp is there already; --force replaces it\n"
        "error: in/photo.jpg: in/photo.webp is there already; --force replaces it\n"
    )

    run("in", "-q", "--force", cwd=photos)
    assert (photos / "in" / "photo.webp").read_bytes() == encode(PHOTO)


def test_results_inside_the_folder_are_no_images_to_be_encoded(photos: Path) -> None:
    for _ in range(2):
        run(".", "-o", "in/out", "-q", "--force", cwd=photos)

    assert list_files(photos / "in" / "out") == ["in/deep/LOUD.webp", "in/photo.webp"]


def test_a_folder_with_results_in_it_can_be_encoded_elsewhere(photos: Path) -> None:
    (photos / "in" / "other.webp").write_bytes(encode(PHOTO, quality=90))
    run("in", "-q", "--force", cwd=photos)
    (photos / "in" / "photo.webp").write_bytes(b"no image")

    _, errors = run("in", "in/photo.webp", "-o", "out", cwd=photos)

    assert list_files(photos / "out") == ["deep/LOUD.webp", "other.webp", "photo.webp"]
    assert (photos / "out" / "photo.webp").read_bytes() == encode(PHOTO)
    assert re.fullmatch(r"3 of 3 images in .*; left out as earlier results: 2", errors.splitlines()[-1])


def test_the_same_image_twice_is_one(photos: Path) -> None:
    _, errors = run("in/photo.jpg", "in/../in/photo.jpg", cwd=photos)

    assert errors.startswith("[1/1] in/photo.webp: ")


@pytest.mark.skipif(sys.platform == "win32", reason="to make a link takes a privilege")
def test_nothing_is_replaced_that_was_written_meanwhile(photos: Path) -> None:
    (photos / "link").symlink_to("in/deep")

    _, errors = run("in/deep", "link", "-q", cwd=photos, exit_code=1)

    assert errors == "error: link/LOUD.PNG: link/LOUD.webp is there already; --force replaces it\n"


def test_a_file_where_a_folder_should_be_is_named(photos: Path) -> None:
    (photos / "out").mkdir()
    (photos / "out" / "deep").touch()

    _, errors = run("in", "-o", "out", "-q", cwd=photos, exit_code=1)

    assert errors == f"error: in/deep/LOUD.PNG: {os.strerror(errno.ENOTDIR)}: out/deep\n"


def test_names_that_the_output_cannot_spell_are_spelled_otherwise(photos: Path) -> None:
    output, _ = run("in/photo.jpg", "-n", cwd=photos, PYTHONUTF8="0", PYTHONIOENCODING="ascii")

    assert output in ("in/photo.jpg \\u2192 in/photo.webp\n", "in/photo.jpg /u2192 in/photo.webp\n")


@pytest.mark.skipif(sys.platform == "win32", reason="a pipe that nobody reads is told otherwise there")
def test_output_that_nobody_reads_is_no_crash(photos: Path) -> None:
    read, write = os.pipe()
    os.close(read)

    done = subprocess.run(
        [sys.executable, "-m", "webpencode", "in", "-n"],
        cwd=photos,
        stdout=write,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
        timeout=60,
    )
    os.close(write)

    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.skipif(sys.platform == "win32", reason="a folder that is in use stays there")
def test_a_folder_that_is_gone_is_named(photos: Path) -> None:
    script = f'mkdir gone && cd gone && rmdir "$PWD" && "$0" -m webpencode {photos}/in/photo.jpg'

    def run_there(words: str) -> tuple[int, str]:
        done = subprocess.run(
            ["/bin/sh", "-c", f"{script} {words}", sys.executable],
            cwd=photos,
            capture_output=True,
            env={**ENVIRONMENT, "PATH": "/usr/bin:/bin"},
            text=True,
            timeout=60,
        )
        return done.returncode, done.stderr

    code, errors = run_there("-o out.webp")
    assert code == 2
    assert errors.endswith(
        "error: the folder that this runs in is not there any more: name images and --output by whole paths\n"
    )
    assert run_there("-q") == (0, "")


@pytest.mark.skipif(sys.platform == "win32", reason="the shell's redirections")
@pytest.mark.parametrize(
    ("words", "exit_code", "output"),
    [
        (">&-", 0, r"\[1/1\] in/photo\.webp: [^\n]+\n1 of 1 images in [^\n]+\n"),
        ("--json >&-", 0, ""),
        ("2>&-", 0, ""),
        ("--json 2>&-", 0, r'\{"source": "in/photo\.jpg", [^\n]+\}\n'),
        ("<&- >&- 2>&-", 0, ""),
        ("--json >/dev/full", 1, f"error: the output cannot be printed: {os.strerror(errno.ENOSPC)}\n"),
        ("2>/dev/full", 1, ""),
        ("--json >/dev/full 2>&1", 1, ""),
    ],
)
def test_closed_and_full_streams_cost_no_image(photos: Path, words: str, exit_code: int, output: str) -> None:
    if "/dev/full" in words and not Path("/dev/full").exists():
        pytest.skip("this system has no device that is always full")

    done = subprocess.run(
        ["/bin/sh", "-c", f'"$0" -m webpencode in/photo.jpg {words}', sys.executable],
        cwd=photos,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=ENVIRONMENT,
        text=True,
        timeout=60,
    )

    assert done.returncode == exit_code
    assert re.fullmatch(output, done.stdout)
    assert (photos / "in" / "photo.webp").read_bytes() == encode(PHOTO)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no signal to send")
def test_an_interrupt_is_obeyed_while_an_image_is_encoded(photos: Path) -> None:
    (photos / "line.png").write_bytes(write_png(draw_gradient(300, 1)))
    (photos / "noise.png").write_bytes(write_png(draw_noise(300, 300)))
    words = ["line.png", "noise.png", "-o", "out", "-j", "1", "-W", "3600", "--upscale", "--lossless", "--effort", "6"]
    with subprocess.Popen(
        [sys.executable, "-m", "webpencode", *words], cwd=photos, stderr=subprocess.PIPE, env=ENVIRONMENT, text=True
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("[1/2] ")
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        said = process.stderr.read()
        taken = time.monotonic() - began

    assert (process.returncode, said) == (130, "interrupted: 1 of 2 images are done\n")
    assert taken < 5
    assert list_files(photos / "out") == ["line.webp"]


def test_a_dry_run_writes_nothing(photos: Path) -> None:
    output, errors = run("in", "-o", "out", "-n", cwd=photos)

    assert output == "in/deep/LOUD.PNG → out/deep/LOUD.webp\nin/photo.jpg → out/photo.webp\n"
    assert errors == ""
    assert not (photos / "out").exists()


def test_a_dry_run_tells_what_is_there_already(photos: Path) -> None:
    (photos / "in" / "photo.webp").write_bytes(b"old")

    output, errors = run("in", "-n", cwd=photos, exit_code=1)

    assert output == "in/deep/LOUD.PNG → in/deep/LOUD.webp\n"
    assert errors == "error: in/photo.jpg: in/photo.webp is there already; --force replaces it\n"

    output, errors = run("in", "-n", "-f", cwd=photos)

    assert output == "in/deep/LOUD.PNG → in/deep/LOUD.webp\nin/photo.jpg → in/photo.webp\n"
    assert errors == ""


def test_a_dry_run_can_be_read_by_a_machine(photos: Path) -> None:
    (photos / "in" / "photo.webp").write_bytes(b"old")

    output, _ = run("in", "-n", "--json", cwd=photos, exit_code=1)

    assert [json.loads(line) for line in output.splitlines()] == [
        {"source": "in/deep/LOUD.PNG", "destination": "in/deep/LOUD.webp"},
        {
            "source": "in/photo.jpg",
            "destination": "in/photo.webp",
            "error": "in/photo.webp is there already; --force replaces it",
        },
    ]


def test_results_can_be_read_by_a_machine(photos: Path) -> None:
    (photos / "in" / "a.png").write_bytes(b"no image")

    output, _ = run("in/a.png", "in/photo.jpg", "-o", "out", "--json", cwd=photos, exit_code=1)

    assert [json.loads(line) for line in output.splitlines()] == [
        {
            "source": "in/a.png",
            "destination": "out/a.webp",
            "error": "VipsForeignLoad: buffer is not in a known format",
        },
        {
            "source": "in/photo.jpg",
            "destination": "out/photo.webp",
            "bytes_before": len(PHOTO),
            "bytes_after": len(encode(PHOTO)),
        },
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "no image is named"),
        (["in", "-Q", "101"], "quality must be from 0 to 100, not 101"),
        (["in", "-W", "0"], "width must be from 1 to 10000000, not 0"),
        (["in", "-j", "0"], "--jobs must be at least 1, not 0"),
        (["in", "--background", "red"], "--background must be six hexadecimal digits, such as ffffff, not 'red'"),
        (["in/deep/empty"], "no image is in what was named"),
        (["in", "-o", "out.webp"], "--output out.webp names one file, and there are 2 images"),
        (["in/photo.jpg", "-o", "in/notes.txt"], "--output in/notes.txt is no folder"),
        (["in", "--keep", "iptc"], "keep must be of 'icc', 'exif' and 'xmp', not 'iptc'"),
        (["in", "--keep", "icc", "--strip"], "--strip leaves out all that --keep names: give one of them"),
        (
            ["in", "--target-size", "9", "--lossless"],
            "target_size has no meaning with lossless or near_lossless",
        ),
        (["in", "--threads", "0"], "threads must be from 1 to 1024, not 0"),
        (
            ["in/photo.jpg", "in/photo.png", "-o", "out"],
            "in/photo.jpg and in/photo.png would both become out/photo.webp",
        ),
    ],
    ids=str,
)
def test_a_command_that_makes_no_sense_is_told_so(photos: Path, words: list[str], message: str) -> None:
    (photos / "in" / "deep" / "empty").mkdir()

    _, errors = run(*words, cwd=photos, exit_code=2)

    assert errors.endswith(f"webpencode: error: {message}\n")


def test_every_option_reaches_the_encoder(tmp_path: Path) -> None:
    (tmp_path / "a.gif").write_bytes(write_gif([[[0] * 40] * 30, [[1] * 40] * 30], [(9, 9, 9), (200, 9, 9)]))
    words = (
        "-W 20 -H 20 --fit cover --upscale -Q 50 --lossless --near-lossless 60 --effort 2 --alpha-quality 50 --preset icon "
        "--sharp-yuv --strip --no-autorotate --background #ff00ff --still --loop 3 --max-pixels 99999"
    )

    run("a.gif", *words.split(), cwd=tmp_path)

    assert (tmp_path / "a.webp").read_bytes() == encode(
        tmp_path / "a.gif",
        width=20,
        height=20,
        fit="cover",
        upscale=True,
        quality=50,
        lossless=True,
        near_lossless=60,
        effort=2,
        alpha_quality=50,
        preset="icon",
        sharp_yuv=True,
        keep=(),
        autorotate=False,
        background=(255, 0, 255),
        animated=False,
        loop=3,
        max_pixels=99999,
    )


def test_a_size_can_be_asked_for(photos: Path) -> None:
    run("in/photo.jpg", "--target-size", 5000, cwd=photos)

    assert (photos / "in" / "photo.webp").read_bytes() == encode(PHOTO, target_size=5000)


def test_what_of_the_metadata_is_kept_can_be_listed(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(write_png(draw_gradient(30, 20), xmp=b"<x/>"))

    for keep, chunks in {"exif,xmp": ("VP8X", "VP8 ", "XMP "), "icc": ("VP8 ",)}.items():
        run("a.png", "--force", "--keep", keep, cwd=tmp_path)
        assert webp.read_info((tmp_path / "a.webp").read_bytes()).chunks == chunks


def test_options_are_tried_on_no_image(photos: Path) -> None:
    # WebP's largest picture takes more than the minute that a command is given here.
    box = ["-W", "16383", "-H", "16383", "--fit", "contain", "--effort", "6", "--target-size", "100"]

    run("in", "-n", *box, cwd=photos)


def test_every_option_of_encode_is_one_of_the_command(tmp_path: Path) -> None:
    output, _ = run("--help", cwd=tmp_path)
    others = {"animated": "still", "autorotate": "no-autorotate"}

    for name in list(inspect.signature(encode).parameters)[1:]:
        assert f"--{others.get(name, name).replace('_', '-')}" in output


def test_help_has_an_example_and_the_exit_codes(tmp_path: Path) -> None:
    output, _ = run("--help", cwd=tmp_path)

    assert "example: webpencode photo.jpg holidays/ -o out/ --width 800 -j 4" in output
    assert "exit codes: 0 everything was encoded" in output


def test_the_size_is_what_was_asked_for(photos: Path) -> None:
    run("in/photo.jpg", "-W", 180, cwd=photos)

    info = webp.read_info((photos / "in" / "photo.webp").read_bytes())
    assert (info.width, info.height) == (180, PHOTO_SIZE[1] // 2)
