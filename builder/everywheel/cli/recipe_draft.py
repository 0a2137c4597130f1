"""The text of a new recipe, in the order of keys that all recipes have."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence

from everywheel.cli.recipe_trial import Trial
from everywheel.errors import count_noun
from everywheel.recognition.library_source import LibrarySource
from everywheel.recognition.matching import Matches
from everywheel.sources.package_draft import SourcePackage

_SHOWN = 12  # names in one line of a comment
_WIDTH = 127  # characters of a line
_GUESSED = "# guessed from the build files: what the build must install"
_GUESSED_END = "# sonames and exports are for a shared library; see the page about recipes"
_GUESSED_PRODUCTS = re.compile(
    rf"^(\[products\]\n){re.escape(_GUESSED)}\n(?:(?:libraries|pkgconfig) = \[.*\]\n)*{re.escape(_GUESSED_END)}\n",
    re.MULTILINE,
)
_RULES_COMMENT = (
    "# Older policies are not supported, or change the install name on macOS when RPATHs are switched off (CMP0068)."
)
# The comments of a draft in [build], for build systems without switches for tests and parts.
_COMMENTS = {
    "make": (
        '# configure = ["./configure", "--prefix={prefix}"]  # if the source has a script that is not of autoconf',
        "# compile = []  # targets of make: those of the library only",
        "# options = {}  # variables of make",
    )
}


def render_draft(
    name: str, version: str, source: LibrarySource, pin: list[str], matches: Matches, trial: Trial | None
) -> str:
    """Return the text of recipe.toml; comments name what was not recognized, or guessed.

    `pin` is the table [source], `matches` are the recipes of the libraries that the build files look for. Without a trial, the
    products are those that the build files state.
    """
    files = source.license_files or ("LICENSE",)
    license_note = "read from the source: compare it" if source.license else "not recognized: name the license"
    if not source.license_files:
        license_note += ", and the files with its text"
    lines = [
        f"name = {_quote(name)}",
        f"version = {_quote(version)}",
        f'summary = "{name}"  # one line',
        f"# {license_note}",
        f"license = {{ spdx = {_quote(source.license or _name_license(name))}, files = {_quote_all(files)} }}",
        *_render_requirements(matches),
        "",
        *pin,
        "",
        *_render_build(source),
        "",
        "[products]",
        *_render_products(source, trial),
    ]
    return "\n".join(lines) + "\n"


def _list_required(matches: Matches) -> tuple[str, ...]:
    """Return the recipes of the libraries that the build files cannot do without."""
    return tuple(recipe for recipe, items in matches.recipes.items() if not all(item.is_optional for item in items))


def _render_requirements(matches: Matches) -> Iterator[str]:
    required = _list_required(matches)
    yield (
        f"requires = {_quote_all(required)}"
        if required
        else "# requires = []  # recipes of the libraries that it is linked to"
    )
    optional = [recipe for recipe in matches.recipes if recipe not in required]
    if optional:
        yield f"# the build files use these recipes if they are required, too: {_list(optional)}"
    if matches.missing:
        names = [f"{item.name} ({item.location})" for item in matches.missing]
        yield f"# the build files look for libraries that no recipe has: {_list(names)}"


def _render_build(source: LibrarySource) -> Iterator[str]:
    yield "[build]"
    yield f'system = "{source.system or "meson"}"'
    if source.subdir:
        yield f"subdir = {_quote(source.subdir)}"
    yield from _COMMENTS.get(source.system, ())
    extras = [option for option in source.options if option.is_extra and not option.is_off]
    against = [option for option in source.options if option.is_against_extra and option.is_off]
    if enabled := [option.name for option in against if option.is_switch]:
        yield f"enable = {_quote_all(enabled)}"
    if switches := [option.name for option in extras if option.is_switch]:
        yield f"disable = {_quote_all(switches)}"
    values = {option.name: "false" for option in extras if not option.is_switch and option.default == "true"}
    values |= {option.name: "true" for option in against if not option.is_switch and option.default == "false"}
    if source.has_old_rules:
        values["CMAKE_POLICY_VERSION_MINIMUM"] = '"3.9"'
        yield _RULES_COMMENT
    if values:
        yield f"options = {{ {', '.join(f'{_quote_key(name)} = {value}' for name, value in values.items())} }}"
    settled = {*enabled, *switches, *values}
    if others := [option for option in source.options if option.name not in settled]:
        yield "# Further options of the source, with their defaults:"
        for option in others:
            summary = f"  {_one_line(option.summary)}" if option.summary else ""
            yield f"#   {option.name} = {_one_line(option.default) or '(computed)'}{summary}"


def _name_license(name: str) -> str:
    """Return the name of a license that was not recognized, with the characters that SPDX allows in it."""
    return f"LicenseRef-{re.sub('[^A-Za-z0-9.-]', '-', name)}"


def _render_products(source: LibrarySource, trial: Trial | None) -> Iterator[str]:
    if trial is not None and trial.built:
        yield from render_installed(trial)
        return
    yield _GUESSED
    yield f"libraries = {_quote_all(source.libraries)}"
    yield f"pkgconfig = {_quote_all(source.pkgconfig)}"
    yield _GUESSED_END


def render_installed(trial: Trial) -> Iterator[str]:
    """Yield the lines of [products] for what a trial has installed."""
    installed = trial.installed
    yield f"# what the trial has installed ({' and '.join(trial.built)}): compare it"
    yield f"libraries = {_quote_all(installed.libraries)}"
    yield f"headers = {_quote_all(installed.headers)}"
    yield f"pkgconfig = {_quote_all(installed.pkgconfig)}"
    if installed.sonames:
        pairs = ", ".join(f"{_quote_key(name)} = {_quote(soname)}" for name, soname in installed.sonames.items())
        yield f"sonames = {{ {pairs} }}"
    if installed.exports:
        line = f"exports = {_quote_all(installed.exports)}"
        yield (
            line
            if len(line) <= _WIDTH
            else "\n".join(["exports = [", *(f"    {_quote(p)}," for p in installed.exports), "]"])
        )
    if installed.uncovered:
        yield f"# {count_noun(installed.uncovered, 'further symbol')} of the shared library match no pattern"
    yield "# provides = []  # promises that a check.c, next to this file, proves; headers name what was built:"
    yield f"#   {_list(installed.features) or 'no features'}"


def replace_guess(text: str, trial: Trial) -> str:
    """Return the text of a draft with the products of a trial; unchanged if its products are not the guessed ones any more."""
    lines = "\n".join(render_installed(trial))
    return _GUESSED_PRODUCTS.sub(lambda match: f"{match[1]}{lines}\n", text)


def _list(names: Sequence[str]) -> str:
    """Return names for a comment, at most so many as a reader looks at."""
    rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(map(_one_line, names[:_SHOWN]))}{rest}"


def _one_line(text: str) -> str:
    """Return text of the source without characters that would end a comment, or that TOML does not allow in one."""
    return "".join(character if character.isprintable() else " " for character in text)


def _quote(text: str) -> str:
    """Return a basic string of TOML: one of JSON but for pairs of surrogates and the character DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _quote_all(texts: Iterable[str]) -> str:
    return f"[{', '.join(map(_quote, texts))}]"


