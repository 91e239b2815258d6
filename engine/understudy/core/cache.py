"""A cache bounded by bytes, and the key under which a file is cached."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Generic, TypeVar

Stamp = tuple[str, int, int]
Kept = TypeVar("Kept")


class LruCache(Generic[Kept]):
    """A least-recently-used cache, bounded in bytes; the last value is always kept."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._things: OrderedDict[Hashable, tuple[Kept, int]] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Kept], size: Callable[[Kept], int]) -> Kept:
        """The value of a key; it is made where the cache does not hold it."""
        if key not in self._things:
            thing = make()
            self._things[key] = (thing, size(thing))
            while len(self._things) > 1 and self.nbytes > self._limit:
                self._things.popitem(last=False)
        self._things.move_to_end(key)
        return self._things[key][0]

    @property
    def nbytes(self) -> int:
        """Bytes of all values that are kept."""
        return sum(size for _, size in self._things.values())


def stamp_of(path: Path) -> Stamp:
    """A file's name, size and time of change; zeros for a file that is not there."""
    try:
        stat = path.stat()
    except OSError:
        return (str(path.absolute()), 0, 0)
    return (str(path.absolute()), stat.st_size, stat.st_mtime_ns)
