"""What a written frame carries in its header: its digest, and which model put in whom under which release."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from understudy import __version__
from understudy.image.frame import Frame, MetadataValue
from understudy.image.integrity import DIGEST
from understudy.jobs.fields import facts
from understudy.provenance.stamp import Entry, digest_of, with_entries, with_stamp
from understudy.swap import recipe
from understudy.swap.context import SwapContext
from understudy.swap.frame_data import FrameInputs
from understudy.swap.job import SwapJob, not_in_a_face_pass
from understudy.swap.stages import colour
from understudy.swap.stages.colour import ColourParameters


def digest(contexts: Sequence[SwapContext], number: int) -> str:
    """Digest of what a frame depends on: what its stages read, the job's values on it, the recipe's version.

    Paths and times do not count, nor where the frame is written or on which device it is made, nor in a face
    pass what comes after it.

    Args:
        contexts: One for each face, in the order they are laid over.
    """
    about = {"frame": number, "recipe": recipe.VERSION}
    if len(contexts) == 1:
        return digest_of({**about, **_of_face(contexts[0], number)})
    faces = [(context.job.face, _of_face(context, number)) for context in contexts]
    return digest_of({**about, "faces": faces})


def _of_face(context: SwapContext, number: int) -> dict[str, Any]:
    job = context.job.at(number)
    counted = {name for name, field in SwapJob.model_fields.items() if _counts(facts(field))}
    if job.write == "face_pass":
        counted -= not_in_a_face_pass()
    values = job.model_dump(mode="json", include=counted)
    found = {**context.inputs(number), "job": values}
    near = context.neighbours_values(number)
    return {**found, "near": near} if near else found


def _counts(told: Mapping[str, Any]) -> bool:
    """Whether a field's value counts; a path counts by the content that is read of it."""
    return "path" not in told and told.get("affects", "picture") in ("picture", "file")


def stamped(
    frame: Frame, contexts: Sequence[SwapContext], inputs: Sequence[FrameInputs], wanted: str
) -> Frame:
    """The frame with its digest in the header, and its provenance: the plate's own, and each face put in.

    Args:
        frame: The finished frame or the face pass.
        contexts: One for each face.
        inputs: What the frame was made from, for each face.
        wanted: The frame's digest.
    """
    entries = [
        _entry(context) for context, one in zip(contexts, inputs, strict=True) if one.prediction is not None
    ]
    before = inputs[0].frame.metadata
    about = {DIGEST: wanted, **_matched(contexts, inputs), **with_entries(before, entries)}
    return with_stamp(frame, contexts[0].job.output, about)


def _matched(contexts: Sequence[SwapContext], inputs: Sequence[FrameInputs]) -> dict[str, MetadataValue]:
    """How each face's colour was matched: what `auto` took."""
    found: dict[str, MetadataValue] = {}
    for context, one in zip(contexts, inputs, strict=True):
        told = colour.taken(context.job.at(one.number).of(ColourParameters), one.statistics)
        name = f"{context.track.name}." if len(contexts) > 1 else ""
        found |= {f"understudy:{name}colour_taken": told} if told else {}
    return found


def _entry(context: SwapContext) -> Entry:
    card = context.model.card
    source = context.job.source or card.source
    return Entry(
        model=card.sha256,
        source=source,
        release=card.releases.get(source, ""),
        recipe=str(recipe.VERSION),
        engine=__version__,
        face=context.track.name,
    )
