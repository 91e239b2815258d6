"""The jobs of the verbs train, refine, adapt and export: what a field tells is listed in schema.py."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from understudy.jobs.fields import (
    Job,
    Overwrite,
    Percent,
    Precision,
    RunMinutes,
    reads,
    unit,
    updates,
    words,
    writes,
)


class RunFields(Job):
    """The options of every training."""

    model: Annotated[Path, updates("folder", "model")]
    """Model folder to create or to continue; its name ends in .model."""
    iterations: Annotated[int, Field(ge=0, le=100_000_000)] = 0
    """Iteration to stop at; 0 for no limit."""
    minutes: RunMinutes = 0.0
    """Duration of this run, such as 90 or 1h30m, after which it saves and stops; 0 for no limit."""
    batch: Annotated[int, Field(ge=1, le=1024)] = 4
    """Faces of each performer in one iteration; computed in parts where memory is short."""
    learning_rate: Annotated[float, Field(gt=0, le=0.1)] = 1e-3
    """Highest learning rate of the optimiser."""
    mixed_precision: bool = True
    """Compute in bfloat16 on devices that are faster with it."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Device to train on."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 1
    """Seed of all random numbers; on a CPU the same seed gives the same model."""
    save_minutes: Annotated[float, Field(gt=0, le=1440, json_schema_extra=unit("minutes"))] = 5.0
    """Time between two checkpoints, which is the most that a crash loses."""
    preview_iterations: Annotated[int, Field(ge=1, le=1_000_000)] = 500
    """Iterations between two validations, each with a preview sheet."""
    keep_checkpoints: Annotated[int, Field(ge=1, le=1000)] = 3
    """Newest checkpoints to keep; of older ones stays the last of each hour, after a day of each day."""


class TrainJob(RunFields):
    """Train a model that puts the source performer's face on the destination performer's acting."""

    source_faceset: Annotated[Path, reads("folder")]
    """Face set of the source: the performer whose face is put in."""
    destination_faceset: Annotated[Path, reads("folder")]
    """Face set of the destination: the performer who acts in the plate."""
    batch: Annotated[int, Field(ge=0, le=1024)] = 4
    """Faces of each performer in one iteration; 0 finds a fast batch size by trying."""
    other_facesets: Annotated[Path | None, reads("folder")] = None
    """Folder with the face sets of further performers, whom the model knows or learns as well."""
    size: Annotated[int, Field(ge=32, le=1024, multiple_of=16, json_schema_extra=unit("pixels"))] = 128
    """Edge of the predicted face; a network of more than 128 pixels grows to it during training."""
    raise_iterations: Annotated[int, Field(ge=0, le=100_000_000)] = 0
    """Iterations after which the batch is doubled, at most twice; 0 for never."""
    width: Annotated[int, Field(ge=8, le=256)] = 24
    """Channels of the network at 128 pixels; coarser levels have a multiple of it, finer ones half."""
    variant: Literal["df", "liae"] = "df"
    """Architecture: a decoder for each performer (df), or one decoder with an input layer for each (liae)."""
    residuals: Annotated[int, Field(ge=1, le=4)] = 1
    """Residual blocks at each level of the network."""
    attention: bool = False
    """Add self-attention at the coarsest level of the decoder."""
    grow_iterations: Annotated[int, Field(ge=0, le=10_000_000)] = 4000
    """Iterations between two doublings of a network that grows; 0 begins at full size."""
    alone_iterations: Annotated[int, Field(ge=0, le=10_000_000)] = 400
    """Iterations for which only a new performer's layers learn when one joins a trained model."""
    base: bool = True
    """Begin a new model from the base model, which knows faces in general; default width only."""
    warp: Percent = 60.0
    """Strength of the random warp of the encoder's input; it falls late in a run."""
    jitter: Percent = 40.0
    """Strength of random exposure, contrast and white balance of the encoder's input."""
    hue: Percent = 0.0
    """Strength of random hue and saturation of the encoder's input."""
    other_colour: Percent = 0.0
    """Share of input faces that take on the colours of another performer."""
    blur: Percent = 0.0
    """Strength of random blur of the encoder's input, for plates softer than the face sets."""
    grain: Percent = 0.0
    """Strength of random grain in the encoder's input, for plates noisier than the face sets."""
    jpeg: Percent = 0.0
    """Strength of random JPEG compression of the encoder's input, for compressed plates."""
    background: Percent = 0.0
    """Share of input faces whose background is replaced by a flat colour, for blue screen plates."""
    flip: bool = False
    """Train on mirrored faces too, for faces that are symmetrical."""
    uniform_yaw: Percent = 0.0
    """How far rare head angles are sampled more often; at 100 half of the samples are uniform in yaw."""
    eyes_mouth: Annotated[float, Field(ge=0, le=1000, json_schema_extra=unit("percent"))] = 200.0
    """Additional weight of the eyes and the mouth in the losses."""
    detail_loss: Percent = 100.0
    """Weight of the detail loss: L1 of the bands of a Laplacian pyramid."""
    identity_loss: Percent = 0.0
    """Weight of the identity-cycle loss: a swap, encoded again, must give its source frame's latent."""
    adversarial: Percent = 0.0
    """Weight of the adversarial loss: a critic must take predicted patches of skin for true ones."""
    adversarial_from: Annotated[int, Field(ge=0, le=100_000_000)] = 10_000
    """Iteration at which the adversarial loss begins; its weight rises over the next 1,000."""
    stop_when: Literal["none", "plateau"] = "none"
    """Early stopping: never, or at a plateau, when another hour would bring next to nothing."""
    plateau_percent: Annotated[float, Field(gt=0, le=50, json_schema_extra=unit("percent"))] = 2.0
    """Plateau: an hour that would lower the error on unseen faces by less than this."""
    profile: bool = False
    """Report where the time went, how near the device came to its peak, and the bottleneck."""


