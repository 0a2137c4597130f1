"""The smoke matrix: each wheel on each system that it claims, run for real, or said plainly why it was not."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from builder.audit.content import open_content
from builder.audit.policy import load_policy
from builder.disk import hash_file
from builder.emulation import FAST_CPUS, check_emulation, find_emulator
from builder.errors import EverywheelError, UsageError
from builder.execute import Outcome, Result, Task, Watcher, execute
from builder.images.catalog import Catalogue, SmokeImage
from builder.images.supply import Supply
from builder.jobs import JobPool
from builder.project import Project
from builder.run import excerpt
from builder.runtime import Ended, Job, Runtime, is_native
from builder.smoke.explain import Failure, Place, explain
from builder.smoke.floor import check_floor
from builder.smoke.python import Beside, ensure_beside, ensure_python
from builder.store import Store
from builder.target import Target, parse_target
from builder.tools import Tools
from builder.wheel import split_filename

_INSIDE = Path(__file__).with_name("inside")
_ROOM = PurePosixPath("/everywheel")


class State(StrEnum):
    """How one cell is: `static` means that the symbols were checked and nothing was run, `broken` that nothing could be."""

    PASSED = "passed"
    FAILED = "failed"
    STATIC = "static only"
    BROKEN = "could not run"
    UNCLAIMED = "not claimed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One wheel on one image.

    `seconds` is the container's wall time, `test_seconds` that of the smoke command in it; `why` is one sentence,
    `evidence` the lines behind it; `found` is the C library that was there, `loaded` names all libraries that the command
    loaded, and `libraries` those of them from outside wheel, interpreter and promise.
    """

    wheel: str
    target: str
    image: str
    libc: str
    arch: str
    state: State
    emulated: bool = False
    cpu: str = ""
    python: str = ""
    seconds: float = 0.0
    test_seconds: float = 0.0
    why: str = ""
    evidence: tuple[str, ...] = ()
    found: str = ""
    loaded: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What every cell of one run shares; `timeout` in seconds, `memory` and `scratch` in bytes, for one container.

    With an `index`, a package index's address, the project is installed by name from there instead of from the file.
    """

    project: Project
    catalogue: Catalogue
    runtime: Runtime
    store: Store
    tools: Tools
    supply: Supply
    timeout: float = 900.0
    memory: int = 2 << 30
    scratch: int = 1 << 30
    offline: bool = False
    index: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """A cell that is to be run: a wheel, its target, an image."""

    wheel: Path
    target: Target
    image: SmokeImage

    @property
    def id(self) -> str:
        return f"{self.wheel.name} on {self.image.name}"


def pair(wheels: Sequence[Path], images: Sequence[SmokeImage]) -> tuple[Pairing, ...]:
    """Return every pair of a wheel and an image that it claims to run on.

    Raises UsageError for what is no wheel for Linux, and for two wheels of one name.
    """
    pairs = []
    named: dict[str, Path] = {}
    for wheel in dict.fromkeys(wheels):
        if named.setdefault(wheel.name, wheel) != wheel:
            raise UsageError(
                f"two wheels are called {wheel.name}", details={"one": named[wheel.name], "other": wheel},
                hint="try them one after the other",
            )  # fmt: skip
        target = wheel_target(wheel)
        pairs += [Pairing(wheel=wheel, target=target, image=image) for image in images if image.is_claimed_by(target)]
    return tuple(pairs)


def wheel_target(wheel: Path) -> Target:
    """Return the target that a wheel's file name claims; raise UsageError for a file that is no wheel for Linux."""
    if not wheel.is_file():
        raise UsageError(f"{wheel}: no such file", hint="name a finished wheel, such as wheelhouse/*.whl")
    try:
        tag = split_filename(wheel.name)[-1].split(".")[0]
    except ValueError as error:
        raise UsageError(f"{wheel}: {error}", hint="name a wheel (PEP 427)") from None
    if tag == "any":
        raise UsageError(f"{wheel}: a pure wheel claims no system in particular", hint="name wheels for Linux")
    return parse_target(tag)


def name_columns(cells: Sequence[Cell]) -> dict[str, str]:
    """Return what to call each wheel: its target, with the Python that it is for where two wheels have the same."""
    targets = {cell.wheel: cell.target for cell in cells}
    shared = {target for target in targets.values() if list(targets.values()).count(target) > 1}
    return {
        wheel: f"{'-'.join(split_filename(wheel)[-3:-1])} {target}" if target in shared else target
        for wheel, target in targets.items()
    }


