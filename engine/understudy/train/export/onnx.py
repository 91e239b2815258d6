"""Export: a checkpoint as an ONNX or TorchScript file with its model card.

An exported file predicts one source for one destination: inference computes no other identity of the model,
and nothing of another identity is in the file. It is refused where it differs from the network.
"""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import torch
from torch import Tensor, nn

from understudy.core import atomic
from understudy.core.errors import JobError, ModelError, TrainingError
from understudy.core.progress import Finished, Progress, Reporter, Warned
from understudy.core.settings import Settings
from understudy.image import colour
from understudy.inference.card import LANDMARK_COUNT, ModelCard, write_card
from understudy.inference.predictor import OUTPUTS
from understudy.inference.session import Session
from understudy.jobs import files
from understudy.jobs.fields import Precision
from understudy.jobs.training import ExportJob
from understudy.train.checkpoints import model_folder, refiners, selection, store
from understudy.train.export import skin, torchscript
from understudy.train.networks import autoencoder, joining

OPSET = 18
PARITY_LIMIT = 1e-3
PARITY_FACES = 3
# It logs a line for each torchvision operator where torchvision is not installed.
_REGISTRY = "torch.onnx._internal.exporter._registration"


class Pair(nn.Module):
    """The graph of an exported file: one source for one destination.

    The destination is the network's. Inputs and outputs are float32 in any precision.
    """

    def __init__(self, network: autoencoder.Comb, source: int, *, precision: Precision = "fp32") -> None:
        """Copy the parts of a network that the pair needs."""
        super().__init__()
        identities = dict.fromkeys((network.destination, source))  # one where they are the same
        self.network = network.only(*identities)
        self.source = len(identities) - 1
        self.half_precision = precision == "fp16"
        if self.half_precision:
            self.network.half()

    def forward(self, face: Tensor, landmarks: Tensor) -> tuple[Tensor, ...]:
        """(N, 3, S, S) encoded faces and (N, 68, 2) landmarks, shares of the edge, to `OUTPUTS`."""
        network = self.network
        value = autoencoder.normalise(face)
        # Normalised, because half precision is finest round 0, and there lies skin.
        latent = network.encode(value.half() if self.half_precision else value, network.destination)
        moved = network.move_landmarks(landmarks, of=network.destination, to=self.source)
        predicted = self._decoded(latent, moved, self.source)
        if self.source == network.destination:
            return (
                *predicted,
                moved,
                *(output + 0.0 for output in predicted),
            )  # outputs need names of their own
        return *predicted, moved, *self._decoded(latent, landmarks, network.destination)

    def _decoded(self, latent: Tensor, landmarks: Tensor, identity: int) -> tuple[Tensor, Tensor]:
        """One identity's encoded face and its matte."""
        ((face, logits),) = self.network.decode(latent, landmarks, [identity])
        return autoencoder.denormalise(face.float()), torch.sigmoid(logits.float())


def _refuse_unlike(parity: float, output: Path, job: ExportJob) -> None:
    if parity <= PARITY_LIMIT:
        return
    raise ModelError(
        f"The exported graph differs from the network by {parity:.2g}, more than {PARITY_LIMIT}.",
        where=output,
        fix="export in fp32" if job.precision == "fp16" else "train on: weights this large are unsound",
    )


