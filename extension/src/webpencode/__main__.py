"""The command `webpencode`: encodes image files and directories of them to WebP files."""

from __future__ import annotations

import argparse
import contextlib
import errno
import io
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import webpencode
from webpencode._files import write_all, write_file
from webpencode._jobs import Job, Stream, plan_jobs
from webpencode._report import EXIT_FAILED, Report, describe_error, make_exists_error

EXIT_INTERRUPTED = 130
EXAMPLE = """\
example: webpencode photo.jpg holidays/ -o out/ --width 800 -j 4

exit codes: 0 all images were encoded, 1 some were not, 2 usage error, 130 interrupted
"""


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="webpencode",
        description="Encode images as WebP.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    # Not as Path, which has no "./-" and no slash at the end.
    add(
        "inputs", nargs="*", metavar="PATH", help="image files, directories to search for them, or - for standard input"
    )
    add(
        "-o",
        "--output",
        metavar="PATH",
        help="directory, file for a single image, or - for standard output [default: the directory of each image; "
        "standard output for standard input]",
    )
    add("-f", "--force", action="store_true", help="replace existing files")
    add(
        "-j",
        "--jobs",
        type=int,
        metavar="N",
        help="number of images to encode in parallel [default: number of available processors]",
    )
    add("-n", "--dry-run", action="store_true", help="print the files that would be written, without encoding")
    add("--json", action="store_true", help="print one JSON object for each image")
    add("-q", "--quiet", action="store_true", help="print errors only")
    add("-W", "--width", type=int, metavar="PIXELS", help="width of the box to resize to")
    add("-H", "--height", type=int, metavar="PIXELS", help="height of the box to resize to")
    add(
        "--fit",
        choices=["inside", "cover", "contain", "fill"],
        default="inside",
        help="how to resize to the box [default: inside]",
    )
    add(
        "--filter",
        choices=["lanczos3", "lanczos2", "mitchell", "cubic", "linear", "area", "nearest"],
        default="lanczos3",
        help="how to compute the pixels of a resized image [default: lanczos3]",
    )
    add("--upscale", action="store_true", help="also enlarge small images")
    add("-Q", "--quality", type=int, default=75, metavar="0-100", help="image quality [default: 75]")
    add("--lossless", action="store_true", help="encode without loss")
    add("--near-lossless", type=int, metavar="0-100", help="adjust pixels slightly for a smaller lossless file")
    add("--effort", type=int, default=4, metavar="0-6", help="compression effort, 6 is slowest [default: 4]")
    add("--alpha-quality", type=int, default=100, metavar="0-100", help="quality of the alpha channel [default: 100]")
    add(
        "--preset",
        choices=["default", "picture", "photo", "drawing", "icon", "text"],
        default="default",
        help="type of image [default: default]",
    )
    add("--target-size", type=int, metavar="BYTES", help="choose the quality for approximately this file size")
    add("--sharp-yuv", action="store_true", help="better colors at sharp edges, slower")
    add("--strip", action="store_true", help="remove color profile, EXIF and XMP")
    add("--keep", metavar="LIST", help="comma-separated list of metadata to keep: icc, exif, xmp [default: all]")
    add("--no-autorotate", action="store_true", help="ignore the EXIF orientation")
    add("--background", metavar="RRGGBB", help="color that replaces transparency")
    add("--still", action="store_true", help="encode only the first frame of an animation")
    add("--loop", type=int, metavar="N", help="how many times an animation plays, 0 for infinite")
    add("--threads", type=int, metavar="N", help="threads per image [default: 1]")
    add("--max-pixels", type=int, default=webpencode.MAX_PIXELS, metavar="N", help="reject images with more pixels")
    add("--version", action="store_true", help="print versions and exit")
    return parser


def read_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the options for encode(); raise ValueError for invalid options that only the command has."""
    names = (
        "width",
        "height",
        "fit",
        "filter",
        "upscale",
        "quality",
        "lossless",
        "near_lossless",
        "effort",
        "alpha_quality",
        "preset",
        "target_size",
        "sharp_yuv",
        "loop",
        "max_pixels",
    )
    options = {name: getattr(arguments, name) for name in names}
    if arguments.strip and arguments.keep is not None:
        raise ValueError("--strip and --keep cannot be combined")
    if arguments.strip or arguments.keep is not None:
        options["keep"] = tuple(name for name in (arguments.keep or "").split(",") if name)
    options["threads"] = 1 if arguments.threads is None else arguments.threads
    options["autorotate"] = not arguments.no_autorotate
    options["animated"] = not arguments.still
    if arguments.background is not None:
        try:
            color = bytes.fromhex(arguments.background.removeprefix("#"))
        except ValueError:
            color = b""
        if len(color) != 3:
            raise ValueError(
                f"--background must be six hexadecimal digits, such as ffffff, not {arguments.background!r}"
            )
        options["background"] = tuple(color)
    return options


def encode_jobs(
    jobs: Sequence[Job], count: int | None, options: dict[str, Any], force: bool
) -> Iterator[tuple[int, int | Exception]]:
    """Encode and write each image, in the order of the jobs; yield its size and the bytes written or the exception.

    An error of standard output is raised.
    """
    standard_input = _StandardInput()

    def sources() -> Iterator[Any]:
        for job in jobs:
            if job.would_replace and not force:
                # A source that raises an error when it is read, so that results stay in order.
                yield _ExistingDestination(job)
            else:
                yield standard_input if isinstance(job.source, Stream) else job.source

    for job, result in zip(jobs, webpencode.encode_many(sources(), workers=count, **options), strict=True):
        if isinstance(result, Exception):
            yield 0, result
        elif isinstance(job.destination, Stream):
            written = write_all(result, _open_standard_stream(sys.stdout))
            sys.stdout.flush()
            yield _find_size(job, standard_input), written
        else:
            try:
                before = _find_size(job, standard_input)
                _make_directory(job.destination.parent)
                if job.would_replace and not force:
                    # Written in the meantime, or another spelling of the same name on this file system.
                    raise make_exists_error(job)
                yield before, write_file(result, job.destination)
            except OSError as error:
                yield 0, error


def _find_size(job: Job, standard_input: _StandardInput) -> int:
    return standard_input.size if isinstance(job.source, Stream) else job.source.stat().st_size


def _make_directory(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path)) from None


class _ExistingDestination:
    """A file object that raises FileExistsError for its destination when it is read."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def read(self) -> bytes:
        raise make_exists_error(self._job)


