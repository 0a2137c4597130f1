"""The names of an SDK's archive and packages: of the recipe, its profile, its version and the target."""

from __future__ import annotations

import pytest
from everywheel.libraries.library_facts import Library
from everywheel.platforms.target import parse_target
from everywheel.sdk.contents import SdkFacts, SdkFile
from everywheel.sdk.documents import SBOM
from everywheel.sdk.packages import make_npm_package, make_wheel


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
    library = Library(name="libfoo", version="1.0", license="0BSD", linkage="shared")
    facts = SdkFacts(
        name="libfoo",
        version="1.0",
        profile=profile,
        target=parse_target(target),
        roots=("libfoo",),
        modules={},
        libraries=(library,),
        archives={},
    )

    wheel = make_wheel({SBOM: SdkFile(data=b"{}")}, facts)

    assert (facts.title, wheel.name, make_npm_package({}, facts)[0]) == (archive, module, npm)
    assert f"{module}/__main__.py" in wheel.files
