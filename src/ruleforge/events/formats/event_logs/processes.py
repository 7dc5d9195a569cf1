"""What readers of process starts share: names of files, and fields that one field implies."""

from ruleforge.events.event import Given

MAX_ARGS = 1_000


def base_name(path: str | bytes | None) -> str | bytes | None:
    r"""Return what comes after the last `/` or `\`."""
    if isinstance(path, bytes):
        return path.replace(b"\\", b"/").rpartition(b"/")[2] or None
    return (path.replace("\\", "/").rpartition("/")[2] or None) if path else None


def with_names(given: dict[str, Given]) -> dict[str, Given]:
    """Add the names of the program and its parent."""
    for path, name in (("process.executable", "process.name"), ("parent.executable", "parent.name")):
        value = given.get(path)
        if given.get(name) is None and isinstance(value, str | bytes):
            given[name] = base_name(value)
    return given
