"""The skin bank of an exported model, from the face set of the performer whose face it predicts."""

from __future__ import annotations

from pathlib import Path

from understudy.core.errors import FaceError, JobError
from understudy.core.progress import Progress, Reporter, Warned
from understudy.face.faceset.store import FaceSet
from understudy.face.skin import making
from understudy.face.skin.bank import bank_path
from understudy.jobs.training import ExportJob
from understudy.train.checkpoints import model_folder


def write(job: ExportJob, description: model_folder.Description, output: Path, report: Reporter) -> int:
    """Write the bank beside an exported file; where there is no face set, an older bank there stays.

    Returns:
        How many faces it holds; 0 where none was written.

    Raises:
        FaceError: the face set that the job names cannot be read, or the bank cannot be written.
        JobError: the face set that the job names is another performer's, or of another coverage.
    """
    source = description.architecture.identities[description.source]
    found = None if job.skin_faces == 0 else _chosen(job, description, source, report)
    if found is None:
        return 0
    report(Progress("export", 2, 3, f"write the skin bank from {found.name}"))
    with FaceSet.open(found) as faces:
        faces.painted = source in description.edited
        return making.write(faces, bank_path(output), most=job.skin_faces)


def _chosen(
    job: ExportJob, description: model_folder.Description, source: str, report: Reporter
) -> Path | None:
    """The face set that the job names, or the source's beside the model folder."""
    if job.skin is not None:
        with FaceSet.open_for_training(job.skin) as faces:
            unfit = _unfit(faces, description, source)
        if unfit:
            raise JobError(unfit, where=job.skin, fix="name the source's own face set, or leave skin out")
        return job.skin
    for path in sorted(job.model.parent.glob("*.faceset")):
        try:
            with FaceSet.open_for_training(path) as faces:
                if not _unfit(faces, description, source):
                    return path
        except FaceError as exc:
            report(Warned(f"{path.name} is not looked at for the skin bank: {exc.what}"))
    report(Warned(f"There is no face set of {source} beside the model: no skin bank is written."))
    return None


def _unfit(faces: FaceSet, description: model_folder.Description, source: str) -> str:
    """Why a face set does not give the source's skin; empty where it does."""
    if faces.identity != source:
        return f"The face set is of {faces.identity!r}, the model's source is {source!r}."
    if faces.coverage != description.coverage:
        return f"The face set covers {faces.coverage}, the model {description.coverage}."
    if faces.release_digest != description.releases.get(source, ""):
        return "The face set names another likeness release than the model."
    return ""