def run(job: ExportJob, *, report: Reporter, settings: Settings) -> dict[str, Any]:
    """Export the averaged weights of the newest checkpoint, or of the best where the newest is worse.

    Raises:
        JobError: format, precision and output do not go together, an identity is unknown, or the output would
            overwrite an input or a foreign file.
        TrainingError: there is no model or no checkpoint.
        ModelError: the exported graph differs from the network by more than 1e-3 in the encoded space.
    """
    output = _output(job)
    files.guard(job.model_copy(update={"output": output}))
    report(Progress("export", 0, 3, "load"))
    description, network, state = load(job.model)
    description = _chosen(job, description)
    network.destination = description.destination
    if job.refine:
        known, iteration = description.architecture.identities, state["iteration"]
        network, refined = refiners.load_all(
            job.model, network, identities=known, iteration=iteration, report=report
        )
        state = state | {"refiners": refined}
    report(Progress("export", 1, 3, f"write the graph of iteration {state['iteration']}"))
    _say_if_older(job.model, state, report)
    with atomic.replacing(output) as unfinished:
        if job.format == "torchscript":
            torchscript.write(network, description, unfinished, iterations=state["iteration"])
        else:
            pair = Pair(network, description.source, precision=job.precision)
            write_graph(pair, unfinished, size=network.edge)
        report(Progress("export", 2, 3, "compare with the network"))
        parity = _parity(unfinished, network, description, job)
        _refuse_unlike(parity, output, job)
        digest = hashlib.sha256(unfinished.read_bytes()).hexdigest()
    for identity, release in description.releases.items():
        if not release:
            report(Warned(f"{identity} has no likeness release; the model card says so."))
    card = _card(description, state, digest, parity, job.precision, network.edge)
    write_card(output, torchscript.card(card) if job.format == "torchscript" else card)
    banked = skin.write(job, description, output, report) if job.format == "onnx" else 0
    result = {"model": str(output), "parity": parity, "iteration": state["iteration"], "skin_faces": banked}
    result["precision"] = job.precision
    report(Finished(result))
    return result


def _output(job: ExportJob) -> Path:
    """The file to write.

    Raises:
        JobError: TorchScript in fp16, a name of the other format, or a card that is another file's already.
    """
    script = job.format == "torchscript"
    if script and job.precision == "fp16":
        raise JobError(
            "A TorchScript file is always fp32; Nuke halves it by itself where its node is told to.",
            where="precision = fp16",
            fix="leave precision out",
        )
    kind = f"swap{_pair_name(job)}_refined" if job.refine else f"swap{_pair_name(job)}"
    name = f"{kind}.pt" if script else f"{kind}_{job.precision}.onnx"
    output = job.output or job.model / "export" / name
    own, other = (".pt", ".onnx") if script else (".onnx", ".pt")
    if output.suffix == other:
        raise JobError(
            f"A file of format {job.format} does not end in {other}.", where=output, fix=f"end it in {own}"
        )
    if output.with_suffix(other).exists():
        raise JobError(
            f"{output.with_suffix(other).name} lies there already and would share its model card.",
            where=output,
            fix="give output another name",
        )
    return output


def _pair_name(job: ExportJob) -> str:
    """The identities that the job names, as a part of a file's name: other pairs are other files."""

    def safe(identity: str) -> str:
        return quote(identity, safe=" ").replace(".", "%2E")

    source = "" if job.source is None else f"_{safe(job.source)}"
    return source if job.destination is None else f"{source}_for_{safe(job.destination)}"


def load(model: Path) -> tuple[model_folder.Description, autoencoder.Comb, dict[str, Any]]:
    """The averaged network of a model folder's checkpoint to export, on the CPU, and the checkpoint's state.

    Which one that is `pick.choose` says. The model may be in training.

    Raises:
        TrainingError: there is none, or it is damaged.
    """
    description = model_folder.read(model)
    if description is None or not store.find(model_folder.checkpoints(model)):
        raise TrainingError("There is no checkpoint to export.", where=model, fix="train first")
    return selection.best(model_folder.checkpoints(model), partial(_loaded, description))


def _loaded(
    description: model_folder.Description, chosen: store.Checkpoint, state: dict[str, Any]
) -> tuple[model_folder.Description, autoencoder.Comb, dict[str, Any]]:
    known = joining.known_identities(chosen, description.architecture.identities)
    held = replace(description, architecture=replace(description.architecture, identities=known))
    network, average = autoencoder.Comb(held.architecture), autoencoder.Comb(held.architecture)
    store.load(chosen, network=network, ema=average)
    average.grown = _grown(state, description.architecture)
    return held, average.eval(), state


def _grown(state: dict[str, Any], architecture: autoencoder.Architecture) -> float:
    told = state.get("grown", architecture.growths)
    return min(max(float(told), 0.0), architecture.growths) if isinstance(told, int | float) else 0.0