class RefineJob(RunFields):
    """Train a refiner: a small second network that doubles a performer's predicted faces and adds detail."""

    faceset: Annotated[Path, reads("folder")]
    """Face set of the performer to refine; one that the model knows."""
    batch: Annotated[int, Field(ge=1, le=1024)] = 4
    """Faces in one iteration; computed in parts where memory is short."""
    width: Annotated[int, Field(ge=8, le=256, multiple_of=2)] = 32
    """Channels of the refiner."""
    adversarial: Percent = 0.0
    """Weight of the adversarial loss: a critic must take refined patches of skin for true ones."""


class AdaptJob(RunFields):
    """Teach a trained model an edited performer, such as aged or made up, from a few edited faces."""

    faceset: Annotated[Path, reads("folder")]
    """Face set of the edited faces, with an identity of its own such as bert_aged."""
    of_faceset: Annotated[Path, reads("folder")]
    """Complete face set of the performer whose faces were edited; the edit must act like it."""
    learning_rate: Annotated[float, Field(gt=0, le=0.1)] = 5e-4
    """Highest learning rate of the optimiser."""


class ExportJob(Job):
    """Export a trained model to ONNX, or to TorchScript for Nuke's Inference node, with its model card."""

    model: Annotated[Path, reads("folder")]
    """Model folder to export."""
    format: Literal["onnx", "torchscript"] = "onnx"
    """File format: ONNX for swapping with Understudy, or TorchScript (fp32) for Nuke's Inference node."""
    precision: Precision = "fp32"
    """Number format of the exported weights."""
    destination: Annotated[str | None, words()] = None
    """Identity of the performer in the plates; the one trained last when left out."""
    source: Annotated[str | None, words()] = None
    """Identity whose face the file predicts; the one trained last when left out."""
    refine: bool = False
    """Include the refiners; the file then takes and predicts faces of twice the size."""
    skin: Annotated[Path | None, reads("folder", knob=False)] = None
    """Face set of the source for the skin bank; the one beside the model folder when left out."""
    skin_faces: Annotated[int, Field(ge=0, le=20000)] = 600
    """Faces of the skin bank at most, the sharpest and most varied; 0 writes none."""
    output: Annotated[Path | None, writes("file", "exported", knob=False)] = None
    """File to write; in the model folder as export/swap_fp32.onnx, or named by source, when left out."""
    overwrite: Overwrite = False
    """Replace files that Understudy did not write; they are refused otherwise."""
