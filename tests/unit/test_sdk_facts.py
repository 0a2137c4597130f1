"""The facts about an SDK: the names of its archive and packages, and its static archives."""

from __future__ import annotations

from dataclasses import replace

import pytest
from everywheel.errors import BuildError
from everywheel.libraries.library_facts import Library
from everywheel.platforms.target import parse_target
from everywheel.sdk.archive_symbols import check_archives
from everywheel.sdk.cmake_packages import write_packages
from everywheel.sdk.contents import Entry, SdkFacts, SdkFile, arrange
from everywheel.sdk.documents import SBOM
from everywheel.sdk.packages import make_npm_package, make_wheel
from everywheel.sdk.pkgconfig import read_fields, read_variables, write_modules


def make_facts(profile: str, target: str) -> SdkFacts:
    library = Library(name="libfoo", version="1.0", license="0BSD", linkage="shared")
    return SdkFacts(
        name="libfoo",
        version="1.0",
        profile=profile,
        target=parse_target(target),
        roots=("libfoo",),
        modules={},
        libraries=(library,),
        archives={"libfoo": ("foo",)},
    )


@pytest.mark.parametrize(
    ("profile", "target", "archive", "module", "npm"),
    [
        ("", "manylinux2014_x86_64", "libfoo-1.0-manylinux2014_x86_64", "libfoo_sdk", "libfoo-sdk-linux-x64-1.0.tgz"),
        (
            "server",
            "musllinux_1_2_aarch64",
            "libfoo-server-1.0-musllinux_1_2_aarch64",
            "libfoo_server_sdk",
            "libfoo-server-sdk-linuxmusl-arm64-1.0.tgz",
        ),
        (
            "server",
            "win_amd64",
            "libfoo-server-1.0-win_amd64",
            "libfoo_server_sdk",
            "libfoo-server-sdk-win32-x64-1.0.tgz",
        ),
    ],
)
def test_a_chosen_profile_is_in_the_names(profile: str, target: str, archive: str, module: str, npm: str) -> None:
    facts = make_facts(profile, target)

    wheel = make_wheel({SBOM: SdkFile(data=b"{}")}, facts)

    assert (facts.title, wheel.name, make_npm_package({}, facts)[0]) == (archive, module, npm)
    assert f"{module}/__main__.py" in wheel.files


def test_a_library_without_an_archive_is_an_error() -> None:
    with pytest.raises(BuildError) as error:
        check_archives({}, make_facts("", "musllinux_1_2_x86_64"))

    assert error.value.render() == (
        "error: the SDK of libfoo 1.0 for musllinux_1_2_x86_64 has no archive of libfoo\n"
        "  file: lib/static/libfoo.a\n"
        "  hint: correct `libraries` in [products] of its recipe, or build it with `everywheel deps`"
    )


def test_an_import_library_has_the_names_that_each_linker_searches_for() -> None:
    library = SdkFile(data=b"imports")

    assert arrange({"lib/libbar.a": SdkFile(data=b"bar")}, {"lib/libfoo.dll.a": library}) == {
        "lib/static/libbar.a": SdkFile(data=b"bar"),
        "lib/libfoo.dll.a": library,
        "lib/foo.lib": library,
    }


def test_a_module_requires_shared_libraries_of_its_own_recipe_only() -> None:
    texts = {
        "i18n": "Requires: uc = 76.1, zlib, extra\nLibs: -li18n",
        "uc": "Requires: zlib\nLibs: -luc",
        "extra": "Libs: -lextra",  # an archive only
        "zlib": "Libs: -lz",
    }
    entries: dict[str, Entry] = {
        f"lib/pkgconfig/{name}.pc": SdkFile(data=text.encode()) for name, text in texts.items()
    }
    entries |= {f"lib/lib{name}.so": SdkFile(data=b"") for name in ("i18n", "uc", "z")}

    modules = write_modules(entries, {}, {"icu": ("i18n", "uc", "extra"), "zlib": ("zlib",)})

    def read(path: str) -> dict[str, str]:
        module = modules[path]
        assert isinstance(module, SdkFile)
        return read_fields(module.data.decode())

    i18n = read("lib/pkgconfig/i18n.pc")
    assert (i18n["Requires"], i18n["Requires.private"]) == ("uc = 76.1", "zlib, extra")
    assert "Requires" not in read("lib/pkgconfig/uc.pc")
    assert read("lib/static/pkgconfig/i18n.pc")["Requires"] == "uc = 76.1, zlib, extra"


