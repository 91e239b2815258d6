"""Training, from two face sets to a checkpoint: read `run` from top to bottom."""

from __future__ import annotations

import math
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from understudy.errors import JobError, TrainingError
from understudy.face.faceset import FaceSet
from understudy.face.shape import identity_shapes
from understudy.job import TrainJob
from understudy.progress import Cancelled, Finished, Progress, Reporter, Warned
from understudy.settings import Settings
from understudy.train import checkpoint, folder, losses, nets, preview
from understudy.train.samples import Bank, Batch, draw_batch, load_bank, still_batch

WARM_UP_ITERATIONS = 200
LEVEL_ITERATIONS = 3000
AVERAGE_DECAY = 0.999
CLIP_NORM = 1.0
# How far one batch moves the averages of the codes.
CODE_SHARE = 0.02
WEIGHTS = losses.Weights()


@dataclass
class Study:
    """A network in training with all it needs."""

    job: TrainJob
    device: torch.device
    description: folder.Description
    network: nets.Comb
    average: nets.Comb
    optimiser: torch.optim.Optimizer
    banks: list[Bank]
    iteration: int = 0


def run(job: TrainJob, *, report: Reporter, settings: Settings) -> dict[str, Any]:
    """Train until the job's iterations or minutes are reached, or until the reporter cancels.

    Whatever ends it, what was learned is saved first; the same job goes on from there.

    Raises:
        JobError: the job asks for no end, or does not fit the model folder.
        TrainingError: the loss is no number any more, or nothing can be saved.
        FaceError: a face set cannot be read.
        Cancelled: the reporter ended the run; it is saved.
    """
    if not job.iterations and not job.minutes:
        raise JobError(
            "The job says neither how long nor how far to train.", fix="give minutes or iterations"
        )
    study = prepare(job, report=report, settings=settings)
    history = folder.History(job.model)
    saved: list[Path] = []
    begun = last_save = time.monotonic()
    first = study.iteration
    try:
        while not _finished(study, begun):
            figures = step(study)
            if study.iteration % 20 == 0 or study.iteration == first + 1:
                loss = _checked(study, figures)
                history.add(study.iteration, loss)
                _tell(study, loss, begun, first, report)
            if study.iteration % job.preview_iterations == 0:
                history.add(study.iteration, validate(study))
                _preview(study)
            if time.monotonic() - last_save > job.save_minutes * 60:
                _save(study, saved)
                last_save = time.monotonic()
    except (Cancelled, KeyboardInterrupt):
        _save(study, saved)
        raise
    else:
        _save(study, saved)
        figures_now = validate(study)
        history.add(study.iteration, figures_now)
        _preview(study)
    finally:
        history.close()
    seconds = time.monotonic() - begun
    result = {
        "model": str(job.model),
        "iteration": study.iteration,
        "iterations_a_second": round((study.iteration - first) / max(seconds, 1e-9), 3),
        "minutes": round(seconds / 60, 2),
        "device": str(study.device),
        **figures_now,
    }
    report(Finished(result))
    return result


def prepare(job: TrainJob, *, report: Reporter, settings: Settings) -> Study:
    """Load the face sets, build or load the network."""
    device = _device(job.device if job.device != "auto" else settings.device)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    sets = [FaceSet.open_for_training(path) for path in (job.destination_faceset, job.source_faceset)]
    description = _description(job, sets, report)
    banks = []
    for index, faceset in enumerate(sets):
        report(Progress("load faces", index, len(sets), faceset.identity))
        banks.append(load_bank(faceset, size=description.architecture.size).to(device))
    torch.manual_seed(job.seed)
    network = _on(nets.Comb(description.architecture), device)
    network.shapes.copy_(_shapes(banks))
    average = _on(nets.Comb(description.architecture), device)
    average.load_state_dict(network.state_dict())
    average.requires_grad_(False)
    fused = device.type in ("cpu", "cuda")
    optimiser = torch.optim.Adam(network.parameters(), job.learning_rate, betas=(0.9, 0.99), fused=fused)
    study = Study(job, device, description, network, average, optimiser, banks)
    _resume(study, report)
    return study


def _shapes(banks: list[Bank]) -> Tensor:
    """(identities, 68, 2): what of the landmarks is the performers' own."""
    landmarks = [bank.landmarks.cpu().numpy() for bank in banks]
    return torch.from_numpy(identity_shapes(landmarks, [bank.poses.cpu().numpy() for bank in banks]))


