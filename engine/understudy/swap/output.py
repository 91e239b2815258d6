"""What a written frame carries in its header: what it was made of, by which model, under which release."""

from __future__ import annotations

from understudy.image.frame import Frame
from understudy.inference.model import ModelCard
from understudy.provenance.stamp import DIGEST, digest_of, with_stamp
from understudy.swap import recipe
from understudy.swap.context import SwapContext
from understudy.swap.job import SwapJob


def digest(context: SwapContext, number: int) -> str:
    """Digest of what a frame depends on: what its stages read, the job's values on it, the recipe's version.

    Names of files do not count, nor where the frame is written or on which device it is made.
    """
    counted = {name for name in SwapJob.model_fields if _counts(name)}
    values = context.job.at(number).model_dump(mode="json", include=counted)
    return digest_of({**context.inputs(number), "job": values, "frame": number, "recipe": recipe.VERSION})


def _counts(name: str) -> bool:
    """Whether a field's value counts: files count by what is read of them, and a place does not count."""
    extra = SwapJob.model_fields[name].json_schema_extra
    affects = extra.get("affects", "picture") if isinstance(extra, dict) else "picture"
    return affects in ("picture", "file")


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