def is_for_python(wheel: str, version: str) -> bool:
    """Tell whether a wheel's tags take a CPython of a version such as `3.13` (PEP 425; every system's own has a GIL)."""
    minor = int(version.split(".")[1])
    *_, pythons, abis, _ = split_filename(wheel)
    for python in pythons.split("."):
        for abi in abis.split("."):
            match = re.fullmatch(r"cp3(\d+)", python)
            if match is None:
                if python in ("py3", f"py3{minor}") and abi in ("none", "abi3"):
                    return True
            elif abi == "abi3" or (abi == "none" and int(match[1]) <= minor):
                if int(match[1]) <= minor:
                    return True
            elif abi == f"cp3{minor}" and int(match[1]) == minor:
                return True
    return False


def smoke_matrix(pairs: Sequence[Pairing], bench: Bench, jobs: int, watcher: Watcher) -> tuple[Cell, ...]:
    """Run every pair, as many at a time as there are jobs, and return a cell for each, in the order of the pairs."""
    cells: dict[str, Cell] = {}
    lock = threading.Lock()

    def work(one: Pairing) -> Callable[[Callable[[str], None]], Outcome | None]:
        def run(tell: Callable[[str], None]) -> None:
            cell = smoke_cell(one, bench, tell)
            with lock:
                cells[one.id] = cell
            if cell.state in (State.FAILED, State.BROKEN):
                raise EverywheelError(cell.why)

        return run

    # The slow ones first: an emulated one that comes last keeps one core busy and the others idle.
    tasks = [
        Task(id=one.id, label=one.id, requires=(), priority=0.0 if is_native(one.target.arch) else 1.0, work=work(one))
        for one in pairs
    ]
    with TemporaryDirectory(prefix="everywheel-") as folder, JobPool(Path(folder) / "jobs", jobs) as pool:
        results = {result.id: result for result in execute(tasks, pool, watcher)}
    return tuple(cells.get(one.id) or _broken(one, results[one.id]) for one in pairs)


def _broken(one: Pairing, result: Result) -> Cell:
    error = result.error.render().splitlines() if result.error is not None else []
    return _cell(one, State.BROKEN, why=result.error.fact if result.error else "", evidence=tuple(error))


def _cell(one: Pairing, state: State, **more: Any) -> Cell:
    arch = one.target.arch
    return Cell(
        wheel=one.wheel.name, target=one.target.tag, image=one.image.name, libc=one.image.libc_words, arch=arch.name,
        state=state, emulated=not is_native(arch) or bool(one.image.cpu), cpu=one.image.cpu.get(arch.name, ""), **more,
    )  # fmt: skip


def smoke_cell(one: Pairing, bench: Bench, tell: Callable[[str], None]) -> Cell:
    """Run one wheel on one image and judge what came out of it."""
    tell("image")
    supplied = bench.supply.find(one.image, one.target.arch)
    own = supplied.python
    portable = bench.catalogue.pythons.get(one.image.libc)
    why = supplied.why
    if supplied.reference and not own and (portable is None or one.target.arch.name not in portable.sha256):
        why = f"the image has no Python, and no portable one is for {one.target.arch.name}"
    if supplied.reference == "" or why:
        tell("symbols")
        evidence = check_floor(one.wheel, one.target, one.image.libc_version, bench.tools, bench.store)
        state = State.FAILED if evidence.missing else State.STATIC
        return _cell(one, state, why=evidence.words, evidence=(why, *evidence.lines))
    version = own or (portable.version if portable is not None else "")
    if not is_for_python(one.wheel.name, version):
        return _cell(one, State.UNCLAIMED, why=f"its tags are for another Python than {version}")
    if not one.image.cpu:
        check_emulation(one.target.arch)
    tell("interpreter")
    beside = ensure_beside(
        one.wheel, bench.project.smoke.requires, one.target, one.image.libc_version, version, bench.store,
        offline=bench.offline,
    )  # fmt: skip
    python = None
    if not own and portable is not None:
        python = ensure_python(portable, one.target, bench.project, bench.store, offline=bench.offline)
    tell("run")
    with TemporaryDirectory(dir=bench.store.root / "tmp") as folder:
        Path(folder).chmod(0o777)
        job = _job(one, bench, supplied.reference, beside, python, Path(folder), version)
        ended = bench.runtime.run(job)
        result = Path(folder) / "result.json"
        told = json.loads(result.read_text()) if result.is_file() else None
    return judge(one, ended, told)