def step(study: Study) -> dict[str, Tensor]:
    """One iteration: draw a batch of each identity, describe, draw, compare, learn."""
    job, network = study.job, study.network
    batches = [_batch(study, index) for index in range(len(study.banks))]
    with torch.autocast(study.device.type, torch.bfloat16, enabled=_mixed(study)):
        distorted = torch.cat([batch.distorted for batch in batches])
        raw = network.encoder(nets.normalise(distorted).contiguous(memory_format=torch.channels_last))
        codes = _normalised(study, raw)
        points = torch.cat([batch.points for batch in batches])
        drawn = network.draw(torch.cat(codes), points, list(range(len(batches))))
    figures = _losses(batches, drawn)
    total = (
        WEIGHTS.absolute * figures["absolute"]
        + WEIGHTS.structure * figures["structure"]
        + WEIGHTS.matte * figures["matte"]
    )
    study.optimiser.zero_grad(set_to_none=True)
    total.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), CLIP_NORM)
    for group in study.optimiser.param_groups:
        group["lr"] = job.learning_rate * _pace(study.iteration)
    study.optimiser.step()
    _follow(study)
    study.iteration += 1
    return {name: value.detach() for name, value in (figures | {"total": total}).items()}


@torch.no_grad()
def validate(study: Study) -> dict[str, float]:
    """Losses of the averaged network on faces it never trained on."""
    sums: dict[str, float] = {}
    size = study.description.architecture.size
    for index, bank in enumerate(study.banks):
        for chosen in bank.held_out.split(16):
            batch = still_batch(bank, chosen, size=size)
            code = study.average.describe(nets.normalise(batch.truth), index)
            drawn = study.average.draw(code, batch.points, [index])
            figures = _losses([batch], drawn)
            for name, value in figures.items():
                share = len(chosen) / (len(bank.held_out) * len(study.banks))
                sums[f"held_out/{name}"] = sums.get(f"held_out/{name}", 0.0) + float(value) * share
    return sums


def _batch(study: Study, index: int) -> Batch:
    job = study.job
    generator = torch.Generator().manual_seed((job.seed * 1_000_003 + study.iteration) * 16 + index)
    return draw_batch(
        study.banks[index],
        count=job.batch,
        size=study.description.architecture.size,
        generator=generator,
        warp=job.warp / 100,
        jitter=job.jitter / 100,
        flip=job.flip,
    )


def _normalised(study: Study, raw: Tensor) -> list[Tensor]:
    """Each identity's codes about its own average, which learns from them first."""
    normaliser = study.network.normaliser
    share = max(CODE_SHARE, 1.0 / (study.iteration + 1))
    codes = []
    for identity, code in enumerate(raw.split(study.job.batch)):
        normaliser.learn(code, identity, share=share)
        codes.append(normaliser(code, identity))
    return codes


