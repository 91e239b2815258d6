"""`understudy swap`: the frames of a job, one by one. `pipeline.py` and `several.py` make each of them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from understudy.core.content import ContentHashes
from understudy.core.errors import UnderstudyError
from understudy.core.progress import Failed, Finished, Progress, Reporter, Warned, WarnedOnce
from understudy.core.settings import Settings
from understudy.face.skin.bank import bank_path
from understudy.face.track.store import Track
from understudy.image.encoding import encoded_for
from understudy.image.exr import write_image
from understudy.image.plate import Plate, chosen_frames, open_plate
from understudy.image.sequence import Pattern
from understudy.image.taken import taken
from understudy.inference.predictor import Predictor
from understudy.jobs import files, frame_notes
from understudy.jobs.summary import outcome
from understudy.provenance.finished import FinishedFrames
from understudy.swap import several
from understudy.swap.cache import RenderCache
from understudy.swap.context import SwapContext
from understudy.swap.job import SwapJob
from understudy.swap.output import digest, stamped
from understudy.swap.skin.opened import OpenBank


def run(
    job: SwapJob, *, report: Reporter, settings: Settings, kept: RenderCache | None = None
) -> dict[str, Any]:
    """Swap the job's frames; one bad frame never loses the others, and finished ones are not done again.

    Args:
        kept: Keeps the model and the frames between runs in one process.

    Raises:
        PlateError: the plate cannot be opened.
        FaceError: the track cannot be read, does not have the face, or has it on no frame of the plate.
        ModelError: a model cannot be opened, or does not predict a face's source.
        JobError: the output would overwrite an input or a foreign file; nothing is written then.
    """
    output = Pattern.parse(job.output)
    written: list[int] = []
    unchanged: list[int] = []
    failed: dict[int, UnderstudyError] = {}
    finished = FinishedFrames(settings.cache, verify=job.verify)
    warn = WarnedOnce(report)
    with ExitStack() as opened:
        plate = _plate(job, opened, report)
        frames = chosen_frames(plate, job.frames)
        files.guard(job, frames=frames)
        contexts = _contexts(job, plate, kept, opened, report=report, settings=settings)
        for done, number in enumerate(frames):
            report(Progress("swap", done, len(frames), f"frame {number}"))
            try:
                made = _make(contexts, number, output.path(number), finished, report=report, warn=warn)
                (written if made else unchanged).append(number)
            except UnderstudyError as exc:
                failed[number] = exc
                report(Failed(exc.as_dict(), number))
        report(Progress("swap", len(frames), len(frames)))
    faces = [context.track.faces for context in contexts]
    notes = frame_notes.tell(frame_notes.of_faces(frames, faces, failed=failed), report)
    provider = contexts[0].model.session.provider
    result = {**outcome(job.output, written, unchanged, failed), **notes, **finished.told(report)}
    result["provider"] = provider
    report(Finished(result))
    return result


def _plate(job: SwapJob, opened: ExitStack, report: Reporter) -> Plate:
    """The plate as its channels are to be taken, and as the output is written."""
    read = open_plate(job.plate, colour_space=job.colour_space, report=report)
    opened.enter_context(closing(read))
    # What is decided of a frame is told with the frame, which may be kept from an earlier run.
    return encoded_for(taken(read, job.reading), job.output, report)


def _contexts(
    job: SwapJob,
    plate: Plate,
    kept: RenderCache | None,
    opened: ExitStack,
    *,
    report: Reporter,
    settings: Settings,
) -> list[SwapContext]:
    """What the frames are made from, for each face of the job, over one plate and roto."""
    cache = RenderCache.for_one_run(job) if kept is None else kept
    jobs, track = job.each_face(), Track.open(job.track)
    tracks = [track.face(one.face) for one in jobs]
    device = settings.device if job.device == "auto" else job.device
    models = cache.models([one.model for one in jobs], device, settings.threads, settings.prediction_seconds)
    for card in {id(model): model.card for model in models}.values():
        if card.landmarks not in ("", track.detector):
            report(
                Warned(
                    f"The track's landmarks are of {track.detector!r}, the model's of {card.landmarks!r}: "
                    "features will lie elsewhere. Track the shot with the model's detector."
                )
            )
    for face in tracks:
        frame_notes.require_faces(face, plate.frames, job.track)
    banks = _banks(jobs, models, cache, report)
    roto = opened.enter_context(closing(open_plate(job.matte_roto))) if job.matte_roto else None
    contents = ContentHashes(settings.cache)
    return [
        SwapContext(one, plate, face, model, roto, cache, contents, bank)
        for one, face, model, bank in zip(jobs, tracks, models, banks, strict=True)
    ]


def _banks(
    jobs: Sequence[SwapJob], models: Sequence[Predictor], cache: RenderCache, report: Reporter
) -> list[OpenBank | None]:
    """The skin bank of each face's model; None where there is none, it does not fit, or none is used.

    Raises:
        FaceError: a bank cannot be read.
    """
    if not any(job.takes_skin for job in jobs):
        return [None] * len(jobs)
    found = cache.banks([bank_path(job.model) for job in jobs])
    fitting: list[OpenBank | None] = []
    for job, model, bank in zip(jobs, models, found, strict=True):
        unfit = "" if bank is None else bank.unfit(model.card, job.source or model.card.source)
        if unfit:
            report(Warned(f"{unfit}: it is not used. Export the model again with the source's face set."))
        fitting.append(None if unfit else bank)
    return fitting


def _make(
    contexts: Sequence[SwapContext],
    number: int,
    path: Path,
    finished: FinishedFrames,
    *,
    report: Reporter,
    warn: WarnedOnce,
) -> bool:
    """Make one frame and write it; False where it is there already, finished."""
    wanted = digest(contexts, number)
    if finished.header(path, wanted) is not None:
        return False
    job = contexts[0].job
    if not job.overwrite:
        finished.refuse_edited(path)
    inputs = [context.frame_inputs(number) for context in contexts]
    for one in inputs:
        warn(one.notes, number)
    frame = several.make_frame(contexts, inputs, report=report)
    write_image(path, stamped(frame, contexts, inputs, wanted), compression=job.exr_compression)
    finished.remember(path)
    return True
