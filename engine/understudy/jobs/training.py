"""The jobs that train a model and export it: what a field tells is listed in schema.py."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from understudy.jobs.fields import Job, Percent, Precision, RunMinutes, affects, unit


class RunFields(Job):
    """How a network is trained, whichever it is."""

    model: Path
    """Model folder to write or to go on with; it ends in .model."""
    iterations: Annotated[int, Field(ge=0, le=100_000_000)] = 0
    """Iteration to stop at; 0 leaves it to the time."""
    minutes: RunMinutes = 0.0
    """Time, as 90 or 1h30m, after which this run saves and pauses; 0 leaves it to the iterations."""
    batch: Annotated[int, Field(ge=1, le=1024)] = 4
    """Faces of each performer in one iteration, in parts where memory is short."""
    learning_rate: Annotated[float, Field(gt=0, le=0.1)] = 1e-3
    """Step size of the optimiser at its highest."""
    mixed_precision: bool = True
    """Compute in bfloat16 where the device is faster with it."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Device to train on."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 1
    """Seed of every random choice; the same seed on CPU gives the same model."""
    save_minutes: Annotated[float, Field(gt=0, le=1440, json_schema_extra=unit("minutes"))] = 5.0
    """Time between two checkpoints: the most that a crash costs."""
    preview_iterations: Annotated[int, Field(ge=1, le=1_000_000)] = 500
    """Iterations between two preview sheets and validations."""
    keep_checkpoints: Annotated[int, Field(ge=1, le=1000)] = 3
    """Newest checkpoints to keep; of older ones the last of each hour stays for a day, then of each day."""


class TrainJob(RunFields):
    """Train a model that puts the source performer's face on the destination performer's acting."""

    source_faceset: Path
    """Face set of the performer whose face goes in."""
    destination_faceset: Path
    """Face set of the performer who acts in the plate."""
    batch: Annotated[int, Field(ge=0, le=1024)] = 4
    """Faces of each performer in one iteration, in parts where memory is short; 0 finds by trying."""
    other_facesets: Path | None = None
    """Folder with the face sets of further performers, whom the model knows or who join it."""
    size: Annotated[int, Field(ge=32, le=1024, multiple_of=16, json_schema_extra=unit("pixels"))] = 128
    """Edge of the face the network makes; beyond 128 it grows to that while it trains."""
    raise_iterations: Annotated[int, Field(ge=0, le=100_000_000)] = 0
    """Iterations after which the batch is doubled, twice at most; 0 leaves it."""
    width: Annotated[int, Field(ge=8, le=256)] = 24
    """Channels of the network at 128 pixels or so; coarser levels multiply it, finer ones halve it."""
    variant: Literal["df", "liae"] = "df"
    """What is each performer's own: a decoder (df), or the way into one decoder for all (liae)."""
    residuals: Annotated[int, Field(ge=1, le=4)] = 1
    """Residual blocks at each of the network's levels."""
    attention: bool = False
    """Let distant places of the face agree at the coarsest level."""
    grow_iterations: Annotated[int, Field(ge=0, le=10_000_000)] = 4000
    """Iterations before the face's edge is doubled, from 128 or less to its size; 0 begins at full size."""
    alone_iterations: Annotated[int, Field(ge=0, le=10_000_000)] = 400
    """Iterations that a performer who joins a trained model learns alone, before all learn on together."""
    base: bool = True
    """Begin a new model from the base model, which knows faces in general; it has the default width only."""
    warp: Percent = 60.0
    """Strength of the random warp that keeps the encoder from copying its input; it is turned down late."""
    jitter: Percent = 40.0
    """Strength of the random change of exposure, contrast and white balance in the encoder's input."""
    hue: Percent = 0.0
    """Strength of the random change of hue and saturation in the encoder's input."""
    other_colour: Percent = 0.0
    """Share of the faces that the encoder sees in the colours of another performer's faces."""
    blur: Percent = 0.0
    """Strength of the random blur in the encoder's input, for plates that are softer than the face sets."""
    grain: Percent = 0.0
    """Strength of the random grain in the encoder's input, for plates that are noisier."""
    jpeg: Percent = 0.0
    """Strength of random JPEG compression in the encoder's input, for plates that were compressed."""
    background: Percent = 0.0
    """Share of the faces that the encoder sees before a random flat colour, as against a blue screen."""
    flip: bool = False
    """Train on mirrored faces too; leave it off where a face is not symmetrical."""
    uniform_yaw: Percent = 0.0
    """How far turned heads are drawn as often as straight ones; at 100 they are in half of all draws."""
    eyes_mouth: Annotated[float, Field(ge=0, le=1000, json_schema_extra=unit("percent"))] = 200.0
    """How much more the eyes and the mouth count than the rest of the face."""
    detail_loss: Percent = 100.0
    """Weight of fine detail, one band of frequencies at a time, in what training asks for."""
    identity_loss: Percent = 0.0
    """Weight of drawing swaps while training, which must be described as the faces they were made of."""
    adversarial: Percent = 0.0
    """Weight of a second network late in the run that learns to tell drawn patches of skin from true ones."""
    adversarial_from: Annotated[int, Field(ge=0, le=100_000_000)] = 10_000
    """Iteration at which it begins; over the next 1,000 its weight rises."""
    stop_when: Literal["none", "plateau"] = "none"
    """End before iterations and minutes do: never, or when another hour would bring next to nothing."""
    plateau_percent: Annotated[float, Field(gt=0, le=50, json_schema_extra=unit("percent"))] = 2.0
    """What counts as next to nothing: so much less error on unseen faces in an hour."""
    profile: bool = False
    """Say in the end where the time went, what the device could do at most, and what holds training up."""


class RefineJob(RunFields):
    """Train a small second network that doubles one performer's drawn faces and mends what they lack."""

    faceset: Path
    """Face set of the performer whose faces are refined; one that the model knows."""
    batch: Annotated[int, Field(ge=1, le=1024)] = 4
    """Faces in one iteration."""
    width: Annotated[int, Field(ge=8, le=256, multiple_of=2)] = 32
    """Channels of the refiner."""
    adversarial: Percent = 0.0
    """Weight of a critic that learns to tell refined patches of skin from true ones."""


class AdaptJob(RunFields):
    """Teach a trained model a performer as edited, aged or made up, from a few edited faces."""

    faceset: Path
    """Face set of the edited faces, under a name of its own such as bert_aged."""
    of_faceset: Path
    """Whole face set of the performer whose faces were edited: what the edit has to act like."""
    learning_rate: Annotated[float, Field(gt=0, le=0.1)] = 5e-4
    """Step size of the optimiser at its highest."""


class ExportJob(Job):
    """Export a trained model to ONNX, or to TorchScript for Nuke's Inference node, with its model card."""

    model: Path
    """Model folder to export."""
    format: Literal["onnx", "torchscript"] = "onnx"
    """Kind of file: ONNX for swapping with Understudy, or TorchScript (fp32) for Nuke's Inference node."""
    precision: Precision = "fp32"
    """Number format of the exported weights."""
    destination: str | None = None
    """Identity of the performer in the plates; the one trained last when left out."""
    source: str | None = None
    """Identity whose face the file predicts; the one trained last when left out."""
    refine: bool = False
    """Put what refiners were trained into the file, which then takes and draws faces of twice the size."""
    output: Annotated[Path | None, affects("place", knob=False)] = None
    """File to write; in the model folder as export/swap_fp32.onnx, or named by source, when left out."""