def _quote_key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _quote(name)


def pin_address(url: str, version: str, sha256: str, size: int) -> list[str]:
    """Return the lines of [source] for an archive at an address."""
    return [
        "[source]",
        f"urls = [{_quote(_replace_version(url, version))}]",
        f'sha256 = "{sha256}"',
        f"size = {size}",
    ]


def _replace_version(text: str, version: str) -> str:
    """Return an address, or the name of a file, with `{version}` for its version.

    It is not replaced in the host, nor in another number, and a version of one number not in a word, such as `bz2` or `foo2`.
    """
    host = re.match(r"https?://[^/]*", text)
    end = host.end() if host else 0
    before, after = (r"(?:(?<![A-Za-z])|(?<=[^A-Za-z0-9][vV]))", "(?![A-Za-z])") if version.isdecimal() else ("", "")
    pattern = rf"(?<!\d)(?<!\d\.){before}{re.escape(version)}{after}(?!\.?\d)"
    return text[:end] + re.sub(pattern, "{version}", text[end:])


def pin_package(package: SourcePackage) -> list[str]:
    """Return the lines of [source] for a source package: the archive, and the packaging if it has security patches."""
    return list(_pin_package(package))


def _pin_package(package: SourcePackage) -> Iterator[str]:
    yield "[source]"
    yield "# urls = []  # upstream's address, if it has the same bytes"
    yield from _pin_file(package, package.archive.name, package.archive.sha256, package.archive.size)
    if package.unpinned:
        yield f"# the changelog of {package.revision.version} names {', '.join(package.unpinned)}: find the patch of it"
    if package.packaging is None:
        return
    yield from ("", "[[source.patch-archives]]")
    yield from _pin_file(package, package.packaging.name, package.packaging.sha256, package.packaging.size)
    yield "patches = ["
    for patch in package.patches:
        fixes = f", fixes = {_quote_all(patch.fixes)}"
        yield f'    {{ file = {_quote(patch.file)}, sha256 = "{patch.sha256}", size = {patch.size}{fixes} }},'
    yield "]"
    if package.omitted:
        yield "omit = ["
        for omitted in package.omitted:
            yield f"    {{ file = {_quote(omitted.file)}, reason = {_quote(omitted.reason)} }},"
        yield "]"


def _pin_file(package: SourcePackage, name: str, sha256: str, size: int) -> Iterator[str]:
    file = _quote(_replace_version(name, package.version))
    yield f"debian = {{ package = {_quote(package.revision.package)}, file = {file} }}"
    yield f'sha1 = "{package.sha1[name]}"'
    yield f'sha256 = "{sha256}"'
    yield f"size = {size}"
