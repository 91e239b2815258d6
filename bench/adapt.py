#!/usr/bin/env python3
"""How well `understudy adapt` carries an edit of a few faces to all others, against the plain way.

    bench/adapt.py --model bench-out/truth/model.model --faceset bench-out/truth/trainB.faceset

Edits 60 faces of a performer, those with the mouth most shut, by a rule: paler, greyer, harsher in detail,
with bags under the eyes and folds beside the mouth. A copy of the model is adapted to them; another is
trained on them the plain way, all of the decoder and nothing rehearsed. Since the edit is a rule, what it
would make of every other face is known: the figures are SSIM and L1 inside the face on faces with the mouth
widest open, of which none was edited. Prints one JSON line each and writes a sheet.
"""

from __future__ import annotations

import argparse
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import numpy as np
import torch

from understudy.core.progress import silent
from understudy.core.settings import Settings
from understudy.face.faceset.store import FaceSet
from understudy.image import colour
from understudy.image.plate import write_png
from understudy.jobs.training import AdaptJob
from understudy.train import adapt
from understudy.train.data import samples
from understudy.train.export import onnx
from understudy.train.losses import table
from understudy.train.losses.terms.absolute import weighted_l1
from understudy.train.losses.terms.structure import multiscale_dissimilarity
from understudy.train.networks import autoencoder, joining
from understudy.train.tasks import model as model_task

EDITED, SHOWN = "edited", 6
weights_at = table.weights_at


def aged(crop: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """A crop (E, E, 3), encoded, as it would be if its performer were old; landmarks (68, 2) in pixels."""
    edge = crop.shape[0]
    grey = crop @ np.float32([0.2722287, 0.6740818, 0.0536895])
    soft = cv2.GaussianBlur(crop, (0, 0), edge / 64)
    old = grey[..., None] + 0.6 * (crop - grey[..., None]) + 0.9 * (crop - soft) + 0.015
    mask = np.zeros((edge, edge), np.float32)
    points = np.round(landmarks).astype(np.int32)
    for first, second in ((31, 48), (35, 54)):  # beside nose and mouth
        cv2.line(mask, points[first].tolist(), points[second].tolist(), 1.0, max(1, edge // 60))
    for lids in ((36, 41, 40, 39), (42, 47, 46, 45)):  # below the eyes
        below = points[list(lids)] + [0, edge // 28]
        cv2.polylines(mask, [below], False, 1.0, max(1, edge // 40))
    mask = cv2.GaussianBlur(mask, (0, 0), edge / 100)
    return np.asarray(old - 0.045 * mask[..., None], np.float32)


def openness(faceset: FaceSet) -> np.ndarray:
    """How far each face's mouth is open, as a share of its width."""
    marks = np.stack([record.landmarks_aligned for record in faceset.records()])
    width = np.linalg.norm(marks[:, 48] - marks[:, 54], axis=1)
    return np.asarray(np.linalg.norm(marks[:, 62] - marks[:, 66], axis=1) / width)


def edit(faceset: FaceSet, path: Path, chosen: np.ndarray) -> None:
    """Write the chosen faces as edited."""
    shutil.rmtree(path, ignore_errors=True)
    with FaceSet.create(
        path,
        identity=EDITED,
        coverage=faceset.coverage,
        crop_size=faceset.crop_size,
        detector=faceset.detector,
    ) as edited:
        records = faceset.records()
        for index in sorted(chosen.tolist()):
            record = replace(records[index], origin="edited")
            edited.add(record, aged(faceset.read_crop(records[index]), record.landmarks_aligned))


@torch.no_grad()
def predicted(model: Path, bank: samples.LoadedFaces, chosen: torch.Tensor, of: str, by: str) -> torch.Tensor:
    """Faces of a bank (N, 3, S, S), encoded, as a model draws them by an identity."""
    description, network, _ = onnx.load(model)
    names = description.architecture.identities
    batch = samples.still_batch(bank, chosen, size=network.edge)
    latent = network.encode(autoencoder.normalise(batch.truth), names.index(of))
    ((faces, _),) = network.decode(latent, batch.points, [names.index(by)])
    return autoencoder.denormalise(faces)


def without_rehearsal(training: table.Training, *arguments: Any) -> dict[str, float]:
    """The weights of the losses; those of a rehearsal count next to nothing."""
    weights = weights_at(training, *arguments)
    return dict.fromkeys(weights, 1e-12) if training == "rehearsal" else weights


def main() -> None:
    """Edit, adapt both ways, compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--faceset", type=Path, required=True)
    parser.add_argument("--faces", type=int, default=60)
    parser.add_argument("--iterations", type=int, default=600)
    parser.add_argument("--out", type=Path, default=Path("bench-out/adapt"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    settings = Settings.from_environment()
    _, network, _ = onnx.load(options.model)
    with FaceSet.open_for_training(options.faceset) as faceset:
        name, order = faceset.identity, np.argsort(openness(faceset))
        edit(faceset, options.out / "edited.faceset", order[: options.faces])
        bank = samples.load_faces(faceset, size=network.edge)
    open_ones = torch.from_numpy(np.sort(order[-options.faces :].copy()))
    batch = samples.still_batch(bank, open_ones, size=network.edge)
    points = batch.points.numpy() * network.edge - 0.5
    crops = batch.truth.permute(0, 2, 3, 1).numpy()
    truth = torch.from_numpy(np.stack([aged(*pair) for pair in zip(crops, points, strict=True)]))
    truth = truth.permute(0, 3, 1, 2)
    rows = [batch.truth, truth]

    def score(way: str, faces: torch.Tensor) -> None:
        pair = autoencoder.normalise(faces), autoencoder.normalise(truth)
        similar = 1.0 - float(multiscale_dissimilarity(*pair, batch.matte, scales=1))
        mouth = (batch.weight - 1.0).clamp(min=0)
        row = {"way": way, "ssim": round(similar, 4)}
        row["mouth_and_eyes_ssim"] = round(1.0 - float(multiscale_dissimilarity(*pair, mouth, scales=1)), 4)
        row["l1"] = round(float(weighted_l1(faces, truth, batch.matte)), 5)
        print(json.dumps(row), flush=True)
        rows.append(faces)

    score("before", predicted(options.model, bank, open_ones, name, name))
    plain = [
        mock.patch.object(joining, "FROZEN_LEVELS", 0),
        mock.patch.object(model_task, "PULL", 0.0),
        mock.patch.object(table, "weights_at", without_rehearsal),
    ]
    for way, changes in (("plain", plain), ("adapt", [])):
        model = options.out / f"{way}.model"
        shutil.rmtree(model, ignore_errors=True)
        shutil.copytree(options.model, model)
        job = AdaptJob(
            model=model,
            faceset=options.out / "edited.faceset",
            of_faceset=options.faceset,
            iterations=options.iterations,
            preview_iterations=10**6,
        )
        for change in changes:
            change.start()
        adapt.run(job, report=silent, settings=settings)
        for change in changes:
            change.stop()
        score(way, predicted(model, bank, open_ones, name, EDITED))
    every = torch.linspace(0, len(open_ones) - 1, SHOWN).long().tolist()
    sheet = torch.cat([torch.cat([row[index] for index in every], dim=2) for row in rows], dim=1)
    encoded = np.ascontiguousarray(sheet.permute(1, 2, 0).numpy(), np.float32)
    write_png(options.out / "sheet.png", colour.to_display(encoded, colour.ENCODED))


if __name__ == "__main__":
    main()
