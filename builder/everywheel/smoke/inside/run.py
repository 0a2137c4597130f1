"""Program that runs in a smoke image and requires only Python: install a wheel, import its modules, run the smoke command.

It ends with writing a report.
The only argument is the request (`protocol.py`). The folders next to this file's folder are `pip`, `wheels` (the wheel's
own requirements) and `site` (the requirements of the smoke command).
"""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from everywheel.smoke.inside.protocol import SmokeReport, SmokeRequest, Stage, StageResult, read_imports
    from everywheel.smoke.inside.site.loaded import list_loaded
else:
    sys.path.append(str(Path(__file__).parent / "site"))
    from loaded import list_loaded
    from protocol import SmokeReport, SmokeRequest, Stage, StageResult, read_imports

SITE = Path(__file__).parent / "site"
ROOT = Path(__file__).parents[1]
# `sitecustomize` writes into these: one file for each process, with the libraries that it loaded.
IMPORT_MAPS, COMMAND_MAPS, INTERPRETER_MAPS = (Path("/tmp") / n for n in ("import-maps", "maps", "interpreter-maps"))
IMPORTS, EMPTY = Path("/tmp/imports.json"), Path("/tmp/empty")
_TICK = 0.05  # seconds between two looks at the child and at standard input
MAPS_VARIABLE = "EVERYWHEEL_MAPS"
# Libraries that the interpreter's own modules load belong to the system, not to the wheel.
IMPORT_ALL = """
import importlib, pathlib, sys
for folder in sys.path:
    for path in pathlib.Path(folder).glob("*.so") if folder.endswith("lib-dynload") else ():
        name = path.name.partition(".")[0]
        if "test" not in name:
            try:
                importlib.import_module(name)
            except Exception:
                pass
"""


def find_libc() -> tuple[str, tuple[int, ...]]:
    """Return name and version of the C library, such as `("glibc", (2, 36))`; the version is empty if it is unknown."""
    try:
        return "glibc", parse_version(os.confstr("CS_GNU_LIBC_VERSION") or "")
    except (ValueError, OSError):
        loader = next(iter(Path("/lib").glob("ld-musl-*.so.1")), None)
        # musl's loader prints its version when it is started as a program.
        output = subprocess.run([loader], capture_output=True, text=True, check=False).stderr if loader else ""
        return "musl", parse_version(next((line for line in output.splitlines() if line.startswith("Version")), ""))


def parse_version(text: str) -> tuple[int, ...]:
    """Return the first version number in a text, such as `glibc 2.36`."""
    match = re.search(r"\d+(?:\.\d+)+", text)
    return tuple(map(int, match[0].split("."))) if match else ()


