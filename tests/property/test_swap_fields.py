"""Every field of the swap job, turned by itself from the schema: who notices it, and whom it leaves alone.

The picture changes by every control. The digest and a host's stale mark change exactly where the picture, or
how it is stored, does. A warm worker's frame is a cold one's, made anew only where a field has a part in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import cv2
import numpy as np
import pytest

from understudy.core.progress import silent
from understudy.core.settings import Settings
from understudy.face import align
from understudy.face.faceset import crops
from understudy.face.skin import bank, canonical
from understudy.face.template import BASE
from understudy.face.track.smooth import TrackedFace
from understudy.face.track.store import Track
from understudy.image.exr import read_image, read_metadata, write_image
from understudy.image.frame import FloatImage, Frame
from understudy.image.integrity import DIGEST
from understudy.inference.predictor import PredictedFaces, Predictor
from understudy.jobs import schema
from understudy.swap import run as swap_run
from understudy.swap.cache import RenderCache
from understudy.swap.job import SwapJob, not_in_a_face_pass
from understudy.swap.recipe import STAGES
from understudy.swap.stages import acting, mattes, measure, predict
from understudy_host import jobs, knobs

FIELDS: Mapping[str, Mapping[str, Any]] = schema.job("swap")["properties"]
EDGE, NUMBER = 48, 2
SETTINGS = Settings(models=Path("unused"), device="cpu", threads=1)
# Files of the small shot by field, as they are and otherwise.
FILES = {
    "plate": ("plate.%04d.exr", "other_plate.%04d.exr"),
    "matte_roto": ("roto.%04d.exr", "other_roto.%04d.exr"),
    "track": ("plate.track", "other.track"),
    "model": ("a.onnx", "b.onnx"),
    "output": ("out/f.%04d.exr", "elsewhere/f.%04d.exr"),
}
# What the schema cannot vary, and values with which every other matte has an effect.
CHOSEN: dict[str, tuple[Any, Any]] = {
    "frames": ("2", "2-2"),
    "colour_space": ("ACEScg", "Linear Rec.709 (sRGB)"),
    "alpha": ("premultiplied", "ignore"),
    "layer": (None, "wide"),
    "view": (None, "right"),
    "source": ("a", "c"),
    "matte_combine": ("product", "minimum"),
    "feather": (3.0, 5.0),
    "colour_method": ("iterative", "sliced"),  # both need the seed
    "face": ("face1", "face2"),
    "faces": ([], [{"face": "face2", "source": "b"}]),
    "keyframes": ({}, {"opacity": {1: 10.0, 3: 30.0}}),
}


def turned(name: str) -> tuple[Any, Any]:
    """Two values of a field: one with which every other field has an effect, and another one."""
    field = FIELDS[name]
    if name in FILES or name in CHOSEN:
        return {**FILES, **CHOSEN}[name]
    if "enum" in field:
        first, second = field["enum"][-2:] if name != "write" else field["enum"]
        return first, second
    if field["type"] == "boolean":
        return True, False
    default, high, low = field["default"], field["maximum"], field["minimum"]
    # Edges of all sides at once: erosions are small, and soft edges go further.
    share = (
        0.4 if not str(field.get("unit", "")).startswith("percent of the aligned") else 0.02 if low else 0.1
    )
    far = high if high - default > default - low else low
    values = [default + part * share * (far - default) for part in (1, 0.5)]
    if field["type"] == "integer":
        return int(min(values[0], default + 2)), int(min(values[1], default + 1))
    return values[0], values[1]


BASE_VALUES = {name: turned(name)[0] for name in FIELDS}


@dataclass
class Network:
    """A model that answers at once with smooth pictures; it counts how often it is asked."""

    seed: int
    asked: int = 0

    def predict(
        self,
        faces: FloatImage,
        landmarks: FloatImage,
        *,
        source: str | None,
        identity_mix: float,
        directed: FloatImage | None,
        shape: FloatImage | None,
    ) -> PredictedFaces:
        self.asked += 1
        leading = landmarks if directed is None else directed
        leading = leading + 3 * (np.ones(68, np.float32) if shape is None else shape)[:, None]
        random = np.random.default_rng([self.seed, ord(source or "a")])
        blurred = [cv2.GaussianBlur(random.normal(0, 1, faces[0].shape), (0, 0), 2)[None] for _ in range(2)]
        new, own = 0.5 * faces + 0.2 + 0.3 * blurred[0], faces + 0.1 * blurred[1]
        for x, y in np.round(leading[0] * 16).astype(int).tolist():  # where its features lie
            cv2.circle(new[0], (x, y), 32, (0.3, 0.2, 0.1), shift=4)
        own[:, 12:24, 12:24] += 0.5  # what hides the plate's face there
        y, x = np.mgrid[:EDGE, :EDGE] / EDGE - 0.5
        matte, wide = (np.clip((r - np.hypot(x, y)) * 9, 0, 1).astype(np.float32)[None] for r in (0.45, 0.5))
        mixed = own + identity_mix * (new - own)
        return PredictedFaces(
            mixed.astype(np.float32), matte, own.astype(np.float32), wide, leading + np.float32(1)
        )


class Cache(RenderCache):
    """A render cache whose models are such networks."""

    def __init__(self) -> None:
        super().__init__()
        self.networks = {name: Network(number) for number, name in enumerate(FILES["model"])}

    def models(self, paths: Sequence[Path], device: str, threads: int, seconds: float = 0) -> list[Predictor]:
        return [self._model(path) for path in paths]

    def _model(self, path: Path) -> Predictor:
        card = SimpleNamespace(
            size=EDGE, coverage="full", source="a", destination="b", landmarks="",
            sha256=path.name, releases={}, encoding="ACEScct",
        )  # fmt: skip
        network = self.networks[path.name]
        session = SimpleNamespace(provider="none")
        return cast(
            Predictor,
            SimpleNamespace(
                card=card,
                predict=network.predict,
                session=session,
                require_source=lambda source: None,
            ),
        )

    @property
    def asked(self) -> int:
        return sum(network.asked for network in self.networks.values())


def face(number: int, *, shift: float) -> TrackedFace:
    """An open mouth in a face that moves by four pixels a frame."""
    points = (BASE - BASE.mean(axis=0)) * 34
    points[[55, 56, 57, 58, 59, 65, 66, 67]] += [0, 5]  # the lower lip
    moved = points + np.array([40 + 4 * number + shift, 30])
    return TrackedFace(number, moved.astype(np.float32), 1.0, False, (0, 0, 1, 1))


@pytest.fixture(scope="module")
def shot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three small frames, two of each file that a job reads."""
    folder = tmp_path_factory.mktemp("shot")
    for seed, (plate, roto, track) in enumerate(
        zip(FILES["plate"], FILES["matte_roto"], FILES["track"], strict=True)
    ):
        for number in (1, 2, 3):
            random = np.random.default_rng([seed, number])
            pixels = cv2.GaussianBlur(random.gamma(2, 0.1, (60, 80, 3)).astype(np.float32), (0, 0), 1)
            write_image(folder / (plate % number), stereo(pixels))
            matte = np.full((60, 80, 3), 0.9 - 0.2 * seed, np.float32)
            write_image(folder / (roto % number), Frame.from_rgb(matte, colour_space="ACEScg"))
        faces = {
            name: [face(number, shift=seed + 6 * index) for number in (1, 2, 3)]
            for index, name in enumerate(CHOSEN["face"])
        }
        Track.create(folder / track, plate=plate, faces=faces, detector="known")
        write_bank(folder / FILES["model"][seed], Network(seed))
    return folder


