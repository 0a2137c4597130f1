"""List of the libraries that this process has loaded."""


def list_loaded() -> set:  # type: ignore[type-arg]
    """Return the paths of all shared libraries that are mapped into this process (proc(5))."""
    with open("/proc/self/maps") as maps:  # noqa: PTH123
        libraries = {line.split(None, 5)[-1].strip() for line in maps if ".so" in line}
    return {path for path in libraries if path.startswith("/")}
