"""What a written frame carries in its header: what it was made of, by which model, under which release."""

from __future__ import annotations

from understudy.image.frame import Frame
from understudy.inference.model import ModelCard
from understudy.provenance.stamp import DIGEST, digest_of, with_stamp
from understudy.swap import recipe
from understudy.swap.context import Footage
from understudy.swap.job import SwapJob

# What changes where or by whom a frame is made, but not the frame.
_NOT_OF_THE_FRAME = {"frames", "output", "device", "track", "model", "keyframes"}


def digest(footage: Footage, number: int) -> str:
    """Digest of what a frame depends on: pictures, landmarks, model, the job's values on it, the recipe."""
    values = footage.job.at(number).model_dump(mode="json", exclude=_NOT_OF_THE_FRAME)
    return digest_of({**footage.inputs(number), "job": values, "frame": number, "recipe": recipe.VERSION})


def stamped(frame: Frame, job: SwapJob, card: ModelCard, wanted: str) -> Frame:
    """The frame with its provenance in the header: which model, which identity, under which release."""
    source = job.source or card.source
    stamp = {
        DIGEST: wanted,
        "understudy:model": card.sha256,
        "understudy:source": source,
        "understudy:release": card.releases.get(source, ""),
    }
    return with_stamp(frame, job.output, stamp)
