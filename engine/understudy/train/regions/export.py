"""A trained region network as an ONNX file with half-precision weights, and its card.

Convention:
    The graph takes `face`, (N, 3, SIZE, SIZE) float32 sRGB codes in 0..1, and gives `mattes`,
    (N, REGIONS, SIZE, SIZE) float32 that sum to 1. Weights are stored in half precision and computed with in
    single: the cast is folded when the file is opened, and costs nothing in a run.
"""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from understudy.core import atomic
from understudy.core.content import sha256_of
from understudy.core.errors import ModelError
from understudy.face.regions import REGIONS
from understudy.inference.region_card import RegionCard, write_region_card
from understudy.inference.session import Session
from understudy.train.export.onnx import OPSET, quiet_exporter
from understudy.train.regions.course import SIZE
from understudy.train.regions.measure import Measured
from understudy.train.regions.network import Covering, Normalised, RegionNetwork

LARGEST_BYTES = 4_000_000
LARGEST_DIFFERENCE = 0.02
_SMALLEST_HALVED = 64


def folded(network: RegionNetwork) -> Covering:
    """A copy in evaluation mode whose normalisation is part of its convolutions."""
    own = copy.deepcopy(network).eval()
    for part in own.modules():
        if isinstance(part, Normalised):
            part.fold()
    return Covering(own).eval()


def export(
    network: RegionNetwork, path: Path, *, iterations: int, crops: int, measured: Measured
) -> RegionCard:
    """Write the file and its card, each whole or not at all.

    Args:
        network: Trained.
        path: The .onnx file.
        iterations, crops: Of the training.
        measured: On test crops.

    Raises:
        ModelError: the file is larger than 4 MB, or does not predict what the network does.
    """
    covering = folded(network)
    parity = _write_checked(covering, path)
    card = RegionCard(
        size=SIZE,
        coverages=("whole_face", "head"),
        regions=REGIONS,
        sha256=sha256_of(path),
        opset=OPSET,
        iterations=iterations,
        crops=crops,
        mean_iou=measured.mean_iou,
        iou=measured.iou,
        alpha_error=measured.alpha_error,
        soft_error=measured.soft_error,
        parity=round(parity, 6),
    )
    write_region_card(path, card)
    return card


def _write_checked(covering: Covering, path: Path) -> float:
    """Write the file, and return how much it differs from the network."""
    with atomic.replacing(path) as partial:
        _write_graph(covering, partial)
        taken = partial.stat().st_size
        if taken > LARGEST_BYTES:
            raise ModelError(f"The network takes {taken} bytes.", where=path, fix="narrow it")
        parity = _parity(partial, covering)
        if parity > LARGEST_DIFFERENCE:
            raise ModelError(f"The file differs from the network by {parity:.3f}.", where=path)
    return parity


def _write_graph(covering: Covering, path: Path) -> None:
    batch = torch.export.Dim("batch", min=1, max=4096)
    with quiet_exporter():
        program = torch.onnx.export(
            covering,
            (torch.zeros(2, 3, SIZE, SIZE),),
            dynamo=True,
            verbose=False,
            opset_version=OPSET,
            input_names=["face"],
            output_names=["mattes"],
            dynamic_shapes={"face": {0: batch}},
        )
    if program is None:
        raise ModelError("The exporter gave no graph.", where=path)
    model = program.model_proto
    _halve(model)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def _halve(model: onnx.ModelProto) -> None:
    """Store the weights in half precision, each behind a cast."""
    casts = []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < _SMALLEST_HALVED:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), name + "_half"))
        casts.append(onnx.helper.make_node("Cast", [name + "_half"], [name], to=onnx.TensorProto.FLOAT))
    for cast in reversed(casts):
        model.graph.node.insert(0, cast)


def _parity(path: Path, covering: Covering) -> float:
    """Largest difference between the file and the network on two pictures of noise."""
    generator = torch.Generator().manual_seed(1)
    faces = torch.rand((2, 3, SIZE, SIZE), generator=generator)
    with torch.no_grad():
        expected = covering(faces).numpy()
    return float(np.abs(Session(path, device="cpu").run(face=faces.numpy())["mattes"] - expected).max())
