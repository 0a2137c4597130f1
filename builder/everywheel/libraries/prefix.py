"""Prefixes: the preparation of an installed directory for the store."""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection
from pathlib import Path

from everywheel.archives.refusal import find_name_fault
from everywheel.config.recipe import Linkage, ResolvedRecipe
from everywheel.errors import BuildError
from everywheel.execution.input_files import UnusableFile, leads_out, link_leads_out, read_file, read_text
from everywheel.libraries.library_facts import Library, write_file_list, write_library
from everywheel.toolchains.toolchain import PREFIX

_LICENSE_NAME = re.compile(r"licen[cs]e|copying|copyright|notice", re.IGNORECASE)
_SHOWN = 5  # names in one line of an error
_LARGEST_TEXT = 16 << 20  # bytes of a license text or .pc file

# The prefix as a whole path, also in an option such as -I/everywheel.
_PREFIX = re.compile(rf"(?:(?<=-[ILF])|(?<![\w./-])){re.escape(PREFIX)}(?![\w.-])")
_REQUIREMENT = re.compile(r"([^\s,<>=!]+)(?:\s*([<>=!]+)\s*([^\s,]+))?")
_FLAGS = re.compile(r"^(?:Cflags|Libs)(?:\.private)?\s*:.*$", re.M)
# A definition for the sources of a library itself, which would change those of its users.
_CXX_LIBRARY = re.compile(r"(?<!\S)-lstdc\+\+(?!\S)")
_BUILD_FLAG = re.compile(r"\s-DHAVE_CONFIG_H(=\S*)?(?=\s|$)")
_ABSOLUTE_FOLDER = re.compile(r"""\s-[ILF](?:/\S*|"/[^"]*"|'/[^']*')""")

# Directories that no build reads, and that of the facts, which only `write_library` writes.
_DROPPED = (
    "share/everywheel",
    "share/doc",
    "share/man",
    "share/gtk-doc",
    "share/locale",
    "share/bash-completion",
    "share/aclocal",
    "share/gdb",
    "share/gettext",
    "share/glib-2.0",
    "share/info",
    "libexec",
    "etc",
    "var",
)


def normalize_prefix(prefix: Path, recipe: ResolvedRecipe, source: Path, cxx_library: str = "") -> None:
    """Prepare an installed directory for the store: remove unused files, make it relocatable, add facts and licenses.

    `cxx_library` is that of the compilers, if it is not the one that build files name.

    Raises BuildError when a license file is not in `source`, and for a .pc file that cannot be read. The links in the
    prefix must have been checked (`check_links`).
    """
    for name in _DROPPED:
        shutil.rmtree(prefix / name, ignore_errors=True)
    for path in prefix.glob("lib/*.la"):
        _remove(path)
    programs = program_names(recipe)
    for path in prefix.glob("bin/*"):
        is_library = recipe.target.os == "windows" and path.suffix == ".dll"
        if f"bin/{path.name}" not in programs and not is_library:
            _remove(path)
    modules = [path for folder in ("lib", "share") for path in prefix.glob(f"{folder}/pkgconfig/*.pc")]
    own = {path.stem for path in modules}
    for path in modules:
        try:
            text = read_text(path, _LARGEST_TEXT)
        except (UnusableFile, FileNotFoundError) as error:
            raise BuildError(
                f"{recipe.label}: {path.relative_to(prefix)} cannot be made relocatable",
                details={"reason": error},
                hint="the build installs it; correct it with a patch",
            ) from None
        if cxx_library:
            text = _CXX_LIBRARY.sub(f"-l{cxx_library}", text)
        relocated = relocate_pkgconfig(text, own, shared=recipe.linkage is Linkage.SHARED)
        path.write_text(relocated, encoding="utf-8", newline="\n")
    write_file_list(recipe.name, prefix)
    write_library(describe_library(recipe, source), prefix)


def check_links(prefix: Path, recipe: ResolvedRecipe) -> None:
    """Raise BuildError for a link that leads out of an installed directory, and for anything but files, folders and links.

    Later steps read and write these paths, so a link to another place would make them read or write there.
    """
    for path in sorted(prefix.rglob("*")):
        name = path.relative_to(prefix).as_posix()
        if fault := find_name_fault(name):
            raise BuildError(
                f"{recipe.label}: the build installs a file whose path {fault}",
                details={"file": name[:200]},
                hint="rename it in what the build installs: the store does not read such names",
            )
        if path.is_symlink():
            if link_leads_out(name, str(path.readlink())):
                raise BuildError(
                    f"{recipe.label}: the build installs a link that leads out of the prefix",
                    details={"link": f"{name} -> {path.readlink()}"},
                    hint="install a relative link, or the file itself",
                )
        elif not (path.is_file() or path.is_dir()):
            raise BuildError(
                f"{recipe.label}: the build installs '{name}', which is neither a file, a folder nor a link",
                hint="remove it from what the build installs",
            )


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def program_names(recipe: ResolvedRecipe) -> dict[str, str]:
    """Return the possible file names of a recipe's programs, each with the name of the program; scripts have no suffix."""
    suffixes = dict.fromkeys(("", recipe.target.system.program))
    return {f"{name}{suffix}": name for name in recipe.products.programs for suffix in suffixes}


