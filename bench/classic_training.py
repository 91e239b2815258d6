"""Training the classic recipe (classic.py) in slices, and exporting it for the swap job.

As it was: Adam with a learning rate of 5e-5, float32, the performers' batches in turn with a step after each,
no base model, no average of the weights. A batch was 64 faces, which a CPU takes the better part of a minute
for; here it is that of the recipe it is measured against, and makes more steps in the time. Contiguous
convolutions and torch's fused optimiser run fastest on a CPU in float32, by a sixth over channels last.
"""

from __future__ import annotations

import copy
import hashlib
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from classic import LOSSES, Classic, draw_batch

from understudy.core import atomic
from understudy.core.progress import Progress, Reporter
from understudy.core.settings import Settings
from understudy.face.faceset.store import FaceSet
from understudy.image import colour
from understudy.inference.card import ModelCard, write_card
from understudy.train.data.samples import LoadedFaces, load_faces
from understudy.train.export.onnx import OPSET, write_graph
from understudy.train.seeds import derive_seed

LEARNING_RATE = 5e-5
BETAS = (0.5, 0.999)
SEED = 1


@dataclass
class Training:
    """The classic in training; it stays in memory between its slices.

    Attributes:
        banks: The destination's and the source's faces, in the order of the decoders.
        iteration: Batches of each performer seen so far.
        seconds: Spent on them.
        facts: What its card says of the face sets.
    """

    network: Classic
    optimiser: torch.optim.Optimizer
    banks: list[LoadedFaces]
    batch: int
    loss: str
    iteration: int = 0
    seconds: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)


def begin(
    facesets: tuple[Path, Path], *, size: int, batch: int, loss: str = "l1", settings: Settings
) -> Training:
    """An untrained network and the faces of the destination and the source, which stand in this order.

    Raises:
        FaceError: a face set cannot be read.
        TrainingError: one holds too few faces.
    """
    if settings.threads:
        torch.set_num_threads(settings.threads)
    present = torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    device = present if settings.device == "auto" else torch.device(settings.device)
    with ExitStack() as opened:
        sets = [opened.enter_context(FaceSet.open(path)) for path in facesets]
        banks = [load_faces(faceset, size=size).to(device) for faceset in sets]
        facts = {
            "destination": sets[0].identity,
            "source": sets[1].identity,
            "coverage": sets[0].coverage,
            "landmarks": sets[0].detector,
            "releases": {faceset.identity: faceset.release_digest for faceset in sets},
        }
    torch.manual_seed(SEED)
    network = Classic(size).to(device)
    fused = device.type in ("cpu", "cuda")
    optimiser = torch.optim.Adam(network.parameters(), LEARNING_RATE, betas=BETAS, fused=fused)
    return Training(network, optimiser, banks, batch, loss, facts=facts)


def train(training: Training, *, minutes: float, report: Reporter) -> dict[str, Any]:
    """Train on until it was trained for so many minutes in all; the figures of this slice."""
    begun, first, already = time.monotonic(), training.iteration, training.seconds
    while training.seconds < minutes * 60:
        value = step(training)
        training.seconds = already + time.monotonic() - begun
        note = f"loss {value:.4f}, {training.seconds:.0f} s"
        report(Progress("train the classic", training.iteration, 0, note))
    spent = training.seconds - already
    return {
        "iteration": training.iteration,
        "iterations_a_second": round((training.iteration - first) / max(spent, 1e-9), 3),
        "device": str(training.banks[0].faces.device),
        "batch": training.batch,
        "loss": training.loss,
    }


def step(training: Training) -> float:
    """One iteration: each performer's batch in turn, a step of the optimiser after each; their mean loss."""
    total = 0.0
    for performer, bank in enumerate(training.banks):
        seed = derive_seed("classic", SEED, training.iteration, performer)
        generator = torch.Generator().manual_seed(seed)
        size = training.network.size
        warped, truth = draw_batch(bank, count=training.batch, size=size, generator=generator)
        loss = LOSSES[training.loss](training.network.draw(warped, performer), truth)
        training.optimiser.zero_grad(set_to_none=True)  # the other decoder gets no step
        loss.backward()
        training.optimiser.step()
        total += float(loss.detach())
    training.iteration += 1
    return total / len(training.banks)


def export(training: Training, path: Path) -> None:
    """Write the network as an ONNX file with its model card, as our own export does.

    Raises:
        ModelError: there is no graph of it.
    """
    network = copy.deepcopy(training.network).cpu().eval()
    size = network.size
    with atomic.replacing(path) as partial:
        write_graph(network, partial, size=size)
        digest = hashlib.sha256(partial.read_bytes()).hexdigest()
    card = ModelCard(
        name=path.stem,
        size=size,
        encoding=colour.ENCODED,
        sha256=digest,
        opset=OPSET,
        iterations=training.iteration,
        training={"recipe": "classic", "batch": training.batch, "loss": training.loss},
        **training.facts,
    )
    write_card(path, card)