def write_bank(model: Path, network: Network) -> None:
    """A skin bank of what a network predicts, and of detail that is finer than its pixels."""
    job, tracked = job_of(model.parent, model.parent, {}), face(NUMBER, shift=0).landmarks
    directed = acting.directed(job.of(acting.ActingParameters), tracked, 1.0)
    to_aligned = align.plate_to_aligned(tracked, coverage="full", size=EDGE)
    leading = align.transform(directed, to_aligned).astype(np.float32)[None]
    asked = np.full((1, EDGE, EDGE, 3), 0.2, np.float32)
    mix = job.identity_mix / 100
    seen = network.predict(asked, leading, source="a", identity_mix=mix, directed=None, shape=None)
    landmarks = (seen.landmarks[0] + 0.5) / EDGE
    crop = cv2.resize(seen.face[0], (128, 128), interpolation=cv2.INTER_CUBIC)
    crop += np.random.default_rng(5).normal(0, 0.05, crop.shape).astype(np.float32)
    small = canonical.preview(crop, landmarks, coverage="full")
    one = bank.BankFace(landmarks.astype(np.float32), small, crops.encode(crop, 128))
    about = {"identity": "a", "coverage": "full", "crop_size": 128, "release_digest": "", "detector": "known"}
    bank.write(bank.bank_path(model), [one], **about)


def stereo(pixels: FloatImage) -> Frame:
    """A plate with an alpha, a second layer and a second view."""
    alpha = np.full((*pixels.shape[:2], 1), 0.7, np.float32)
    window = Frame.from_rgb(pixels, colour_space="ACEScg").data_window
    return Frame(
        np.concatenate([pixels, alpha, 0.5 * pixels, 0.8 * pixels, alpha], axis=2),
        (*"RGBA", *(f"wide.{name}" for name in "RGB"), *(f"right.{name}" for name in "RGBA")),
        window,
        window,
        "ACEScg",
        metadata={"multiView": ("left", "right")},
    )


def job_of(shot: Path, folder: Path, changes: Mapping[str, Any]) -> SwapJob:
    values = {**BASE_VALUES, **changes}
    if values["faces"]:
        values["face"] = None  # they are named already
    for name in FILES:
        values[name] = str((folder if name == "output" else shot) / values[name])
    return SwapJob.model_validate(values)


