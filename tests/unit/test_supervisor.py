"""The supervisor: however a builder ends, everything that it started ends, and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from everywheel.errors import MachineError
from everywheel.execution.child import start_child
from everywheel.execution.process import run_command

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

# A builder whose thread runs a command with descendants: in the same session, in another one, and orphaned.
DESCENDANTS = "sleep 61 & setsid sleep 62 & (sleep 63 &) ; (setsid sleep 64 &) ; echo $$ > ready; wait"
SLEEPING = ["sleep 61", "sleep 62", "sleep 63", "sleep 64"]
BUILDER = """
import os, sys, threading
from everywheel.execution.process import run_command
script, may_prompt = sys.argv[1], sys.argv[2] == "prompt"
threading.Thread(target=run_command, args=[["/bin/sh", "-c", script]], kwargs={"may_prompt": may_prompt}).start()
"""


def list_in_folder(folder: Path) -> dict[int, str]:
    """Return the command lines of the living processes whose working directory is a folder, by process id."""
    processes = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cwd").readlink() == folder:
                processes[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
        except OSError:
            continue
    return processes


def wait_until_empty(folder: Path, seconds: float) -> dict[int, str]:
    """Return the processes that are left in a folder after some seconds, or earlier if none is."""
    deadline = time.monotonic() + seconds
    while (left := list_in_folder(folder)) and time.monotonic() < deadline:
        time.sleep(0.01)
    return left


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder whose processes are ended after the test, also when it fails."""
    yield tmp_path
    for pid in list_in_folder(tmp_path):
        os.kill(pid, signal.SIGKILL)


def wait_for_descendants(folder: Path) -> None:
    """Wait until every descendant has become its last program: shells and setsid start them.

    The processes of the machine are listed only after the shell has started all: lists are slow, and delay its start.
    """
    deadline = time.monotonic() + 60
    while not (folder / "ready").exists() or list_sleeping(folder) != SLEEPING:
        assert time.monotonic() < deadline, list_in_folder(folder)
        time.sleep(0.01)


def list_sleeping(folder: Path) -> list[str]:
    return sorted(
        command
        for command in list_in_folder(folder).values()
        if "sleep 6" in command and "/bin/sh" not in command and "python" not in command
    )


