"""The default directory of the store."""

from __future__ import annotations

import pwd
from typing import Never

import pytest
from everywheel.errors import MachineError
from everywheel.store.local import default_store


def test_a_user_without_a_home_directory_has_to_name_a_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container that runs as an arbitrary user has neither HOME nor an entry in the user database."""

    def find_no_user(uid: int) -> Never:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", find_no_user)
    for name in ("EVERYWHEEL_STORE", "HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)

    with pytest.raises(MachineError) as caught:
        default_store()
    monkeypatch.setenv("EVERYWHEEL_STORE", "/somewhere")

    assert caught.value.hint == "set EVERYWHEEL_STORE or HOME to a directory"
    assert str(default_store()) == "/somewhere"
