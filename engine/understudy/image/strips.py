"""Parallel work on strips of rows, for loops whose pixels are independent."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import cv2

_FEWEST_ROWS = 32


def in_strips(work: Callable[[int, int], object], rows: int, *, fewest: int = _FEWEST_ROWS) -> None:
    """Call work(first, last) for strips that make up all rows; it must release the interpreter's lock.

    As many threads are used as OpenCV has been given, so that one setting holds for both. Nothing may depend
    on where a strip begins: the strips differ from machine to machine.

    Args:
        work: Takes the first row of a strip and the one after its last.
        rows: Rows there are.
        fewest: The smallest number of rows that is worth a thread.
    """
    count = min(cv2.getNumThreads(), rows // fewest)
    if count <= 1:
        work(0, rows)
        return
    edges = [rows * index // count for index in range(count + 1)]
    pending = [_pool(os.getpid()).submit(work, *edges[index : index + 2]) for index in range(1, count)]
    work(0, edges[1])
    for one in pending:
        one.result()


@cache
def _pool(process: int) -> ThreadPoolExecutor:
    """The process's threads; a forked child, which inherits none of them, gets its own."""
    return ThreadPoolExecutor(max_workers=os.cpu_count(), thread_name_prefix="understudy-strips")