class _StandardInput:
    """A file object that reads standard input and counts its bytes."""

    size = 0

    def read(self) -> bytes:
        data: bytes = _open_standard_stream(sys.stdin).read()
        self.size = len(data)
        return data


def _open_standard_stream(stream: TextIO) -> BinaryIO:
    """Return the bytes of a standard stream; raise OSError if it was closed when the process started."""
    if stream.name == os.devnull:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    return stream.buffer


def main(args: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    _prepare_streams()
    parser = make_parser()
    arguments = parser.parse_args(args)
    report = Report(0, arguments)
    try:
        exit_code = run(parser, arguments, report)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print(f"interrupted: {report.done} of {report.total} images are done", file=sys.stderr)
        sys.stdout.flush()
        # Exit without waiting for libwebp. Its results are not written, and written files are complete.
        os._exit(EXIT_INTERRUPTED)
    except OSError as error:
        return _end_without_output(error)
    return exit_code


def _prepare_streams() -> None:
    """Open standard streams that are closed, and allow standard output to print any file name."""
    # Otherwise a file that is opened later may get their file descriptor and receive what is printed.
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w"))  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        # File names may contain characters that its encoding does not have.
        sys.stdout.reconfigure(errors="backslashreplace")


def _end_without_output(error: OSError) -> int:
    """Return the exit code after an error of standard output or standard error; files written so far are complete."""
    if not isinstance(error, BrokenPipeError):
        # A closed pipe is not an error (`webpencode … | head`).
        with contextlib.suppress(OSError):
            print(f"error: cannot write to standard output: {describe_error(error)}", file=sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            # Otherwise Python would flush again on exit, and fail.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return EXIT_FAILED


def run(parser: argparse.ArgumentParser, arguments: argparse.Namespace, report: Report) -> int:
    """Run the command with parsed arguments and report the results; return the exit code."""
    try:
        # Report a missing library once, not for every image.
        webpencode.formats()
    except webpencode.MissingLibraryError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_FAILED
    if arguments.version:
        print(", ".join(f"{name} {version}" for name, version in webpencode.versions().items()))
        return 0
    if not arguments.inputs:
        parser.error("no images specified")
    try:
        options = read_options(arguments)
        if arguments.jobs is not None and arguments.jobs < 1:
            raise ValueError(f"--jobs must be at least 1, not {arguments.jobs}")
        jobs, report.skipped, failures = plan_jobs(arguments.inputs, arguments.output)
        if any(job.destination is Stream.OUTPUT for job in jobs):
            _check_standard_output(arguments)
            # Only errors are reported, as usual for a command in a pipe.
            report.quiet = True
        # Report an invalid option once, not for every image.
        webpencode.check_options(**options)
    except (TypeError, ValueError) as error:
        parser.error(str(error))
    except FileNotFoundError:
        # Only os.getcwd() raises this here.
        parser.error("the current directory no longer exists: use absolute paths for images and --output")
    if not jobs and not failures:
        parser.error("no images found in the given paths")
    for failure in failures:
        report.add_unsearched(failure)
    if arguments.dry_run:
        for job in jobs:
            report.add_planned(job, arguments.force)
        return report.exit_code
    report.total, began = len(jobs), time.monotonic()
    results = encode_jobs(jobs, arguments.jobs, options, arguments.force)
    for job, (before, result) in zip(jobs, results, strict=True):
        report.add(job, before, result)
    report.end(time.monotonic() - began)
    return report.exit_code


def _check_standard_output(arguments: argparse.Namespace) -> None:
    """Raise ValueError if an image cannot be written to standard output."""
    if arguments.dry_run:
        return
    if arguments.json:
        raise ValueError("--json would mix with the image on standard output: specify a file with --output")
    if sys.stdout.isatty():
        raise ValueError("standard output is a terminal: redirect it, or specify a file with --output")


if __name__ == "__main__":
    sys.exit(main())