def run_stage(
    stage: Stage, command: Sequence[str], environment: Mapping[str, str], folder: Path | None = None
) -> StageResult:
    """Run one command to its end; at most the last 20,000 characters of its output are kept."""
    began = time.monotonic()
    process = subprocess.run(
        command,
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    output = process.stdout.decode(errors="replace")[-20000:]
    return StageResult(stage=stage, exit_code=process.returncode, output=output, seconds=time.monotonic() - began)


def install_wheel(request: SmokeRequest, environment: Mapping[str, str]) -> StageResult:
    """Install the wheel with pip as a user does: any wheel that pip accepts on this system, and never an sdist."""
    source = ["--index-url", request.index, "--only-binary", ":all:"] if request.index else ["--no-index"]
    command = [
        sys.executable,
        str(ROOT / "pip" / "pip"),
        "install",
        *source,
        "--find-links",
        str(ROOT / "wheels"),
        "--target",
        request.site,
        "--no-compile",
        "--no-cache-dir",
        "--disable-pip-version-check",
        "--root-user-action=ignore",
        "--quiet",
        request.requirement,
    ]
    return run_stage(Stage.INSTALL, command, environment)


def import_modules(request: SmokeRequest, environment: Mapping[str, str]) -> StageResult:
    """Import the modules of the wheel in an empty directory, where nothing of the project can be found."""
    program = str(Path(__file__).with_name("import_modules.py"))
    command = [*request.emulator, sys.executable, program, str(IMPORTS), *request.modules]
    return run_stage(Stage.IMPORT, command, {**environment, MAPS_VARIABLE: str(IMPORT_MAPS)}, EMPTY)


def run_smoke_command(request: SmokeRequest, environment: Mapping[str, str]) -> StageResult:
    """Run the smoke command; `python` in it is the interpreter that runs this program."""
    command = [sys.executable if argument == "python" else argument for argument in request.command]
    return run_stage(Stage.TEST, [*request.emulator, *command], environment)


def is_promised(path: str, promised: set[str]) -> bool:
    """Return whether each system of the platform tag has a library; glibc's plugins come with glibc.

    These are those of nsswitch.conf, and those of iconv() in the folder `gconv`. The name is that which a link with
    the soname leads to: `libstdc++.so.6.0.33`, and `librt-2.31.so` in older versions of glibc, whose soname is `librt.so.1`.
    """
    folder, _, file = path.rpartition("/")
    if folder.endswith("/gconv"):
        return True
    if file.startswith("libnss_") or any(file == soname or file.startswith(f"{soname}.") for soname in promised):
        return True
    old = re.match(r"(lib\w+)-2\.\d+\.so$", file)
    return old is not None and any(soname.startswith(f"{old[1]}.so.") for soname in promised)


def find_unexpected(request: SmokeRequest, environment: Mapping[str, str]) -> list[str]:
    """Return the paths of libraries that imports and command loaded and that the request does not allow.

    Libraries of this interpreter are allowed. Those of its extension modules are determined only if others remain, since
    importing all of these under an emulator takes longer than the tests of many wheels.
    """
    own_libraries, promised = list_loaded(), set(request.promised_libraries)
    unexpected = {
        path
        for path in (read_maps(IMPORT_MAPS) | read_maps(COMMAND_MAPS)) - own_libraries
        if not path.startswith(request.allowed_folders) and not is_promised(path, promised)
    }
    if unexpected:
        subprocess.run(
            [sys.executable, "-c", IMPORT_ALL],
            env={**environment, MAPS_VARIABLE: str(INTERPRETER_MAPS)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    return sorted(unexpected - read_maps(INTERPRETER_MAPS))


def read_maps(folder: Path) -> set[str]:
    """Return the paths of the libraries that any process had loaded, from the files of `sitecustomize`."""
    return {line for file in folder.iterdir() for line in file.read_text().splitlines()}


def end_with_builder() -> None:
    """Continue in a child process, while this one waits, which is the first of the container.

    It ends with the child, or at the end of a standard input that was open: the builder has ended then, and the container ends
    with its first process. A thread could wait as well, but programs with threads hang in fork() under QEMU.
    """
    if not hasattr(os, "fork") or sys.stdin is None:
        return
    child = os.fork()
    if child == 0:
        return
    is_attached, is_open = False, True
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            os._exit(status >> 8 if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
        if not is_open:
            select.select([], [], [], _TICK)
        elif select.select([sys.stdin], [], [], _TICK)[0]:
            is_open = bool(os.read(sys.stdin.fileno(), 1))
            if is_attached and not is_open:
                os._exit(1)
            is_attached = is_open


def run_stages(request: SmokeRequest) -> Iterator[StageResult]:
    """Run the stages of a smoke test; the first that fails is the last."""
    environment = dict(os.environ)
    yield (result := install_wheel(request, environment))
    environment = make_test_environment(request)
    if result.exit_code == 0 and request.modules:
        yield (result := import_modules(request, environment))
    if result.exit_code == 0 and request.command:
        yield run_smoke_command(request, environment)


def make_test_environment(request: SmokeRequest) -> dict[str, str]:
    """Return the environment of imports and command: neither finds the wheel's packages in the project's folder."""
    return {
        **os.environ,
        "PYTHONPATH": f"{request.site}:{ROOT / 'site'}:{SITE}",
        "PYTHONSAFEPATH": "1",  # since 3.11
        "EVERYWHEEL_SITE": request.site,
        "PYTEST_ADDOPTS": "-p no:cacheprovider",
        MAPS_VARIABLE: str(COMMAND_MAPS),
    }


def list_recorded(request: SmokeRequest) -> set[str]:
    """Return all libraries that were loaded; none if the smoke command is a program that recorded none."""
    recorded = read_maps(COMMAND_MAPS)
    return recorded | read_maps(IMPORT_MAPS) if recorded or not request.command else set()


def main() -> None:
    end_with_builder()
    request = SmokeRequest.from_argument(sys.argv[1])
    for folder in (IMPORT_MAPS, COMMAND_MAPS, INTERPRETER_MAPS, EMPTY):
        folder.mkdir()
    stages = tuple(run_stages(request))
    unexpected = find_unexpected(request, make_test_environment(request)) if len(stages) > 1 else []
    libc, libc_version = find_libc()
    report = SmokeReport(
        python=".".join(map(str, sys.version_info[:3])),
        libc=libc,
        libc_version=libc_version,
        stages=stages,
        loaded_libraries=tuple(sorted({path.rpartition("/")[2] for path in list_recorded(request)})),
        unexpected_libraries=tuple(unexpected),
        imports=read_imports(IMPORTS),
    )
    report.write(Path(request.report))


if __name__ == "__main__":
    main()