def write_package(entries: dict[str, Entry], *modules: str) -> str:
    """Return the CMake package of a library with these modules."""
    facts = replace(make_facts("", "manylinux2014_x86_64"), modules={"libfoo": modules})
    package = write_packages(entries, facts)["lib/cmake/libfoo/libfoo-config.cmake"]
    assert isinstance(package, SdkFile)
    return package.data.decode()


def test_a_cmake_package_links_what_a_shared_library_requires_and_not_what_it_contains() -> None:
    texts = {
        "foo": "Requires: core >= 1.0\nRequires.private: zlib\nCflags: -DFOO\nLibs: -lfoo",
        "core": "Requires.private: zlib\nLibs: -lcore",
        "zlib": "Cflags: -DZ\nLibs: -lz",
    }
    entries: dict[str, Entry] = {
        f"lib/pkgconfig/{name}.pc": SdkFile(data=text.encode()) for name, text in texts.items()
    }
    entries |= {f"lib/lib{name}.so": SdkFile(data=b"") for name in texts}

    shared = write_package(entries, "foo").partition("add_library(libfoo::foo ")[2]

    assert 'INTERFACE_LINK_LIBRARIES "${_sdk}/lib/libfoo.so;${_sdk}/lib/libcore.so")\n' in shared
    assert 'INTERFACE_COMPILE_OPTIONS "-DFOO;-DZ"\n' in shared


def test_a_cmake_package_has_the_values_of_all_variables_of_a_flag() -> None:
    text = (
        "prefix=${pcfiledir}/../..\nincludedir=${prefix}/include\nabi=2\n"
        "Cflags: -I${includedir}/foo-${abi}\nLibs: -L${prefix}/lib -lfoo${abi}\n"
    )

    package = write_package({"lib/pkgconfig/foo.pc": SdkFile(data=text.encode())}, "foo")

    assert 'INTERFACE_INCLUDE_DIRECTORIES "${_sdk}/include/foo-2"\n' in package
    assert 'INTERFACE_LINK_LIBRARIES "-lfoo2")\n' in package


def test_variables_of_a_module_are_expanded_and_undefined_ones_are_empty() -> None:
    text = (
        "prefix=/usr\nexec_prefix=\nlib.dir = ${prefix}/lib\nloop=${other}x\nother=${loop}y\nextra=-lm -lpthread\n"
        "search=-L${lib.dir} -lbar\n"
        "Cflags: -I${prefix}/include/foo -I${pcfiledir}/../../include/bar -DA=${nothing}1 ${no-thing} -DB=${loop}\n"
        "Libs: ${search} ${lib.dir}/x.o ${exec_prefix} -lfoo ${extra}"
    )
    entries: dict[str, Entry] = {"lib/pkgconfig/foo.pc": SdkFile(data=text.encode())}

    package = write_package(entries, "foo").partition("add_library(libfoo::foo ")[2]

    assert 'INTERFACE_INCLUDE_DIRECTORIES "${_sdk}/include/foo;${_sdk}/lib/pkgconfig/../../include/bar"\n' in package
    assert 'INTERFACE_COMPILE_OPTIONS "-DA=1;-DB=yx"\n' in package
    assert 'INTERFACE_LINK_LIBRARIES "-lbar;${_sdk}/lib/x.o;-lfoo;-lm;-lpthread")\n' in package


def test_an_empty_variable_of_a_module_is_kept() -> None:
    text = "DEFS=\nprefix = /usr\n\nName: foo\nLibs: -lfoo\n"
    entries: dict[str, Entry] = {"lib/pkgconfig/foo.pc": SdkFile(data=text.encode())}

    module = write_modules(entries, {}, {"foo": ("foo",)})["lib/pkgconfig/foo.pc"]

    assert isinstance(module, SdkFile)
    assert read_variables(module.data.decode()) == {"DEFS": "", "prefix": "/usr"}
