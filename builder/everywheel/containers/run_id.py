"""The label of containers, which names the run that started them."""

from __future__ import annotations

import os
import platform
import uuid
from dataclasses import dataclass

RUN_LABEL = "org.everywheel.run"
"""The label of containers that everywheel started; its value is a `RunId`. (Containers inherit the labels of their image.)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunId:
    """The run that started a container: machine, process id and a random token."""

    machine: str
    process: int
    token: str

    @classmethod
    def create(cls) -> RunId:
        return cls(machine=platform.node(), process=os.getpid(), token=uuid.uuid4().hex[:12])

    @classmethod
    def parse(cls, label: str) -> RunId:
        machine, process, token = label.rsplit("/", 2)
        return cls(machine=machine, process=int(process), token=token)

    def __str__(self) -> str:
        return f"{self.machine}/{self.process}/{self.token}"

    def is_running(self, status: str) -> bool:
        """Return whether the run can still remove its container; for another machine, whether the container runs."""
        if self.machine != platform.node():
            return status == "running"
        try:
            os.kill(self.process, 0)
        except ProcessLookupError:
            return False
        except PermissionError:  # the process of another user
            return True
        return True
