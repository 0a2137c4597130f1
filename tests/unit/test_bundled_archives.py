"""Archives that a shared library of the prefix contains are removed, unless the extension itself is linked to them."""

from __future__ import annotations

from pathlib import Path

from everywheel.config.project import load_project
from everywheel.planning.plan import make_plan
from everywheel.planning.step_keys import Identities
from everywheel.wheels.build_env import remove_bundled_archives


def test_only_archives_that_the_extension_requires_stay_next_to_shared_libraries(tmp_path: Path) -> None:
    project = load_project(Path(__file__).parents[2])
    target = next(target for target in project.targets if target.tag == "manylinux_2_17_x86_64")
    plan = make_plan(project, [target], Identities(artifacts="a", toolchain="t", packaging="p"))
    (tmp_path / "lib").mkdir()
    for name in ("glib-2.0", "jpeg", "lcms2", "png16", "z"):
        (tmp_path / "lib" / f"lib{name}.a").touch()

    remove_bundled_archives(plan, tuple(plan.libraries.values()), tmp_path, keep=("libvips", "libpng", "zlib"))

    assert sorted(path.name for path in (tmp_path / "lib").iterdir()) == ["libpng16.a", "libz.a"]