def start_builder(folder: Path, mode: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", BUILDER, DESCENDANTS, mode], cwd=folder, start_new_session=True)
    wait_for_descendants(folder)
    return process


def test_nothing_survives_a_killed_builder(folder: Path) -> None:
    start_builder(folder, "build").kill()

    assert wait_until_empty(folder, 3) == {}


def test_nothing_survives_a_killed_process_group(folder: Path) -> None:
    process = start_builder(folder, "build")
    os.killpg(process.pid, signal.SIGKILL)

    assert wait_until_empty(folder, 3) == {}


def test_a_command_on_the_terminal_ends_with_its_builder_but_its_agents_stay(folder: Path) -> None:
    """Agents are processes that detach themselves, such as gpg-agent."""
    start_builder(folder, "prompt").kill()
    deadline = time.monotonic() + 3
    while len(list_in_folder(folder)) > 2 and time.monotonic() < deadline:
        time.sleep(0.01)

    assert sorted(list_in_folder(folder).values()) == ["sleep 63", "sleep 64"]


def test_the_descendants_of_a_killed_command_end_with_it(folder: Path) -> None:
    with Path(os.devnull).open("r+b") as nothing:
        child = start_child(
            ["/bin/sh", "-c", DESCENDANTS], cwd=folder, env=None, streams=(nothing.fileno(),) * 3, own_session=True
        )
        wait_for_descendants(folder)
        with child:
            child.kill()
            assert child.wait(3) == -signal.SIGKILL
    # What detached itself from the command ends with the builder.
    assert set(list_in_folder(folder).values()) <= {"sleep 64"}


def test_commands_get_the_default_handling_of_signals() -> None:
    script = "import signal; print([n for n in signal.Signals if signal.getsignal(n) == signal.SIG_IGN])"

    ignored = run_command([sys.executable, "-c", script]).output
    status = run_command(["/bin/sh", "-c", "grep SigIgn /proc/self/status; grep SigBlk /proc/self/status"]).output

    assert ignored == "[<Signals.SIGPIPE: 13>, <Signals.SIGXFSZ: 25>]\n"  # Python itself ignores these
    assert set(status.split()) == {"SigIgn:", "SigBlk:", "0" * 16}


def test_commands_inherit_no_other_files() -> None:
    assert run_command(["/bin/sh", "-c", "ls /proc/self/fd"]).output.split() == ["0", "1", "2", "3"]  # 3 is the folder


def test_arguments_and_variables_are_passed_unchanged() -> None:
    value = "ä \udcff'\"$\n"

    result = run_command(["/bin/sh", "-c", 'printf "%s|%s" "$1" "$V"', "sh", value], env={"V": value, "PATH": "/bin"})

    assert result.stdout == os.fsencode(f"{value}|{value}")


def test_a_large_request_is_received_whole() -> None:
    environment = {**os.environ, **{f"V{number}": "x" * 100_000 for number in range(10)}}

    assert run_command(["/bin/sh", "-c", "printf %s $V9 | wc -c"], env=environment).output.strip() == "100000"


@pytest.mark.parametrize(
    ("args", "cwd", "error", "filename"),
    [
        (["no-such-program"], "/", FileNotFoundError, "no-such-program"),
        (["/etc/passwd"], "/", PermissionError, "/etc/passwd"),
        (["true"], "/no/such/folder", FileNotFoundError, "/no/such/folder"),
    ],
)
def test_the_error_of_a_command_that_cannot_start_names_the_file(
    args: list[str], cwd: str, error: type[OSError], filename: str
) -> None:
    with pytest.raises(error) as caught:
        run_command(args, cwd=Path(cwd))

    assert caught.value.filename == filename


def test_exit_codes_are_those_of_the_command() -> None:
    scripts = ("exit 0", "exit 255", "kill -TERM $$", "kill -SEGV $$")

    assert [run_command(["/bin/sh", "-c", script]).exit_code for script in scripts] == [0, 255, -15, -11]


def test_threads_run_commands_at_the_same_time(tmp_path: Path) -> None:
    """Each command waits until all of them have begun, for about two minutes."""
    codes = []
    wait = "touch $0; for i in $(seq 600); do [ $(ls | wc -l) = 20 ] && exit $0; sleep 0.2; done; exit 99"

    def work(number: int) -> None:
        codes.append(run_command(["/bin/sh", "-c", wait, str(number)], cwd=tmp_path).exit_code)

    threads = [threading.Thread(target=work, args=[number]) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(codes) == list(range(20))


def test_a_killed_supervisor_is_an_error_and_its_commands_end(folder: Path) -> None:
    script = (
        "import sys; from everywheel.execution.process import run_command; from everywheel.errors import MachineError\n"
    )
    script += "try: run_command(['/bin/sh', '-c', 'kill -KILL $PPID; exec sleep 61'])\n"
    script += "except MachineError as error: print(error.fact)\n"

    result = subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=True)

    assert result.stdout == "the process that starts commands was killed\n"
    assert wait_until_empty(folder, 3) == {}
    assert MachineError.exit_code == 7


def test_a_stopped_supervisor_ends_its_commands_too(folder: Path) -> None:
    script = (
        "import os, signal; from everywheel.execution.child import start_child, stop_supervisors\n"
        "start_child(['sleep', '61'], cwd=None, env=None, streams=(0, 1, 2), own_session=True)\n"
        "os.kill(int(open(f'/proc/self/task/{os.getpid()}/children').read()), signal.SIGSTOP)\n"
        "stop_supervisors()\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=folder, check=True)

    assert wait_until_empty(folder, 3) == {}


def test_a_limit_of_open_files_is_an_error_of_the_command() -> None:
    script = (
        "import resource; from everywheel.execution.process import run_command\n"
        "from everywheel.execution.child import start_child\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (14, 14))\n"
        "children = []\n"
        "try:\n"
        "    while True:\n"
        "        child = start_child(['sleep', '61'], cwd=None, env=None, streams=(0, 1, 2), own_session=True)\n"
        "        children.append(child)\n"
        "except OSError as error: print(error.strerror)\n"
    )

    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert result.stdout == "Too many open files\n"