def _losses(batches: list[Batch], drawn: list[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    faces = torch.cat([face for face, _ in drawn]).float()
    logits = torch.cat([logit for _, logit in drawn]).float()
    truth = nets.normalise(torch.cat([batch.truth for batch in batches]))
    weight = torch.cat([batch.weight for batch in batches])
    return {
        "absolute": losses.weighted_absolute(faces, truth, weight),
        "structure": losses.structural(faces, truth, weight),
        "matte": losses.matte_loss(logits, torch.cat([batch.matte for batch in batches])),
    }


def _pace(iteration: int) -> float:
    """Share of the learning rate: up in a line, level, then down with the square root of the iterations.

    It knows no end, so that a run can always go on from where another one stopped.
    """
    return min(1.0, (iteration + 1) / WARM_UP_ITERATIONS, math.sqrt(LEVEL_ITERATIONS / (iteration + 1)))


@torch.no_grad()
def _follow(study: Study) -> None:
    # A young average would remember the random start: the decay grows with the iterations.
    decay = min(AVERAGE_DECAY, (1 + study.iteration) / (10 + study.iteration))
    slow_ones = [*study.average.parameters(), *study.average.buffers()]
    fast_ones = [*study.network.parameters(), *study.network.buffers()]
    for slow, fast in zip(slow_ones, fast_ones, strict=True):
        slow.lerp_(fast, 1.0 - decay)


def _on(network: nets.Comb, device: torch.device) -> nets.Comb:
    # Channels last is the layout that matrix units and tensor cores want.
    for parameter in network.to(device).parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return network


def _mixed(study: Study) -> bool:
    return study.job.mixed_precision and study.device.type in ("cpu", "cuda")


def _device(name: str) -> torch.device:
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available[name]:
        raise JobError(f"This machine has no {name} device.", fix="set device to auto or cpu")
    return torch.device(name)


def _description(job: TrainJob, sets: list[FaceSet], report: Reporter) -> folder.Description:
    names = tuple(faceset.identity for faceset in sets)
    if names[0] == names[1]:
        raise JobError(
            f"Both face sets are of {names[0]!r}.",
            where=f"{job.source_faceset}, {job.destination_faceset}",
            fix="extract each performer with its own --identity",
        )
    if sets[0].coverage != sets[1].coverage:
        raise JobError(
            f"The face sets differ in coverage: {sets[0].coverage} and {sets[1].coverage}.",
            fix="extract both performers with the same --coverage",
        )
    if sets[0].detector != sets[1].detector:
        raise JobError(
            f"The face sets' landmarks are of two kinds: {sets[0].detector!r} and {sets[1].detector!r}.",
            where=f"{job.destination_faceset}, {job.source_faceset}",
            fix="extract both performers with the same --detector",
        )
    for faceset in sets:
        if not faceset.release_digest:
            report(Warned(f"The face set of {faceset.identity} names no likeness release."))
    wanted = folder.Description(
        job.model.stem,
        nets.Architecture(job.size, job.width, names),
        sets[0].coverage,
        {faceset.identity: faceset.digest() for faceset in sets},
        {faceset.identity: faceset.release_digest for faceset in sets},
        sets[0].detector,
    )
    present = folder.read(job.model)
    if present is None:
        job.model.mkdir(parents=True, exist_ok=True)
        folder.write(job.model, wanted)
        return wanted
    if present.architecture != wanted.architecture or present.coverage != wanted.coverage:
        raise JobError(
            "The model folder holds a model of another shape or of other identities.",
            where=f"{job.model}: {present.architecture.as_dict()}, {present.coverage}",
            fix="train with its size, width and face sets, or choose another folder",
        )
    if present.facesets != wanted.facesets:
        report(
            Warned("A face set has changed since the model was begun; training goes on with what is there.")
        )
    return present


def _resume(study: Study, report: Reporter) -> None:
    for found in reversed(checkpoint.find(folder.checkpoints(study.job.model))):
        try:
            study.iteration = checkpoint.load(
                found, network=study.network, average=study.average, optimiser=study.optimiser
            )
            return
        except TrainingError as exc:
            report(Warned(f"{exc.what} ({found.path}) The checkpoint before it is tried."))


def _finished(study: Study, begun: float) -> bool:
    job = study.job
    far = bool(job.iterations) and study.iteration >= job.iterations
    return far or (bool(job.minutes) and time.monotonic() - begun >= job.minutes * 60)


def _checked(study: Study, figures: dict[str, Tensor]) -> dict[str, float]:
    values = {f"loss/{name}": float(value) for name, value in figures.items()}
    if not all(abs(value) < 1e6 for value in values.values()):
        raise TrainingError(
            f"The loss is no number any more at iteration {study.iteration}.",
            where=study.job.model,
            fix="train again from the last checkpoint with a lower learning rate",
        )
    return values


def _tell(study: Study, figures: dict[str, float], begun: float, first: int, report: Reporter) -> None:
    job, elapsed = study.job, time.monotonic() - begun
    speed = (study.iteration - first) / max(elapsed, 1e-9)
    note = f"loss {figures['loss/total']:.4f}, {speed:.2f} it/s, iteration {study.iteration}"
    if job.iterations:
        report(Progress("train", study.iteration, job.iterations, note))
    else:
        report(Progress("train", round(elapsed), max(round(elapsed), round(job.minutes * 60)), note))


def _preview(study: Study) -> None:
    path = study.job.model / "previews" / f"{study.iteration:08d}.png"
    ends = {"source": study.description.source, "destination": study.description.destination}
    preview.write_sheet(path, study.average, study.banks, **ends)


def _save(study: Study, saved: list[Path]) -> None:
    """Save, and drop the oldest of the checkpoints that this run wrote."""
    written = checkpoint.save(
        folder.checkpoints(study.job.model),
        iteration=study.iteration,
        network=study.network,
        average=study.average,
        optimiser=study.optimiser,
        facts={"seed": study.job.seed, "batch": study.job.batch, "learning_rate": study.job.learning_rate},
    )
    if written.path not in saved:
        saved.append(written.path)
    while len(saved) > study.job.keep_checkpoints:
        with suppress(FileNotFoundError):  # somebody tidied up meanwhile
            shutil.rmtree(saved.pop(0))