def _chosen(job: ExportJob, description: model_folder.Description) -> model_folder.Description:
    """The description with the destination and the source that the job names, or those trained last.

    Raises:
        JobError: the model does not know one of them, or its checkpoint does not yet.
    """
    names = description.architecture.identities
    for name in (job.destination, job.source):
        if name is not None and name not in names:
            raise JobError(
                f"The model does not know {name!r}.", where=job.model, fix=f"use one of {', '.join(names)}"
            )
    destination = description.destination if job.destination is None else names.index(job.destination)
    source = description.source if job.source is None else names.index(job.source)
    if max(destination, source) >= len(names):
        raise TrainingError(
            "Who joined the model last is in none of its checkpoints yet.",
            where=job.model,
            fix="train on first, or name the destination and the source",
        )
    return replace(description, destination=destination, source=source)


def _say_if_older(model: Path, state: dict[str, Any], report: Reporter) -> None:
    newest = store.find(model_folder.checkpoints(model))[-1]
    if state["iteration"] >= newest.iteration:
        return
    measured = store.held_out_error(store.read_state(newest))
    worse = measured / max(store.held_out_error(state), 1e-9) - 1.0
    report(
        Warned(
            f"Iteration {state['iteration']} is exported: the newest checkpoint, of iteration "
            f"{newest.iteration}, predicts unseen faces {100 * worse:.0f} percent worse."
        )
    )


def write_graph(module: nn.Module, path: Path, *, size: int, outputs: Sequence[str] = OUTPUTS) -> None:
    """Write a module that takes faces and their landmarks as an ONNX graph.

    Args:
        module: As `Pair`.
        path: The .onnx file. It is overwritten, so give a temporary one.
        size: The faces' edge.
        outputs: Names of what the module returns.

    Raises:
        ModelError: the exporter returned no graph.
    """
    batch = torch.export.Dim("batch", min=1, max=4096)
    with quiet_exporter():
        program = torch.onnx.export(
            module.eval(),
            (torch.zeros(2, 3, size, size), torch.full((2, LANDMARK_COUNT, 2), 0.5)),
            dynamo=True,
            verbose=False,
            opset_version=OPSET,
            input_names=["face", "landmarks"],
            output_names=list(outputs),
            dynamic_shapes={"face": {0: batch}, "landmarks": {0: batch}},
        )
    if program is None:
        raise ModelError("The exporter gave no graph.", where=path)
    program.save(str(path), external_data=False)


@contextmanager
def quiet_exporter() -> Iterator[None]:
    """Without the exporter's own deprecation warnings, and its log lines about torchvision's absence."""
    logger = logging.getLogger(_REGISTRY)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _parity(
    path: Path, network: autoencoder.Comb, description: model_folder.Description, job: ExportJob
) -> float:
    """Largest difference between the file and the network on faces of random colour, over all outputs."""
    generator = torch.Generator().manual_seed(1)
    size = network.edge
    faces = torch.rand((PARITY_FACES, 3, size, size), generator=generator) * 0.45 + 0.1
    landmarks = torch.rand((PARITY_FACES, LANDMARK_COUNT, 2), generator=generator)
    with torch.no_grad():
        expected = Pair(network, description.source)(faces, landmarks)
    if job.format == "torchscript":
        predicted = torchscript.predict(path, faces, landmarks)
        return float((predicted - torch.cat(expected[:2], dim=1)).abs().max())
    session = Session(path, device="cpu")
    outputs = list(session.run(face=faces.numpy(), landmarks=landmarks.numpy()).values())
    return max(float(np.abs(a.numpy() - b).max()) for a, b in zip(expected, outputs, strict=True))


def _card(
    description: model_folder.Description,
    state: dict[str, Any],
    digest: str,
    parity: float,
    precision: str,
    size: int,
) -> ModelCard:
    architecture = description.architecture
    return ModelCard(
        name=description.name,
        size=size,
        coverage=description.coverage,
        encoding=colour.ENCODED,
        source=architecture.identities[description.source],
        destination=architecture.identities[description.destination],
        sha256=digest,
        precision=precision,
        opset=OPSET,
        iterations=state["iteration"],
        training={key: state[key] for key in ("seed", "batch", "learning_rate", "refiners") if key in state}
        | {"width": architecture.width, "variant": architecture.variant, "facesets": description.facesets},
        parity=parity,
        releases=description.releases,
        landmarks=description.landmarks,
    )
