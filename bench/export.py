#!/usr/bin/env python3
"""What an exported model costs with 2, 8 and 32 identities: with all of them in one graph, and with one pair.

    bench/export.py [--identities 2 8 32] [--size 80] [--width 24] [--threads 2]

The networks have random weights, which take as long as trained ones. `all` is the graph of earlier releases,
in which onnxruntime computes every identity, whichever outputs are asked for; `pair` is the graph that
`understudy export` writes. Both give the same bits for the pair, or the bench fails. Milliseconds a face: the
median of 30 runs on the CPU, one face at a time.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from understudy.inference.predictor import OUTPUTS
from understudy.inference.session import Session
from understudy.train.export.onnx import Pair, write_graph
from understudy.train.networks import autoencoder

RUNS = 30


def network_of(count: int, *, size: int, width: int) -> autoencoder.Comb:
    """A network of so many identities whose shapes and latents differ."""
    torch.manual_seed(count)
    names = tuple(f"performer {index}" for index in range(count))
    network = autoencoder.Comb(autoencoder.Architecture(size, width, names)).eval()
    torch.nn.init.normal_(network.shapes, std=0.02)
    torch.nn.init.normal_(network.normaliser.mean)
    return network


def measured(path: Path, outputs: Sequence[str], threads: int) -> tuple[float, list[np.ndarray]]:
    """Milliseconds a face, and these outputs for a fixed face."""
    session = Session(path, "cpu", threads)
    random = np.random.default_rng(1)
    edge = session.inputs["face"][2]
    face = random.uniform(0.1, 0.6, (1, 3, edge, edge)).astype(np.float32)
    landmarks = random.random((1, 68, 2)).astype(np.float32)
    spent = []
    for _ in range(RUNS):
        began = time.perf_counter()
        results = session.run(outputs, face=face, landmarks=landmarks)
        spent.append(1000 * (time.perf_counter() - began))
    return float(np.median(spent)), [results[name] for name in outputs]


def row(count: int, *, size: int, width: int, threads: int, folder: Path) -> str:
    """One line of the table.

    Raises:
        SystemExit: the two graphs differ.
    """
    network, source = network_of(count, size=size, width=width), count - 1
    every = [f"{kind}_{index}" for index in range(count) for kind in ("face", "matte", "landmarks")]
    whole, pair = folder / f"all_{count}.onnx", folder / f"pair_{count}.onnx"
    write_graph(network, whole, size=network.edge, outputs=every)
    write_graph(Pair(network, source), pair, size=network.edge)
    wanted = (f"face_{source}", f"matte_{source}", f"landmarks_{source}", "face_0", "matte_0")
    before, old = measured(whole, wanted, threads)
    after, new = measured(pair, OUTPUTS, threads)
    if not all(np.array_equal(one, other) for one, other in zip(old, new, strict=True)):
        raise SystemExit(f"With {count} identities the two graphs differ.")
    sizes = [path.stat().st_size / 1e6 for path in (whole, pair)]
    return f"| {count} | {sizes[0]:.1f} | {sizes[1]:.1f} | {before:.1f} | {after:.1f} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--identities", type=int, nargs="+", default=[2, 8, 32])
    parser.add_argument("--size", type=int, default=80)
    parser.add_argument("--width", type=int, default=24)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    print("| identities | all: MB | pair: MB | all: ms a face | pair: ms a face |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for count in options.identities:
            values = {"size": options.size, "width": options.width, "threads": options.threads}
            print(row(count, folder=Path(folder), **values), flush=True)


if __name__ == "__main__":
    main()
