"""The store of a command, with the lease that keeps `everywheel store gc` from removing what the command uses."""

from __future__ import annotations

import click

from everywheel.execution.temporary_files import check_temporary_directory
from everywheel.store.local import Store, default_store
from everywheel.toolchains.store_location import check_store_location


def open_store() -> Store:
    """Return the default store, and hold a lease on it until the command ends.

    Raises MachineError when the store cannot be created or written, when build tools cannot handle its path, when
    programs cannot be started in it, and when the directory for temporary files cannot be used.
    """
    check_temporary_directory()
    check_store_location(default_store())
    store = Store(default_store())
    click.get_current_context().with_resource(store.lease())
    return store