def made(job: SwapJob, cache: RenderCache) -> Path:
    result = swap_run.run(job, report=silent, settings=SETTINGS, kept=cache)
    assert (result["written"], result["failed_frames"]) == (1, []), result
    return Path(job.output % NUMBER)


@pytest.fixture(scope="module", params=["frame", "face_pass"])
def worker(request: pytest.FixtureRequest, shot: Path) -> tuple[str, Cache, Path]:
    """What is written, a warm worker's cache with one frame of it, and the frame."""
    write, cache = str(request.param), Cache()
    return write, cache, made(job_of(shot, shot / f"before_{write}", {"write": write}), cache)


def same_picture(first: Path, second: Path) -> bool:
    """The same pixels, and the same numbers in the header, which a host reads."""
    one, other = read_image(first), read_image(second)
    if one.channels != other.channels or one.pixels.tobytes() != other.pixels.tobytes():
        return False
    headers = [
        {name: value for name, value in read_metadata(path).items() if name.startswith("understudy:")}
        for path in (first, second)
    ]
    for header in headers:
        for name in (DIGEST, "understudy:model", "understudy:source", "understudy:provenance"):
            header.pop(name, None)
    return headers[0] == headers[1]


def same_digest(first: Path, second: Path) -> bool:
    return bool(read_metadata(first)[DIGEST] == read_metadata(second)[DIGEST])


def has_part_in(name: str, stage: Any) -> bool:
    """Whether a field has a part in a stage's result, by the declarations."""
    stages = stage.with_earlier
    if any(name in one.parameters.model_fields for one in stages):
        return True
    read = {what.value for one in stages for what in one.reads}
    taken = ("colour_space", "alpha", "layer", "view")  # how the plate's pixels are taken
    return name in read or name in taken or FIELDS[name].get("affects") == "name"


def test_every_stage_is_in_the_job_once_and_stands_after_what_it_uses() -> None:
    for index, stage in enumerate(STAGES):
        assert issubclass(SwapJob, stage.parameters)
        assert {one.name for one in stage.with_earlier[:-1]} <= {one.name for one in STAGES[:index]}
    assert len({stage.name for stage in STAGES}) == len(STAGES)


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_is_noticed_by_all_that_must_and_by_nobody_else(
    name: str, worker: tuple[str, Cache, Path], shot: Path, tmp_path: Path
) -> None:
    field, value = FIELDS[name], turned(name)[1]
    affects = field.get("affects", "picture")
    write, cache, before = worker
    asked, kept = cache.asked, [len(one._things) for one in (cache.mattes, cache.statistics)]
    changed = {"write": write, name: value}
    if name == "write" and value == write:
        changed["write"] = turned(name)[0]
    warm = made(job_of(shot, tmp_path / "warm", changed), cache)
    cold = made(job_of(shot, tmp_path / "cold", changed), Cache())

    assert same_picture(warm, cold) and same_digest(warm, cold), "a warm worker shows what is stale"
    assert (cache.asked > asked) == has_part_in(name, predict.STAGE), "predicted anew"
    anew = [len(one._things) for one in (cache.mattes, cache.statistics)]
    parts = [has_part_in(name, stage) for stage in (mattes.STAGE, measure.STAGE)]
    assert [after > count for after, count in zip(anew, kept, strict=True)] == parts

    held = write == "frame" or name not in not_in_a_face_pass()
    shown = affects in ("picture", "name") and field.get("access") != "write"
    assert same_picture(before, warm) != (shown and held), "the picture"
    assert same_digest(before, warm) != ((shown or affects == "file") and held), "the digest"


def document(face_pass: bool, **changes: Any) -> dict[str, Any]:
    """The job as a host writes it of its knobs."""
    values = {**BASE_VALUES, **changes}
    keys = values["keyframes"]
    if values["write"] == "face_pass":
        face_pass = not face_pass
    write = jobs.face_pass_document if face_pass else jobs.swap_document
    told = write(
        {knob.name: values[knob.name] for knob in knobs.knobs("swap")},
        keys,
        plate=values["plate"],
        output=values["output"],
        frames=values["frames"],
        colour_space=values["colour_space"],
    )
    return {**told, "exr_compression": values["exr_compression"]}


@pytest.mark.parametrize("face_pass", [False, True], ids=["frame", "face_pass"])
@pytest.mark.parametrize("name", FIELDS)
def test_a_bake_is_stale_exactly_where_it_would_come_out_otherwise(name: str, face_pass: bool) -> None:
    field, value = FIELDS[name], turned(name)[1]
    fresh = jobs.digest(document(face_pass)) == jobs.digest(document(face_pass, **{name: value}))
    live = "live" in field or name == "keyframes"  # the keyframes here are a live knob's
    counts = not live and field.get("in_face_pass", True) if face_pass else True
    # A host asks for no face by its name yet.
    assert fresh != (field.get("affects") not in ("run", "name") and counts)
