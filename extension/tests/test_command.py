"""The command `webpencode`, run as a subprocess."""

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

# Python does not start on Windows without it.
SYSTEM = {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}
ENVIRONMENT = {
    **SYSTEM,
    "PYTHONUTF8": "1",
    "PATH": "",
    "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
}


def run(*args: str | Path, cwd: Path, exit_code: int = 0, **environment: str) -> tuple[str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "webpencode", *map(str, args)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        env={**ENVIRONMENT, **environment},
    )
    assert done.returncode == exit_code, done.stdout + done.stderr
    return normalize_paths(done.stdout), normalize_paths(done.stderr)


def normalize_paths(output: str) -> str:
    """Replace backslashes in Windows paths by slashes; in JSON they are doubled."""
    return output.replace("\\\\", "/").replace("\\", "/") if os.sep == "\\" else output


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Create a directory with images, a subdirectory and a file that is not an image."""
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "photo.jpg").write_bytes(PHOTO)
    (tmp_path / "in" / "deep" / "LOUD.PNG").write_bytes(write_png(draw_gradient(30, 20)))
    (tmp_path / "in" / "notes.txt").write_text("no image")
    return tmp_path


def list_files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_directory_is_encoded_to_a_directory(photos: Path) -> None:
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


def test_without_output_the_result_is_in_the_directory_of_the_image(photos: Path) -> None:
    run("in/photo.jpg", "-q", cwd=photos)

    assert (photos / "in" / "photo.webp").read_bytes() == encode(PHOTO)


def test_output_is_a_file_for_a_single_image(photos: Path) -> None:
    run("in/photo.jpg", "-o", "other.webp", cwd=photos)
    run("in/photo.jpg", "-o", "new/other", cwd=photos)  # without a suffix
    run("in/deep", "-o", "deep.webp", cwd=photos)  # the only image of a directory

    assert list_files(photos)[:2] == ["deep.webp", "in/deep/LOUD.PNG"]
    assert (photos / "other.webp").read_bytes() == (photos / "new" / "other").read_bytes() == encode(PHOTO)


def test_output_is_a_directory_if_it_exists_or_ends_with_a_slash_or_for_several_paths(photos: Path) -> None:
    (photos / "there").mkdir()
    run("in/photo.jpg", "-o", "there", cwd=photos)
    run("in/photo.jpg", "-o", "slash/", cwd=photos)
    run("in/deep", "-o", "folder", cwd=photos)
    run("in/photo.jpg", "in/photo.jpg", "-o", "several", cwd=photos)

    names = [name for name in list_files(photos) if not name.startswith("in/")]
    assert names == ["folder/LOUD.webp", "several/photo.webp", "slash/photo.webp", "there/photo.webp"]


# Standard input and output ---------------------------------------------------------------------------------------------


def run_filter(*args: str | Path, cwd: Path, data: bytes = PHOTO, exit_code: int = 0) -> tuple[bytes, str]:
    """Run the command with standard input; return standard output and standard error."""
    command = [sys.executable, "-m", "webpencode", *map(str, args)]
    done = subprocess.run(command, cwd=cwd, input=data, capture_output=True, timeout=60, env=ENVIRONMENT)
    assert done.returncode == exit_code, done.stderr
    return done.stdout, normalize_paths(done.stderr.decode()).replace("\r\n", "\n")


@pytest.mark.parametrize("args", [["-"], ["-", "-o", "-"], ["in/photo.jpg", "-o", "-"], ["-", "-f"]], ids=str)
def test_an_image_is_written_to_standard_output(photos: Path, args: list[str]) -> None:
    assert run_filter(*args, "-W", 90, cwd=photos) == (encode(PHOTO, width=90), "")
    assert list_files(photos / "in") == ["deep/LOUD.PNG", "notes.txt", "photo.jpg"]


def test_standard_input_is_written_to_a_file(photos: Path) -> None:
    output, errors = run_filter("-", "-o", "new/out.webp", "--json", cwd=photos)

    size = len(encode(PHOTO))
    facts = {"source": "-", "destination": "new/out.webp", "bytes_before": len(PHOTO), "bytes_after": size}
    assert (json.loads(normalize_paths(output.decode())), errors) == (facts, "")
    assert (photos / "new" / "out.webp").read_bytes() == encode(PHOTO)

    _, errors = run_filter("-", "-o", "new/out.webp", cwd=photos, exit_code=1)
    assert errors.startswith("error: -: new/out.webp already exists; use --force to replace it\n")


def test_a_file_may_have_the_name_of_standard_input(photos: Path) -> None:
    (photos / "-").write_bytes(PHOTO)

    run_filter("./-", "-o", "./-.webp", cwd=photos, data=b"")

    assert (photos / "-.webp").read_bytes() == encode(PHOTO)


def test_a_dry_run_reads_and_writes_no_standard_stream(photos: Path) -> None:
    output, _ = run_filter("-", "-n", "--json", cwd=photos, data=b"")

    assert json.loads(output) == {"source": "-", "destination": "-"}
    assert run_filter("-", "-n", cwd=photos, data=b"")[0].decode().strip() == "- → -"


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"", "the input is empty"), (b"no image", "VipsForeignLoad: buffer is not in a known format")],
)
def test_an_invalid_image_on_standard_input_is_reported(photos: Path, data: bytes, message: str) -> None:
    assert run_filter("-", cwd=photos, data=data, exit_code=1) == (b"", f"error: -: {message}\n")


@pytest.mark.skipif(sys.platform == "win32", reason="requires redirections of a POSIX shell")
@pytest.mark.parametrize(
    ("args", "exit_code", "output"),
    [
        ("- <&-", 1, f"error: -: {os.strerror(errno.EBADF)}"),
        ("in/photo.jpg -o - 2>&1 >&-", 1, f"error: cannot write to standard output: {os.strerror(errno.EBADF)}"),
        (
            "in/photo.jpg -o - 2>&1 >/dev/full",
            1,
            f"error: cannot write to standard output: {os.strerror(errno.ENOSPC)}",
        ),
        ("in/photo.jpg -o - | true", 0, ""),
        ("in/photo.jpg -o /dev/null", 0, ""),
        ("in/photo.jpg -o /dev/stderr | cat", 0, None),
    ],
)
def test_closed_full_and_special_outputs(photos: Path, args: str, exit_code: int, output: str | None) -> None:
    if "/dev/full" in args and not Path("/dev/full").exists():
        pytest.skip("/dev/full does not exist")

    done = subprocess.run(
        ["/bin/sh", "-c", f'"$0" -m webpencode -q {args}', sys.executable],
        cwd=photos,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env={**ENVIRONMENT, "PATH": "/usr/bin:/bin"},
        timeout=60,
    )

    assert done.returncode == exit_code
    assert done.stderr + done.stdout == (encode(PHOTO) if output is None else f"{output}\n".encode() if output else b"")


@pytest.mark.skipif(sys.platform == "win32", reason="requires pseudo-terminals")
def test_an_image_is_not_written_to_a_terminal(photos: Path) -> None:
    import pty

    terminal, other_end = pty.openpty()
    command = [sys.executable, "-m", "webpencode", "in/photo.jpg", "-o", "-"]
    done = subprocess.run(
        command, cwd=photos, stdout=other_end, stderr=subprocess.PIPE, text=True, timeout=60, env=ENVIRONMENT
    )
    os.close(other_end)
    os.close(terminal)

    message = "webpencode: error: standard output is a terminal: redirect it, or specify a file with --output\n"
    assert (done.returncode, done.stderr.endswith(message)) == (2, True)


# Links -----------------------------------------------------------------------------------------------------------------

LINKS = pytest.mark.skipif(sys.platform == "win32", reason="creating a link requires a privilege")


@LINKS
def test_linked_directories_are_searched(photos: Path) -> None:
    (photos / "elsewhere").mkdir()
    (photos / "elsewhere" / "photo.jpg").write_bytes(PHOTO)
    (photos / "in" / "linked").symlink_to("../elsewhere")

    run("in", "-o", "out", cwd=photos)

    assert list_files(photos / "out") == ["deep/LOUD.webp", "linked/photo.webp", "photo.webp"]


@LINKS
def test_a_link_to_a_directory_that_contains_it_is_reported(photos: Path) -> None:
    (photos / "in" / "deep" / "up").symlink_to("..")

    _, errors = run("in", "-o", "out", "-q", cwd=photos, exit_code=1)

    assert errors == "error: in/deep/up: the link leads to a directory that contains it: in/deep/up\n"
    assert list_files(photos / "out") == ["deep/LOUD.webp", "photo.webp"]


@LINKS
def test_a_linked_output_directory_is_not_searched(photos: Path) -> None:
    (photos / "out").mkdir()
    (photos / "in" / "results").symlink_to("../out")

    for _ in range(2):
        run("in", "-o", "out", "--force", cwd=photos)

    assert list_files(photos / "out") == ["deep/LOUD.webp", "photo.webp"]


@LINKS
def test_an_image_with_several_paths_is_encoded_once_to_its_directory(photos: Path) -> None:
    (photos / "in" / "link").symlink_to("deep")
    (photos / "other").symlink_to("in")

    _, errors = run("in", "other", cwd=photos)

    assert [line.split(":")[0] for line in errors.splitlines()][:2] == [
        "[1/2] in/deep/LOUD.webp",
        "[2/2] in/photo.webp",
    ]


def test_existing_files_are_replaced_only_with_force(photos: Path) -> None:
    (photos / "in" / "photo.webp").write_bytes(b"old")

    _, errors = run("in/photo.jpg", "-q", cwd=photos, exit_code=1)
    assert errors == "error: in/photo.jpg: in/photo.webp already exists; use --force to replace it\n"
    assert (photos / "in" / "photo.webp").read_bytes() == b"old"

    run("in/photo.jpg", "-q", "--force", cwd=photos)
    assert (photos / "in" / "photo.webp").read_bytes() == encode(PHOTO)


def test_an_invalid_image_does_not_stop_the_others(photos: Path) -> None:
    (photos / "in" / "bad.png").write_bytes(b"no image")

    _, errors = run("in", "missing.jpg", "-o", "out", "-q", cwd=photos, exit_code=1)

    assert errors == (
        "error: in/bad.png: VipsForeignLoad: buffer is not in a known format\n"
        "error: missing.jpg: No such file or directory: missing.jpg\n"
    )
    assert list_files(photos / "out") == ["deep/LOUD.webp", "photo.webp"]


AS_UNPRIVILEGED_USER = """
import os, sys
import webpencode.__main__
# Import everything first: an unprivileged user may not be able to read the installation of Python.
assert webpencode.__main__.main(["in/photo.jpg", "-o", "before.webp", "-q"]) == 0
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
sys.exit(webpencode.__main__.main(sys.argv[1:]))
"""


@pytest.fixture
def unreadable(photos: Path) -> Iterator[Path]:
    """Add a directory that is not readable, and one that is readable but not searchable."""
    for name in ("secret", "sealed"):
        (photos / "in" / name).mkdir()
        (photos / "in" / name / "photo.png").write_bytes(write_png(draw_gradient(9, 9)))
    (photos / "in" / "secret").chmod(0)
    (photos / "in" / "sealed").chmod(0o444)
    photos.chmod(0o777)
    yield photos
    for name in ("secret", "sealed"):
        (photos / "in" / name).chmod(0o755)


def run_unprivileged(*args: str, cwd: Path, exit_code: int) -> tuple[str, str]:
    """Run the command as a user other than root, because root ignores file permissions."""
    done = subprocess.run(
        [sys.executable, "-c", AS_UNPRIVILEGED_USER, *args],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        env=ENVIRONMENT,
    )
    assert done.returncode == exit_code, done.stdout + done.stderr
    return done.stdout, done.stderr


POSIX_MODES = pytest.mark.skipif(sys.platform == "win32", reason="requires POSIX file modes")


@POSIX_MODES
def test_an_unreadable_directory_is_reported_and_does_not_stop_the_others(unreadable: Path) -> None:
    _, errors = run_unprivileged("in", "in/secret", "-o", "out", cwd=unreadable, exit_code=1)

    assert list_files(unreadable / "out") == ["deep/LOUD.webp", "photo.webp"]
    lines = errors.splitlines()
    assert lines[0] == "error: in/secret: Permission denied: in/secret"
    assert [line for line in lines if line.startswith("error: ")][1:] == [
        "error: in/sealed/photo.png: Permission denied: in/sealed/photo.png"
    ]
    assert re.fullmatch(r"2 of 3 images in [\d.]+ s: .*%; directories not searched: 1", lines[-1]), errors


@POSIX_MODES
@pytest.mark.parametrize("options", [["-q"], ["-n"]], ids=str)
def test_an_unreadable_directory_is_not_reported_as_empty(unreadable: Path, options: list[str]) -> None:
    output, errors = run_unprivileged("in/secret", *options, cwd=unreadable, exit_code=1)

    assert (output, errors) == ("", "error: in/secret: Permission denied: in/secret\n")


@POSIX_MODES
def test_an_unreadable_directory_is_reported_in_json(unreadable: Path) -> None:
    output, _ = run_unprivileged("in", "-o", "out", "--json", cwd=unreadable, exit_code=1)

    lines = [json.loads(line) for line in output.splitlines()]
    assert lines[0] == {"source": "in/secret", "destination": None, "error": "Permission denied: in/secret"}
    assert [line["source"] for line in lines[1:]] == ["in/deep/LOUD.PNG", "in/photo.jpg", "in/sealed/photo.png"]


@pytest.mark.skipif(sys.platform == "win32", reason="creating a link requires a privilege")
def test_a_link_to_itself_is_an_error_and_a_dangling_link_is_ignored(photos: Path) -> None:
    (photos / "in" / "loop.jpg").symlink_to("loop.jpg")
    (photos / "in" / ".#photo.jpg").symlink_to("user@host")  # a lock file of Emacs
    message = os.strerror(errno.ELOOP)

    _, errors = run("in", "-o", "out", "-q", cwd=photos, exit_code=1)
    assert errors == f"error: in/loop.jpg: {message}: in/loop.jpg\n"

    _, errors = run("in/deep", "-o", "in/loop.jpg", "-q", cwd=photos, exit_code=1)
    assert errors == f"error: in/deep/LOUD.PNG: {os.strerror(errno.ENOTDIR)}: in/loop.jpg\n"


def test_a_directory_can_be_encoded_again(photos: Path) -> None:
    run("in", "-q", cwd=photos)
    (photos / "in" / "photo.webp").write_bytes(b"old")

    _, errors = run("in", "-q", cwd=photos, exit_code=1)
    assert errors == (
        "error: in/deep/LOUD.PNG: in/deep/LOUD.webp already exists; use --force to replace it\n"
        "error: in/photo.jpg: in/photo.webp already exists; use --force to replace it\n"
    )

    run("in", "-q", "--force", cwd=photos)
    assert (photos / "in" / "photo.webp").read_bytes() == encode(PHOTO)


def test_an_output_directory_inside_the_input_is_not_searched(photos: Path) -> None:
    for _ in range(2):
        run(".", "-o", "in/out", "-q", "--force", cwd=photos)

    assert list_files(photos / "in" / "out") == ["in/deep/LOUD.webp", "in/photo.webp"]


def test_earlier_results_are_skipped_with_another_output_directory(photos: Path) -> None:
    (photos / "in" / "other.webp").write_bytes(encode(PHOTO, quality=90))
    run("in", "-q", "--force", cwd=photos)
    (photos / "in" / "photo.webp").write_bytes(b"no image")

    _, errors = run("in", "in/photo.webp", "-o", "out", cwd=photos)

    assert list_files(photos / "out") == ["deep/LOUD.webp", "other.webp", "photo.webp"]
    assert (photos / "out" / "photo.webp").read_bytes() == encode(PHOTO)
    assert re.fullmatch(r"3 of 3 images in .*; skipped as earlier results: 2", errors.splitlines()[-1])


def test_an_image_given_twice_is_encoded_once(photos: Path) -> None:
    _, errors = run("in/photo.jpg", "in/../in/photo.jpg", cwd=photos)

    assert errors.startswith("[1/1] in/photo.webp: ")


@pytest.mark.skipif(sys.platform == "win32", reason="creating a link requires a privilege")
def test_a_file_written_in_the_same_run_is_not_replaced(photos: Path) -> None:
    (photos / "out").mkdir()
    (photos / "out" / "deep").symlink_to(".")
    (photos / "in" / "LOUD.png").write_bytes(write_png(draw_gradient(30, 20)))

    _, errors = run("in", "-o", "out", "-q", cwd=photos, exit_code=1)

    assert errors == "error: in/deep/LOUD.PNG: out/deep/LOUD.webp already exists; use --force to replace it\n"


def test_a_file_in_place_of_an_output_directory_is_reported(photos: Path) -> None:
    (photos / "out").mkdir()
    (photos / "out" / "deep").touch()

    _, errors = run("in", "-o", "out", "-q", cwd=photos, exit_code=1)

    assert errors == f"error: in/deep/LOUD.PNG: {os.strerror(errno.ENOTDIR)}: out/deep\n"


def test_unencodable_output_is_escaped(photos: Path) -> None:
    output, _ = run("in/photo.jpg", "-n", cwd=photos, PYTHONUTF8="0", PYTHONIOENCODING="ascii")

    assert output in ("in/photo.jpg \\u2192 in/photo.webp\n", "in/photo.jpg /u2192 in/photo.webp\n")


@pytest.mark.skipif(sys.platform == "win32", reason="closed pipes behave differently on Windows")
def test_a_closed_output_pipe_does_not_crash(photos: Path) -> None:
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


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not remove a directory in use")
def test_a_removed_working_directory_is_reported(photos: Path) -> None:
    script = f'mkdir gone && cd gone && rmdir "$PWD" && "$0" -m webpencode {photos}/in/photo.jpg'

    def run_in_removed_directory(args: str) -> tuple[int, str]:
        done = subprocess.run(
            ["/bin/sh", "-c", f"{script} {args}", sys.executable],
            cwd=photos,
            capture_output=True,
            env={**ENVIRONMENT, "PATH": "/usr/bin:/bin"},
            text=True,
            timeout=60,
        )
        return done.returncode, done.stderr

    code, errors = run_in_removed_directory("-o out.webp")
    assert code == 2
    assert errors.endswith(
        "error: the current directory no longer exists: use absolute paths for images and --output\n"
    )
    assert run_in_removed_directory("-q") == (0, "")


@pytest.mark.skipif(sys.platform == "win32", reason="requires redirections of a POSIX shell")
@pytest.mark.parametrize(
    ("args", "exit_code", "output"),
    [
        (">&-", 0, r"\[1/1\] in/photo\.webp: [^\n]+\n1 of 1 images in [^\n]+\n"),
        ("--json >&-", 0, ""),
        ("2>&-", 0, ""),
        ("--json 2>&-", 0, r'\{"source": "in/photo\.jpg", [^\n]+\}\n'),
        ("<&- >&- 2>&-", 0, ""),
        ("--json >/dev/full", 1, f"error: cannot write to standard output: {os.strerror(errno.ENOSPC)}\n"),
        ("2>/dev/full", 1, ""),
        ("--json >/dev/full 2>&1", 1, ""),
    ],
)
def test_closed_and_full_streams_do_not_lose_an_image(photos: Path, args: str, exit_code: int, output: str) -> None:
    if "/dev/full" in args and not Path("/dev/full").exists():
        pytest.skip("/dev/full does not exist")

    done = subprocess.run(
        ["/bin/sh", "-c", f'"$0" -m webpencode in/photo.jpg {args}', sys.executable],
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


@pytest.mark.skipif(sys.platform == "win32", reason="requires POSIX signals")
def test_an_interrupt_while_encoding_exits_immediately(photos: Path) -> None:
    (photos / "line.png").write_bytes(write_png(draw_gradient(300, 1)))
    (photos / "noise.png").write_bytes(write_png(draw_noise(300, 300)))
    args = ["line.png", "noise.png", "-o", "out", "-j", "1", "-W", "3600", "--upscale", "--lossless", "--effort", "6"]
    with subprocess.Popen(
        [sys.executable, "-m", "webpencode", *args], cwd=photos, stderr=subprocess.PIPE, env=ENVIRONMENT, text=True
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("[1/2] ")
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        errors = process.stderr.read()
        seconds = time.monotonic() - began

    assert (process.returncode, errors) == (130, "interrupted: 1 of 2 images are done\n")
    assert seconds < 5
    assert list_files(photos / "out") == ["line.webp"]


def test_a_dry_run_writes_nothing(photos: Path) -> None:
    output, errors = run("in", "-o", "out", "-n", cwd=photos)

    assert output == "in/deep/LOUD.PNG → out/deep/LOUD.webp\nin/photo.jpg → out/photo.webp\n"
    assert errors == ""
    assert not (photos / "out").exists()


def test_a_dry_run_reports_existing_files(photos: Path) -> None:
    (photos / "in" / "photo.webp").write_bytes(b"old")

    output, errors = run("in", "-n", cwd=photos, exit_code=1)

    assert output == "in/deep/LOUD.PNG → in/deep/LOUD.webp\n"
    assert errors == "error: in/photo.jpg: in/photo.webp already exists; use --force to replace it\n"

    output, errors = run("in", "-n", "-f", cwd=photos)

    assert output == "in/deep/LOUD.PNG → in/deep/LOUD.webp\nin/photo.jpg → in/photo.webp\n"
    assert errors == ""


def test_a_dry_run_can_print_json(photos: Path) -> None:
    (photos / "in" / "photo.webp").write_bytes(b"old")

    output, _ = run("in", "-n", "--json", cwd=photos, exit_code=1)

    assert [json.loads(line) for line in output.splitlines()] == [
        {"source": "in/deep/LOUD.PNG", "destination": "in/deep/LOUD.webp"},
        {
            "source": "in/photo.jpg",
            "destination": "in/photo.webp",
            "error": "in/photo.webp already exists; use --force to replace it",
        },
    ]


def test_results_can_be_printed_as_json(photos: Path) -> None:
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
    ("args", "message"),
    [
        ([], "no images specified"),
        (["in", "-Q", "101"], "quality must be from 0 to 100, not 101"),
        (["in", "-W", "0"], "width must be from 1 to 10000000, not 0"),
        (["in", "-j", "0"], "--jobs must be at least 1, not 0"),
        (["in", "--background", "red"], "--background must be six hexadecimal digits, such as ffffff, not 'red'"),
        (["in/deep/empty"], "no images found in the given paths"),
        (["in", "-o", "out.webp"], "--output out.webp is a single file, but there are 2 images"),
        (["in/photo.jpg", "in/deep", "-o", "in/notes.txt"], "--output in/notes.txt is not a directory"),
        (["in/photo.jpg", "-o", "in/notes.txt/"], "--output in/notes.txt/ is not a directory"),
        (["in", "-o", "-"], "--output - is standard output for a single image, but there are 2 images"),
        (["-", "in"], "standard input (-) cannot be combined with other paths"),
        (
            ["-", "-o", "out/"],
            "--output out/ is a directory, but standard input has no file name: specify a file",
        ),
        (
            ["-", "--json"],
            "--json would mix with the image on standard output: specify a file with --output",
        ),
        (["in", "--keep", "iptc"], "keep must be a sequence of 'icc', 'exif' and 'xmp', not 'iptc'"),
        (["in", "--keep", "icc", "--strip"], "--strip and --keep cannot be combined"),
        (
            ["in", "--target-size", "9", "--lossless"],
            "target_size cannot be combined with lossless or near_lossless",
        ),
        (["in", "--threads", "0"], "threads must be from 1 to 1024, not 0"),
        (
            ["in/photo.jpg", "in/photo.png", "-o", "out"],
            "in/photo.jpg and in/photo.png would both be written to out/photo.webp",
        ),
    ],
    ids=str,
)
def test_invalid_arguments_are_a_usage_error(photos: Path, args: list[str], message: str) -> None:
    (photos / "in" / "deep" / "empty").mkdir()

    _, errors = run(*args, cwd=photos, exit_code=2)

    assert errors.endswith(f"webpencode: error: {message}\n")


def test_every_option_reaches_the_encoder(tmp_path: Path) -> None:
    (tmp_path / "a.gif").write_bytes(write_gif([[[0] * 40] * 30, [[1] * 40] * 30], [(9, 9, 9), (200, 9, 9)]))
    args = (
        "-W 20 -H 20 --fit cover --filter area --upscale -Q 50 --lossless --near-lossless 60 --effort 2 --alpha-quality 50 "
        "--preset icon --sharp-yuv --strip --no-autorotate --background #ff00ff --still --loop 3 --max-pixels 99999"
    )

    run("a.gif", *args.split(), cwd=tmp_path)

    assert (tmp_path / "a.webp").read_bytes() == encode(
        tmp_path / "a.gif",
        width=20,
        height=20,
        fit="cover",
        filter="area",
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


def test_a_target_size_reaches_the_encoder(photos: Path) -> None:
    run("in/photo.jpg", "--target-size", 5000, cwd=photos)

    assert (photos / "in" / "photo.webp").read_bytes() == encode(PHOTO, target_size=5000)


def test_the_metadata_to_keep_can_be_listed(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(write_png(draw_gradient(30, 20), xmp=b"<x/>"))

    for keep, chunks in {"exif,xmp": ("VP8X", "VP8 ", "XMP "), "icc": ("VP8 ",)}.items():
        run("a.png", "--force", "--keep", keep, cwd=tmp_path)
        assert webp.read_info((tmp_path / "a.webp").read_bytes()).chunks == chunks


def test_options_are_validated_without_encoding_an_image(photos: Path) -> None:
    # Encoding the largest WebP image would exceed the timeout of a minute.
    box = ["-W", "16383", "-H", "16383", "--fit", "contain", "--effort", "6", "--target-size", "100"]

    run("in", "-n", *box, cwd=photos)


def test_every_option_of_encode_is_available(tmp_path: Path) -> None:
    output, _ = run("--help", cwd=tmp_path)
    others = {"animated": "still", "autorotate": "no-autorotate"}

    for name in list(inspect.signature(encode).parameters)[1:]:
        assert f"--{others.get(name, name).replace('_', '-')}" in output


def test_help_has_an_example_and_the_exit_codes(tmp_path: Path) -> None:
    output, _ = run("--help", cwd=tmp_path)

    assert "example: webpencode photo.jpg holidays/ -o out/ --width 800 -j 4" in output
    assert "exit codes: 0 all images were encoded" in output


def test_the_width_is_applied(photos: Path) -> None:
    run("in/photo.jpg", "-W", 180, cwd=photos)

    info = webp.read_info((photos / "in" / "photo.webp").read_bytes())
    assert (info.width, info.height) == (180, PHOTO_SIZE[1] // 2)
