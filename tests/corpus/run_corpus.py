"""Encode the pictures of published packages and compare the results with Pillow, libwebp's tools and Chromium.

    nox -s corpus                           everything (Debian: `apt-get install chromium webp`)
    nox -s corpus -- --short                some pictures of Pillow's sdist, without a browser
    nox -s corpus -- --only '*/*.gif'       the pictures that match a pattern
    nox -s corpus -- --no-browser --json    without Chromium; the result as JSON

archives.toml lists the archives; every picture is encoded without loss and with quality 90. Differences to what the other
programs read must have an explanation in explanations.toml, and every explanation a difference; otherwise the exit code is 1.
Writes all differences to a page (`--html`).
"""

from __future__ import annotations

import argparse
import fnmatch
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from archives import Picture, load_archives, read_pictures
from chromium import Chromium, find_chromium
from compare_chromium import compare_with_chromium, is_shown_by_chromium
from compare_libwebp import find_missing_tools
from differences import Difference, Peer
from explanations import judge, load_explanations
from report import Result, write_html, write_json, write_text
from workers import check_pictures

# Some pictures of Pillow's sdist, with metadata, transparency and faults; larger ones are skipped.
SHORT = tuple(
    f"pillow/Tests/images/{pattern}"
    for pattern in (
        "*.gif",
        "*broken*",
        "*cmyk*",
        "*exif*",
        "*frame*.webp",
        "*icc*",
        "*orientation*",
        "*trns*.png",
        "*truncated*",
    )
)
SHORT_SIZE = 50_000  # bytes


def parse_options(args: Sequence[str]) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true", help="some pictures of Pillow's sdist, without a browser")
    parser.add_argument("--only", metavar="PATTERN", action="append", help="the pictures that match a pattern")
    parser.add_argument("--no-browser", action="store_true", help="no comparison with Chromium")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--html", type=Path, default=Path("corpus.html"), help="the page with all differences")
    return parser.parse_args(args)


def select_pictures(options: argparse.Namespace) -> list[Picture]:
    """Return the pictures of the options."""
    archives = load_archives()
    if options.short:
        (archive,) = [archive for archive in archives if archive.name == "pillow"]
        return [picture for picture in read_pictures([archive], SHORT) if len(picture.data) <= SHORT_SIZE]
    patterns = options.only or ["*"]
    # Without a wildcard in the name of the archive, only this archive is fetched.
    names = {pattern.partition("/")[0] for pattern in patterns}
    selected = [archive for archive in archives if any(fnmatch.fnmatchcase(archive.name, name) for name in names)]
    return list(read_pictures(selected, patterns)) or sys.exit("no picture matches")


def select_peers(options: argparse.Namespace) -> tuple[frozenset[Peer], tuple[str, ...]]:
    """Return the peers of the options, and why others are not compared; exit if a program is missing."""
    peers, skipped = {Peer.PROCESS, Peer.PILLOW, Peer.LIBWEBP, Peer.CHROMIUM}, []
    if options.short or options.no_browser:
        peers.remove(Peer.CHROMIUM)
        skipped.append("Chromium")
    elif find_chromium() is None:
        sys.exit("Chromium is missing (Debian: `apt-get install chromium`); `--no-browser` does not compare with it")
    if missing := find_missing_tools():
        message = f"libwebp: {', '.join(missing)} is missing (Debian: `apt-get install webp`)"
        if not options.short:
            sys.exit(message)
        peers.remove(Peer.LIBWEBP)
        skipped.append(message)
    return frozenset(peers), tuple(skipped)


def run(options: argparse.Namespace) -> Result:
    """Check the selected pictures."""
    began = time.monotonic()
    peers, skipped = select_peers(options)
    pictures = select_pictures(options)
    encoded: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    differences: list[Difference] = []
    with ExitStack() as stack:
        browser = stack.enter_context(Chromium()) if Peer.CHROMIUM in peers else None
        results = check_pictures(pictures, with_libwebp=Peer.LIBWEBP in peers)
        for number, (picture, checked) in enumerate(results, 1):
            (refused if checked.encoded.refusal else encoded)[picture.format] += 1
            differences += checked.differences
            if browser and is_shown_by_chromium(picture):
                differences += compare_with_chromium(browser, picture, checked.encoded.lossless)
            if number % 100 == 0:
                print(f"{number} of {len(pictures)} pictures", file=sys.stderr, flush=True)
    names = frozenset(picture.name for picture in pictures) if options.short or options.only else None
    verdict = judge(differences, load_explanations(), peers=peers, pictures=names)
    seconds = time.monotonic() - began
    return Result(encoded=encoded, refused=refused, skipped=skipped, verdict=verdict, seconds=seconds)


def main(args: Sequence[str]) -> int:
    """Run the script."""
    options = parse_options(args)
    result = run(options)
    write_html(result, options.html)
    if options.json:
        print(write_json(result))
    else:
        print(*write_text(result), sep="\n")
    return 0 if result.passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