def relocate_pkgconfig(text: str, own: Collection[str] = (), *, shared: bool) -> str:
    """Return a .pc file whose directories are relative to the file itself, and which names none of the build machine.

    A shared library contains its static requirements, which must not be linked a second time. Its requirements therefore
    become private ones: pkg-config uses only their compiler flags. This does not apply to the modules in `own`, those of the
    same recipe: they are other shared libraries, whose functions programs call as well. Private compiler flags are those for
    an archive, such as a definition without which the headers declare the functions of a DLL.
    """
    text = re.sub(r"\\\r?\n", " ", text)  # a backslash continues a line
    text = re.sub(r"^prefix\s*=.*$", "prefix=${pcfiledir}/../..", text, flags=re.M)
    text = _PREFIX.sub("${prefix}", text)
    if "${prefix}" in text and not re.search(r"^prefix\s*=", text, re.M):
        text = f"prefix=${{pcfiledir}}/../..\n{text}"
    text = _FLAGS.sub(lambda line: _BUILD_FLAG.sub("", _ABSOLUTE_FOLDER.sub("", line[0])), text)
    if shared:
        fields = dict(re.findall(r"^(Requires|Requires\.private)\s*:(.*)$", text, re.M))
        public, private = (split_requirements(fields.get(key, "")) for key in ("Requires", "Requires.private"))
        kept = [requirement for requirement in public if requirement.split()[0] in own]
        moved = [requirement for requirement in (*public, *private) if requirement not in kept]
        text = re.sub(r"^(Requires|Requires\.private|Libs\.private|Cflags\.private)\s*:.*\n?", "", text, flags=re.M)
        lines = [
            f"{key}: {', '.join(value)}" for key, value in (("Requires", kept), ("Requires.private", moved)) if value
        ]
        text = "\n".join([text.rstrip(), *lines, ""]) if lines else text
    return text


def split_requirements(value: str) -> list[str]:
    """Return the requirements in a field of a .pc file: `glib-2.0 >= 2.52`, `zlib`; commas and blanks separate them.

    A comment after them is left out.
    """
    value = value.partition("#")[0]
    return [" ".join(filter(None, match.groups())) for match in _REQUIREMENT.finditer(value)]


def _list_candidates(source: Path) -> dict[str, str]:
    """Return the files of a source that are named like a license, those nearest to the top first, as details of an error."""
    paths = [
        path.relative_to(source) for path in source.rglob("*") if _LICENSE_NAME.match(path.name) and path.is_file()
    ]
    names = [path.as_posix() for path in sorted(paths, key=lambda path: (len(path.parts), path))]
    return {"named like a license": ", ".join(names[:_SHOWN]) or "none"}


def _list_folders(source: Path) -> list[str]:
    """Return the folders of a source that has nothing else at its top; empty if it has files as well."""
    entries = list(source.iterdir())
    return sorted(path.name for path in entries) if all(path.is_dir() for path in entries) else []


def describe_library(recipe: ResolvedRecipe, source: Path) -> Library:
    """Return the facts about the library that a recipe builds, with the license texts in its source tree.

    Raises BuildError when a license file is not in `source`; if that consists of several folders, the error names them.
    """
    texts, titles = {}, [Path(name).name for name in recipe.license.files]
    for name in recipe.license.files:
        try:
            if leads_out(source / name, source):
                raise UnusableFile(source / name, "is a link that leads out of the source")
            title = Path(name).name if titles.count(Path(name).name) == 1 else name.replace("/", "-")
            texts[title] = read_file(source / name, _LARGEST_TEXT)
        except (UnusableFile, FileNotFoundError) as error:
            if len(folders := _list_folders(source)) > 1:
                raise BuildError(
                    f"{recipe.label}: the archive holds {len(folders)} folders, not one with the source",
                    details={"folders": ", ".join(folders[:_SHOWN]), "missing": name},
                    hint="name the folder of the library in `subdir` of [build] and in `files` of `license`",
                ) from None
            raise BuildError(
                f"{recipe.label}: the license file '{name}' is not in the source",
                details={"reason": error} if isinstance(error, UnusableFile) else _list_candidates(source),
                hint="correct `files` in `license` of the recipe; if the source has no license file, add one in `overlay/`",
            ) from None
    return Library(
        name=recipe.name,
        version=recipe.version,
        license=recipe.license.spdx,
        linkage=recipe.linkage.value,
        requires=recipe.requires,
        files=tuple(f"lib{name}" for name in recipe.products.libraries),
        exports=recipe.products.exports or None,
        url=next(iter(recipe.source.urls), ""),
        sha256=recipe.source.sha256,
        patches=tuple(patch.label for patch in recipe.source.patches),
        cpe=recipe.cpe,
        packaging=recipe.source.packaging,
        texts=texts,
        features=recipe.features,
    )
