#!/usr/bin/env python3
"""Render, train, measure and export the network of region mattes.

    bench/regions.py [--work bench-out/regions] [--iterations 6000]

Renders digital performers with props, trains the network on them, measures it on other performers with other
hands, and writes the ONNX file and its card. About an hour on two quiet cores. What is there already is not
done again: a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from itertools import repeat
from pathlib import Path

PERFORMERS = {"training": 400, "test": 25}


def _one_core() -> None:
    """A process of the pool renders on one core."""
    import cv2
    import numba

    cv2.setNumThreads(1)
    numba.set_num_threads(1)


def _write(folder: Path, split: str, performer: int) -> int:
    from understudy.demo.crops import dataset

    return dataset.write(folder, split, performer)


def render(folder: Path, processes: int, counts: dict[str, int]) -> None:
    """Render every crop that is not there yet, test first, and say how fast."""
    folder.mkdir(parents=True, exist_ok=True)
    work = [(split, number) for split in ("test", "training") for number in range(counts[split])]
    begun, made = time.monotonic(), 0
    with ProcessPoolExecutor(processes, initializer=_one_core) as pool:
        splits, numbers = zip(*work, strict=True)
        for done, count in enumerate(pool.map(_write, repeat(folder), splits, numbers), start=1):
            made += count
            if count and done % 10 == 0:
                rate = made / (time.monotonic() - begun)
                print(f"{done} of {len(work)} performers, {rate:.1f} crops a second", flush=True)


def main() -> None:
    """Render, train, measure, export."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=Path("bench-out/regions"))
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--training-performers", type=int, default=PERFORMERS["training"])
    parser.add_argument("--test-performers", type=int, default=PERFORMERS["test"])
    parser.add_argument("--iterations", type=int, default=6000)
    parser.add_argument("--threads", type=int, default=0, help="of the training; 0 takes all cores")
    options = parser.parse_args()
    counts = {"training": options.training_performers, "test": options.test_performers}
    render(options.work / "crops", options.processes, counts)

    import torch

    from understudy.train.regions import course, export
    from understudy.train.regions.crops import Crops
    from understudy.train.regions.measure import measure

    if options.threads:
        torch.set_num_threads(options.threads)
    training, test = (
        Crops([options.work / "crops" / f"{split}.{k:04d}.npy" for k in range(counts[split])])
        for split in ("training", "test")
    )
    begun = time.monotonic()

    def tell(done: int, loss: float) -> None:
        print(
            f"{done} of {options.iterations}, loss {loss:.4f}, {time.monotonic() - begun:.0f} s", flush=True
        )

    network = course.train(training, options.work / "checkpoints", iterations=options.iterations, tell=tell)
    measured = measure(export.folded(network), test)
    print(json.dumps(asdict(measured), indent=1))
    path = options.work / "regions.onnx"
    export.export(network, path, iterations=options.iterations, crops=len(training), measured=measured)
    print(path, path.stat().st_size)


if __name__ == "__main__":
    main()