def _job(
    one: Pairing, bench: Bench, reference: str, beside: Beside, python: Path | None, result: Path, version: str
) -> Job:
    arch, cpu = one.target.arch, one.image.cpu.get(one.target.arch.name, "")
    through: tuple[str, ...] = ()
    environment = {"HOME": "/tmp", "LC_ALL": "C.UTF-8", "PYTHONPYCACHEPREFIX": str(_ROOM / "cache")}
    mounts = {
        _INSIDE: _ROOM / "inside",
        **{path: _ROOM / name for name, path in beside.places.items()},
        one.wheel.absolute(): _ROOM / "wheel" / one.wheel.name,
        bench.project.root: PurePosixPath("/project"),
    }
    if cpu and is_native(arch):
        mounts[find_emulator(arch)] = _ROOM / "qemu"
        through = (str(_ROOM / "qemu"), "-cpu", cpu)
    elif cpu or (not is_native(arch) and arch.name in FAST_CPUS):
        environment["QEMU_CPU"] = cpu or FAST_CPUS[arch.name]
    if python is None:
        interpreter = "python3"
    else:
        mounts[python] = PurePosixPath("/python")
        interpreter = f"/python/bin/python{version}"
        environment["PYTHONHOME"] = "/python"
    # Its own place for each wheel: bytecode of one must never be taken for another's.
    site = f"/tmp/site-{hash_file(one.wheel)[:12]}"
    policy = load_policy(one.target.tag)
    name, number, *_ = split_filename(one.wheel.name)
    order = {
        "wheel": f"{name}=={number}" if bench.index else str(_ROOM / "wheel" / one.wheel.name),
        "index": bench.index,
        "site": site,
        "command": list(bench.project.smoke.command),
        "through": list(through),
        "result": str(_ROOM / "result" / "result.json"),
        "places": [f"{site}/", f"{_ROOM}/", "/python/"],
        "promised": sorted(policy.libraries) if policy is not None else [],
    }
    return Job(
        image=reference,
        arch=arch,
        command=(interpreter, str(_ROOM / "inside" / "run.py")),
        mounts=mounts,
        writable={result: _ROOM / "result", beside.cache: _ROOM / "cache"},
        environment={**environment, "EVERYWHEEL_ORDER": json.dumps(order)},
        cwd=PurePosixPath("/project"),
        timeout=bench.timeout,
        memory=bench.memory,
        scratch=bench.scratch,
        network=bool(bench.index),
    )


def judge(one: Pairing, ended: Ended, told: dict[str, Any] | None) -> Cell:
    """Make a cell of how a container ended and what the script inside wrote down, if it came to that."""
    cpu = one.image.cpu.get(one.target.arch.name, "")
    if told is None:
        words = ended.reason if ended.reason.startswith("it ") else ""
        failure = Failure(
            stage="start", exit_code=ended.exit_code, output=f"{ended.reason}\n{ended.output}", reason=words
        )
        return _cell(one, State.FAILED, seconds=ended.seconds,
                     why=explain(failure, Place(target=one.target, image=one.image, cpu=cpu)),
                     evidence=tuple(excerpt(failure.output)))  # fmt: skip
    facts: dict[str, Any] = {
        "python": told["python"],
        "seconds": round(ended.seconds, 2),
        "test_seconds": round(next((s["seconds"] for s in told["stages"] if s["stage"] == "test"), 0.0), 2),
    }
    facts["found"] = told["libc"]
    facts["loaded"] = tuple(told["loaded"])
    last = told["stages"][-1]
    if last["exit"] != 0 and "unable to find CPU model" in last["output"]:
        return _cell(
            one, State.BROKEN, why=f"QEMU knows no processor '{cpu}'", evidence=tuple(excerpt(last["output"])), **facts
        )
    if last["exit"] != 0:
        failure = Failure(stage=last["stage"], exit_code=last["exit"], output=last["output"], reason=ended.reason)
        place = Place(target=one.target, image=one.image, cpu=cpu, needed=list_needed(one.wheel))
        return _cell(
            one, State.FAILED, why=explain(failure, place), evidence=tuple(excerpt(last["output"])[:12]), **facts
        )
    if not _same_libc(one.image, told["libc"]):
        why = f"the image has {told['libc']}, its entry in the catalogue says {one.image.libc_words}"
        return _cell(one, State.BROKEN, why=why, **facts)
    if not told["loaded"]:
        why = "nobody could see what it loaded: the smoke command must be a Python that reads its site"
        return _cell(one, State.BROKEN, why=why, **facts)
    if told["strange"] and not one.image.packages:
        why = f"it loaded {', '.join(told['strange'])} from the system, which {one.target.wheel_tag} does not promise"
        return _cell(one, State.FAILED, why=why, libraries=tuple(told["strange"]), **facts)
    told_last = tuple(last["output"].strip().splitlines()[-1:])
    # On an image with further packages they are what the wheel is to find there.
    return _cell(one, State.PASSED, evidence=told_last, libraries=tuple(told["strange"]), **facts)


def list_needed(wheel: Path) -> frozenset[str]:
    """Return the names of all libraries that files in a wheel need; nothing for a wheel that cannot be read."""
    content, _ = open_content(wheel) if wheel.is_file() else (None, ())
    return (
        frozenset(name for elf in content.elves.values() for name in elf.needed) if content is not None else frozenset()
    )


def _same_libc(image: SmokeImage, told: str) -> bool:
    name, _, version = told.partition(" ")
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    return name == image.libc and numbers >= image.libc_version[:2]
