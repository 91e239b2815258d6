"""The face sets of a training, which must go together, and the model's description, which they must fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from understudy.core.errors import JobError
from understudy.core.progress import Reporter, Warned
from understudy.face.faceset.store import FaceSet
from understudy.jobs.training import TrainJob
from understudy.train.checkpoints import model_folder, store
from understudy.train.networks import autoencoder


@contextmanager
def open_facesets(job: TrainJob) -> Iterator[list[FaceSet]]:
    """The destination's and the source's face set, then the others', which can all be trained together.

    Raises:
        FaceError: a face set cannot be read, or crops are missing.
        JobError: two are of one performer, they differ in coverage or landmarks, or the others' folder holds
            none.
    """
    with ExitStack() as stack:
        paths = [job.destination_faceset, job.source_faceset]
        sets = [stack.enter_context(FaceSet.open_for_training(path)) for path in paths]
        named = {path.resolve() for path in paths}
        if job.other_facesets is not None:
            others = sorted(job.other_facesets.glob("*.faceset"))
            if not others:
                raise JobError(
                    "The folder of the other performers holds no face set.",
                    where=job.other_facesets,
                    fix="give the folder that the .faceset folders lie in, or leave it out",
                )
            unnamed = [path for path in others if path.resolve() not in named]
            sets += [stack.enter_context(FaceSet.open_for_training(path)) for path in unnamed]
        _check_together(sets)
        yield sets


def _refuse_other(job: TrainJob, present: model_folder.Description, wanted: model_folder.Description) -> None:
    everybody = replace(wanted.architecture, identities=present.architecture.identities)
    if present.architecture != everybody or present.coverage != wanted.coverage:
        raise JobError(
            "The model folder holds a model of another shape.",
            where=f"{job.model}: {present.architecture.as_dict()}, {present.coverage}",
            fix="train with its size, width, variant and coverage, or choose another folder",
        )
    if present.landmarks != wanted.landmarks:
        raise JobError(
            f"The model knows landmarks of {present.landmarks!r}, the face sets have {wanted.landmarks!r}.",
            where=job.model,
            fix=f"extract with --detector {present.landmarks}",
        )


def matching_description(
    job: TrainJob, sets: list[FaceSet], report: Reporter, *, edited: bool = False
) -> model_folder.Description:
    """The model folder's description, made to fit the face sets; written where that changes it.

    A performer whom the model does not know joins it, at the iteration where training goes on. Where the
    source's faces are the destination's, `edited`, who acts in the plates stays as the folder has it.

    Raises:
        JobError: the folder holds a model of another shape, coverage or kind of landmarks, or the size does
            not fit the levels.
    """
    for faceset in sets:
        if not faceset.release_digest:
            report(Warned(f"The face set of {faceset.identity} names no likeness release."))
    wanted = _wanted(job, sets)
    present = model_folder.read(job.model)
    if present is None:
        job.model.mkdir(parents=True, exist_ok=True)
        model_folder.write(job.model, wanted)
        return wanted
    _refuse_other(job, present, wanted)
    for name, digest in wanted.facesets.items():
        if digest != present.facesets.get(name, digest):
            message = f"The face set of {name} has changed since the model was begun"
            report(Warned(f"{message}; training goes on with what is there."))
    together = _together(job, present, wanted)
    for name in together.architecture.identities[len(present.architecture.identities) :]:
        report(Warned(f"{name} joins the model {present.name}."))
    kept = together
    if edited:
        source, destination = (faceset.identity for faceset in (sets[1], sets[0]))
        together = replace(together, edited=together.edited | {source: destination})
        kept = replace(together, destination=present.destination)
    if kept != present:
        model_folder.write(job.model, kept)
    read_as_painted(sets, together, report)
    return together


def read_as_painted(sets: Sequence[FaceSet], description: model_folder.Description, report: Reporter) -> None:
    """Let the crops of edits be read as they were painted, and say how many were; others' may not change."""
    for faceset in sets:
        if faceset.identity in description.edited:
            faceset.painted = True
            if changed := faceset.changed_crops():
                count = f"{len(changed)} of the {len(faceset)} faces of {faceset.identity}"
                report(Warned(f"{count} have changed since they were written; they are trained as they are."))


def _wanted(job: TrainJob, sets: list[FaceSet]) -> model_folder.Description:
    """What a new model of the job would be described as."""
    architecture = autoencoder.Architecture(
        job.size,
        job.width,
        tuple(faceset.identity for faceset in sets),
        variant=job.variant,
        residuals=job.residuals,
        attention=job.attention,
    )
    if not architecture.fits:
        step = 2 ** (autoencoder.HALVINGS + architecture.growths)
        raise JobError(
            f"A face of {job.size} pixels cannot be halved evenly to the coarsest level.",
            where=f"size = {job.size}",
            fix=f"take {job.size // step * step} or {(job.size // step + 1) * step}",
        )
    return model_folder.Description(
        job.model.stem,
        architecture,
        sets[0].coverage,
        {faceset.identity: faceset.digest() for faceset in sets},
        {faceset.identity: faceset.release_digest for faceset in sets},
        sets[0].detector,
    )


def _together(
    job: TrainJob, present: model_folder.Description, wanted: model_folder.Description
) -> model_folder.Description:
    """The present description with those who join, and with who is destination and source now."""
    known = present.architecture.identities
    joining = tuple(name for name in wanted.architecture.identities if name not in known)
    names = known + joining
    saved = store.find(model_folder.checkpoints(job.model))
    joined = dict.fromkeys(joining, saved[-1].iteration if saved else 0)
    destination, source = wanted.architecture.identities[:2]
    return replace(
        present,
        architecture=replace(present.architecture, identities=names),
        facesets={name: wanted.facesets[name] for name in joining} | present.facesets,
        releases=present.releases | {name: wanted.releases[name] for name in joining},
        destination=names.index(destination),
        source=names.index(source),
        joined=present.joined | {name: at for name, at in joined.items() if at},
    )


def _check_together(sets: list[FaceSet]) -> None:
    names = [faceset.identity for faceset in sets]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise JobError(
                f"Both face sets are of {name!r}.",
                where=f"{sets[names.index(name)].path}, {sets[index].path}",
                fix="extract each performer with its own --identity",
            )
    first = sets[0]
    for other in sets[1:]:
        if other.coverage != first.coverage:
            raise JobError(
                f"The face sets differ in coverage: {first.coverage} and {other.coverage}.",
                where=f"{first.path}, {other.path}",
                fix="extract all performers with the same --coverage",
            )
        if other.detector != first.detector:
            raise JobError(
                f"The face sets' landmarks are of two kinds: {first.detector!r} and {other.detector!r}.",
                where=f"{first.path}, {other.path}",
                fix="extract all performers with the same --detector",
            )
