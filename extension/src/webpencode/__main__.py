"""The command: files and folders of images in, WebP files out."""

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
from typing import Any

import webpencode
from webpencode._files import write_file
from webpencode._jobs import Job, find_images, plan_jobs
from webpencode._report import EXIT_FAILED, Report, explain, there_already

EXIT_INTERRUPTED = 130
EXAMPLE = """\
example: webpencode photo.jpg holidays/ -o out/ --width 800 -j 4

exit codes: 0 everything was encoded, 1 something was not, 2 the command makes no sense, 130 interrupted
"""


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="webpencode",
        description="Encode images as WebP.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("inputs", nargs="*", type=Path, metavar="PATH", help="image files, and folders that are searched for them")
    add(
        "-o",
        "--output",
        type=Path,
        metavar="PATH",
        help="a folder, or a file for one image [default: beside each image]",
    )
    add("-f", "--force", action="store_true", help="replace files that are there already")
    add("-j", "--jobs", type=int, metavar="N", help="images at a time [default: as many as processors]")
    add("-n", "--dry-run", action="store_true", help="show what would be written and stop")
    add("--json", action="store_true", help="print one JSON object for each image")
    add("-q", "--quiet", action="store_true", help="print errors only")
    add("-W", "--width", type=int, metavar="PIXELS", help="of the box that the image must fit in")
    add("-H", "--height", type=int, metavar="PIXELS", help="of the box that the image must fit in")
    add("--fit", choices=["inside", "cover", "contain", "fill"], default="inside", help="how it fits [default: inside]")
    add("--upscale", action="store_true", help="make small images larger too")
    add("-Q", "--quality", type=int, default=75, metavar="0-100", help="[default: 75]")
    add("--lossless", action="store_true", help="keep every pixel as it is")
    add("--near-lossless", type=int, metavar="0-100", help="change pixels a little for a smaller lossless file")
    add("--effort", type=int, default=4, metavar="0-6", help="time spent on a small file [default: 4]")
    add("--alpha-quality", type=int, default=100, metavar="0-100", help="of the transparency [default: 100]")
    add(
        "--preset",
        choices=["default", "picture", "photo", "drawing", "icon", "text"],
        default="default",
        help="what the image is like [default: default]",
    )
    add("--target-size", type=int, metavar="BYTES", help="choose the quality that gives about this size")
    add("--sharp-yuv", action="store_true", help="better colours at sharp edges, slower")
    add("--strip", action="store_true", help="leave out colour profile, EXIF and XMP")
    add("--keep", metavar="LIST", help="keep only these of icc, exif and xmp, with commas between [default: all]")
    add("--no-autorotate", action="store_true", help="do not turn images upright")
    add("--background", metavar="RRGGBB", help="colour in the place of transparency")
    add("--still", action="store_true", help="only the first frame of an animation")
    add("--loop", type=int, metavar="N", help="how often an animation plays, 0 for ever")
    add("--threads", type=int, metavar="N", help="that may work on one image [default: 1]")
    add("--max-pixels", type=int, default=webpencode.MAX_PIXELS, metavar="N", help="refuse images with more")
    add("--version", action="store_true", help="print versions and stop")
    return parser


def read_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the options for encode(); raises ValueError for what only the command has words for."""
    names = (
        "width",
        "height",
        "fit",
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
        raise ValueError("--strip leaves out all that --keep names: give one of them")
    if arguments.strip or arguments.keep is not None:
        options["keep"] = tuple(name for name in (arguments.keep or "").split(",") if name)
    options["threads"] = 1 if arguments.threads is None else arguments.threads
    options["autorotate"] = not arguments.no_autorotate
    options["animated"] = not arguments.still
    if arguments.background is not None:
        try:
            colour = bytes.fromhex(arguments.background.removeprefix("#"))
        except ValueError:
            colour = b""
        if len(colour) != 3:
            raise ValueError(
                f"--background must be six hexadecimal digits, such as ffffff, not {arguments.background!r}"
            )
        options["background"] = tuple(colour)
    return options


def encode_jobs(
    jobs: Sequence[Job], count: int | None, options: dict[str, Any], force: bool
) -> Iterator[tuple[int, int | Exception]]:
    """Encode and write each image, in the order of the jobs; yield its own bytes, and those written or the exception."""

    def sources() -> Iterator[Any]:
        for job in jobs:
            if os.path.exists(job.destination) and not force:
                # Passed on as a source that nobody can read, so that results keep their order.
                yield _Refused(job.destination)
            else:
                yield job.source

    for job, result in zip(jobs, webpencode.encode_many(sources(), workers=count, **options), strict=True):
        if isinstance(result, Exception):
            yield 0, result
            continue
        try:
            before = job.source.stat().st_size
            _make_folder(job.destination.parent)
            if os.path.exists(job.destination) and not force:
                # Since it was looked for, or under a name that this system takes for another's.
                raise there_already(job.destination)
            yield before, write_file(result, job.destination)
        except OSError as error:
            yield 0, error


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path)) from None


class _Refused:
    """A file object that says why it is not read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> bytes:
        raise there_already(self._path)


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    _prepare_streams()
    parser = make_parser()
    arguments = parser.parse_args(words)
    report = Report(0, arguments)
    try:
        exit_code = run(parser, arguments, report)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print(f"interrupted: {report.done} of {report.total} images are done", file=sys.stderr)
        sys.stdout.flush()
        # At once, though libwebp works on: nothing that it makes now is written, and all that is written is whole.
        os._exit(EXIT_INTERRUPTED)
    except OSError as error:
        return _end_without_output(error)
    return exit_code


def _prepare_streams() -> None:
    """Open what the caller has closed, and let both streams print any name of a file."""
    # Else a file that is opened later may take their number, and what Python or a library prints goes there.
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w"))  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Names of files may hold what it cannot.
        sys.stdout.reconfigure(errors="backslashreplace")


def _end_without_output(error: OSError) -> int:
    """End the command after an error of standard output or standard error; what was written so far is whole."""
    if not isinstance(error, BrokenPipeError):
        # Where nobody reads on, as with `| head`, nobody needs to be told.
        with contextlib.suppress(OSError):
            print(f"error: the output cannot be printed: {explain(error)}", file=sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            # Python would try again when it ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return EXIT_FAILED


def run(parser: argparse.ArgumentParser, arguments: argparse.Namespace, report: Report) -> int:
    """Do what the arguments say and report it; return the exit code."""
    try:
        # Told once, not for every image.
        webpencode.formats()
    except webpencode.MissingLibraryError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_FAILED
    if arguments.version:
        print(", ".join(f"{name} {version}" for name, version in webpencode.versions().items()))
        return 0
    if not arguments.inputs:
        parser.error("no image is named")
    try:
        options = read_options(arguments)
        if arguments.jobs is not None and arguments.jobs < 1:
            raise ValueError(f"--jobs must be at least 1, not {arguments.jobs}")
        search = find_images(arguments.inputs, arguments.output)
        jobs, report.left_out = plan_jobs(arguments.inputs, search.images, arguments.output)
        # An option that makes no sense is told once, not for every image.
        webpencode.check_options(**options)
    except (TypeError, ValueError) as error:
        parser.error(str(error))
    except FileNotFoundError:
        # The one thing that is asked for here.
        parser.error("the folder that this runs in is not there any more: name images and --output by whole paths")
    if not jobs and not search.failures:
        parser.error("no image is in what was named")
    for failure in search.failures:
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


if __name__ == "__main__":
    sys.exit(main())
