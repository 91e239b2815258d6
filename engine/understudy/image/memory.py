"""Free memory: a picture that does not fit is refused before memory is allocated for it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from understudy.core.errors import PlateError

# Smaller pictures are not checked: one of HD takes 25 MB.
_SMALL_BYTES = 2**28
# Reserve for other programs and for the next steps of this one.
_KEPT_FREE = 0.1
# A control group's limit above this means no limit.
_NO_LIMIT = 2**60

PROC = Path("/proc")
CONTROL_GROUPS = Path("/sys/fs/cgroup")


def require(needed_bytes: int, what: str, *, where: object) -> None:
    """Refuse an allocation that does not fit into free memory.

    Args:
        needed_bytes: Memory that will be taken.
        what: Its name in the message: `The picture of 8000 × 6000 pixels`.
        where: The file.

    Raises:
        PlateError: it does not fit.
    """
    if needed_bytes < _SMALL_BYTES:
        return
    free = free_bytes()
    if free is not None and needed_bytes > free * (1 - _KEPT_FREE):
        raise PlateError(
            f"{what} needs {needed_bytes / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are free.",
            where=where,
            fix="crop it or write fewer channels, close other programs, or use a machine with more memory",
        )


def free_bytes() -> int | None:
    """Memory that this process can still take; None where the system does not tell.

    The least of what the machine has left, what the process's control groups (containers, farm jobs) allow,
    and its own limit of address space (`ulimit -v`).

    Source:
        https://docs.kernel.org/filesystems/proc.html (MemAvailable),
        https://docs.kernel.org/admin-guide/cgroup-v2.html and its cgroup-v1/memory.html.
    """
    found = [*_machine(), *_control_groups(), *_address_space()]
    return max(0, min(found)) if found else None


def _machine() -> Iterator[int]:
    told = re.search(r"^MemAvailable:\s+(\d+) kB", _text(PROC / "meminfo"), re.MULTILINE)
    if told:
        yield int(told[1]) * 1024
        return
    try:
        yield os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return  # Windows has no such call


def _control_groups() -> Iterator[int]:
    """What each memory limit above this process leaves; pages of files that can be dropped count as free."""
    for line in _text(PROC / "self" / "cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, inside = rest.partition(":")
        if not controllers:
            names, mount = ("memory.max", "memory.current"), CONTROL_GROUPS
        elif "memory" in controllers.split(","):
            names, mount = ("memory.limit_in_bytes", "memory.usage_in_bytes"), CONTROL_GROUPS / "memory"
        else:
            continue
        # In a container the path is often that of the machine outside: the mount is then the group.
        group = mount / inside.lstrip("/")
        for folder in (group, *(one for one in group.parents if one == mount or mount in one.parents)):
            limit, used = (_number(folder / name) for name in names)
            if limit is not None and used is not None and limit < _NO_LIMIT:
                yield limit - used + _droppable(folder)


def _droppable(folder: Path) -> int:
    found = re.findall(
        r"^(total_inactive_file|inactive_file) (\d+)", _text(folder / "memory.stat"), re.MULTILINE
    )
    return max((int(value) for _, value in found), default=0)


def _address_space() -> Iterator[int]:
    try:
        import resource
    except ImportError:  # Windows
        return
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    pages = _text(PROC / "self" / "statm").split()
    if limit != resource.RLIM_INFINITY and pages:
        yield limit - int(pages[0]) * resource.getpagesize()


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdecimal() else None


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return ""
