"""`understudy swap`: the frame recipe. Read `swap_frame` from top to bottom.

    plate frame ── cut ──> aligned face ── network ──> new face, learned matte
                                             │ matte: learned × hull, eroded, feathered, opacity
                                             │ colour: a 3×4 matrix in the encoded space
                                             │ detail: sharpness
    finished frame <── over, under the matte only ── warp into the plate's rectangle

Convention:
    The aligned face is worked on at `working` pixels, about the face's own size in the plate: a matte made
    at the network's size would show its pixels.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from understudy.comp import detail, match, matte, merge
from understudy.errors import JobError, PlateError, UnderstudyError
from understudy.face import canonical
from understudy.face.track import Track, TrackedFace
from understudy.image import colour
from understudy.image.exr import read_metadata, write_image
from understudy.image.frame import Box, FloatImage, Frame
from understudy.image.plate import Plate, open_plate
from understudy.image.sequence import Pattern
from understudy.job import SwapJob
from understudy.progress import Failed, Finished, Progress, Reporter, Warned
from understudy.runtime.model import Model
from understudy.settings import Settings
from understudy.shot.crop import cut, face_box, shifted
from understudy.shot.find import chosen_frames
from understudy.shot.warm import Warm, stamp_of

DIGEST = "understudy:digest"
LARGEST_WORKING_PX = 1024


@dataclass(frozen=True)
class NewFace:
    """What the network and the compositing recipe made of one frame, aligned.

    Attributes:
        rgb: (W, W, 3) the new face, encoded, before its colour match.
        match: The colour match.
        learned, hull: (W, W) the two mattes as they came.
        matte: (W, W) the final matte, opacity included.
        plate_to_aligned: (2, 3) matrix at W.
    """

    rgb: FloatImage
    match: match.ColourMatch
    learned: FloatImage
    hull: FloatImage
    matte: FloatImage
    plate_to_aligned: np.ndarray


def run(job: SwapJob, *, report: Reporter, settings: Settings, warm: Warm | None = None) -> dict[str, Any]:
    """Swap the job's frames; one bad frame never loses the others, and finished ones are not done again.

    Args:
        warm: Keeps the model and the frames between runs in one process.

    Raises:
        PlateError: the plate cannot be opened.
        FaceError: the track cannot be read.
        ModelError: the model cannot be opened.
        JobError: the output would overwrite the plate.
    """
    kept_warm = Warm(frame_bytes=0) if warm is None else warm
    model = kept_warm.model(
        job.model, settings.device if job.device == "auto" else job.device, settings.threads
    )
    track, output = Track.open(job.track), Pattern.parse(job.output)
    written: list[int] = []
    kept: list[int] = []
    failed: dict[int, UnderstudyError] = {}
    with closing(open_plate(job.plate, colour_space=job.colour_space)) as plate:
        frames = chosen_frames(plate, job.frames)
        for done, number in enumerate(frames):
            report(Progress("swap", done, len(frames), f"frame {number}"))
            path = output.path(number)
            try:
                digest = _digest(job, plate, track.faces.get(number), model, number)
                if _is_done(path, digest):
                    kept.append(number)
                    continue
                _refuse_overwriting(path, plate, number)
                read = kept_warm.frame(plate, number, job.colour_space)
                frame = process(job, read, track.faces.get(number), model, report=report)
                write_image(path, _stamped(frame, job, model, digest))
                written.append(number)
            except UnderstudyError as exc:
                failed[number] = exc
                report(Failed(exc.as_dict(), number))
        report(Progress("swap", len(frames), len(frames)))
    result = {
        "output": job.output,
        "written": len(written),
        "unchanged": len(kept),
        "failed_frames": sorted(failed),
        "exit_code": max((exc.exit_code for exc in failed.values()), default=0),
        "provider": model.session.provider,
    }
    report(Finished(result))
    return result


def process(job: SwapJob, frame: Frame, face: TrackedFace | None, model: Model, *, report: Reporter) -> Frame:
    """One frame in memory: the finished frame or the face pass, the plate itself where there is no face."""
    if face is None:
        report(Warned("The track has no face here; the plate goes through unchanged."))
        return frame if job.write == "frame" else empty_pass(frame)
    made = swap_frame(job, frame, face, model)
    if made is None:
        report(Warned("The face lies outside the frame; the plate goes through unchanged.", face.frame))
        return frame if job.write == "frame" else empty_pass(frame)
    return finish(frame, made) if job.write == "frame" else face_pass(frame, made)


def swap_frame(job: SwapJob, frame: Frame, face: TrackedFace, model: Model) -> NewFace | None:
    """The recipe: cut, infer, matte, match, sharpen. None where the face misses the frame."""
    card = model.card
    to_network = canonical.plate_to_aligned(face.landmarks, coverage=card.coverage, size=card.size)
    if face_box(to_network, card.size, frame.data_window).empty:
        return None
    plate_face = cut(frame, to_network, card.size)
    aligned = canonical.transform(face.landmarks, to_network).astype(np.float32)
    faces, learned_mattes, _ = model.swap(plate_face[None], aligned[None], source=job.source or card.source)

    working = working_size(to_network, card.size)
    to_working = canonical.rescale(to_network, card.size, working)
    landmarks = canonical.transform(face.landmarks, to_working).astype(np.float32)
    learned = resize(learned_mattes[0], working)
    hull = matte.hull(landmarks, working)
    shape = matte.combine(job.matte, learned, hull)
    shape = matte.erode(shape, job.erode_percent / 100 * working)
    shape = matte.feather(shape, job.feather_percent / 100 * working)

    solved = solve_match(job, faces[0], plate_face, resize(shape, card.size))
    rgb = detail.sharpen(resize(faces[0], working), job.sharpness, radius_px=working / card.size)
    return NewFace(rgb, solved, learned, hull, shape * np.float32(job.opacity / 100), to_working)


def solve_match(job: SwapJob, face: FloatImage, plate: FloatImage, shape: FloatImage) -> match.ColourMatch:
    """The colour match at the network's size; none where the matte is empty, as nothing will show."""
    if float(shape.sum()) < 1.0:
        return match.ColourMatch.identity()
    return match.solve(job.colour_method, face, plate, shape, strength=job.colour_strength / 100)


def finish(frame: Frame, made: NewFace) -> Frame:
    """The face over the plate, in the plate's own colour space, within the face's rectangle only."""
    box, rgb, coverage = placed(frame, made, made.match.apply(made.rgb))
    rows, columns = box.slices(frame.data_window)
    pixels = frame.pixels.copy()
    channels = list(frame.rgb_index)
    plate_rgb = np.ascontiguousarray(pixels[rows, columns][..., channels])
    alpha = alpha_of(frame, rows, columns)
    # A premultiplied plate holds colour × alpha: the face is multiplied alike before it goes over.
    face_rgb = rgb if alpha is None else rgb * alpha[..., None]
    merged = merge.over(plate_rgb, face_rgb, coverage)
    for index, channel in enumerate(channels):
        pixels[rows, columns, channel] = merged[..., index]
    return replace(frame, pixels=pixels)


def alpha_of(frame: Frame, rows: slice, columns: slice) -> FloatImage | None:
    """The plate's alpha there, None where it has none or its colour is not multiplied by it."""
    if "A" not in frame.channels or not frame.premultiplied:
        return None
    return frame.pixels[rows, columns, frame.channels.index("A")]


def face_pass(frame: Frame, made: NewFace) -> Frame:
    """The face before colour match and merge, with its mattes and its map, for the host to composite."""
    box, rgb, coverage = placed(frame, made, made.rgb)
    to_box = shifted(made.plate_to_aligned, box.x0, box.y0)
    box_to = canonical.invert(to_box)
    size = made.rgb.shape[0]
    inside = merge.warp_to_box(np.ones((size, size), np.float32), box_to, _at_origin(box), "linear")
    learned = merge.warp_to_box(made.learned, box_to, _at_origin(box), "linear")
    hull = merge.warp_to_box(made.hull, box_to, _at_origin(box), "linear")
    layers = {
        "R": rgb[..., 0] * inside,
        "G": rgb[..., 1] * inside,
        "B": rgb[..., 2] * inside,
        "A": inside,
        "matte_final.A": coverage,
        "matte_learned.A": learned,
        "matte_hull.A": hull,
        **uv_layers(to_box, box, size),
    }
    metadata = {
        "understudy:colour_match": made.match.as_metadata(),
        "understudy:plate_to_aligned": tuple(float(v) for v in made.plate_to_aligned.ravel()),
        "understudy:aligned_size": size,
        "understudy:encoding": colour.ENCODED,
    }
    return Frame(
        np.ascontiguousarray(np.stack(list(layers.values()), axis=-1), np.float32),
        tuple(layers),
        box,
        frame.display_window,
        frame.colour_space,
        premultiplied=True,
        pixel_aspect=frame.pixel_aspect,
        metadata=metadata,
        storage="float",
    )


def uv_layers(to_box: np.ndarray, box: Box, size: int) -> dict[str, FloatImage]:
    """Where each of the box's pixels lies on the aligned face: 0..1, x right, y up as STMap wants it."""
    x, y = np.meshgrid(np.arange(box.width, dtype=np.float64), np.arange(box.height, dtype=np.float64))
    aligned = canonical.transform(np.stack([x.ravel(), y.ravel()], axis=1), to_box)
    share = ((aligned + 0.5) / size).reshape(box.height, box.width, 2).astype(np.float32)
    return {"uv.R": share[..., 0], "uv.G": 1.0 - share[..., 1]}


def empty_pass(frame: Frame) -> Frame:
    """A face pass without a face: one transparent pixel, so that the sequence has no gap."""
    names = ("R", "G", "B", "A", "matte_final.A", "matte_learned.A", "matte_hull.A", "uv.R", "uv.G")
    corner = Box(
        frame.display_window.x0,
        frame.display_window.y0,
        frame.display_window.x0 + 1,
        frame.display_window.y0 + 1,
    )
    nothing = np.zeros((1, 1, len(names)), np.float32)
    return Frame(nothing, names, corner, frame.display_window, frame.colour_space, storage="float")


def placed(frame: Frame, made: NewFace, encoded: FloatImage) -> tuple[Box, FloatImage, FloatImage]:
    """The face's rectangle in the plate, with the face in the plate's colour space and the matte in it."""
    size = encoded.shape[0]
    aligned_to_plate = canonical.invert(made.plate_to_aligned)
    box = merge.paste_box(aligned_to_plate, size, frame.data_window)
    rgb = merge.warp_to_box(encoded, aligned_to_plate, box, "cubic")
    coverage = merge.warp_to_box(made.matte, aligned_to_plate, box, "linear")
    return box, colour.decode(rgb, frame.colour_space), coverage


def working_size(to_network: np.ndarray, network_size: int) -> int:
    """Edge to work at: the aligned square's edge in plate pixels, at least the network's own."""
    scale = float(np.sqrt(abs(np.linalg.det(to_network[:, :2]))))
    return int(np.clip(round(network_size / max(scale, 1e-6)), network_size, LARGEST_WORKING_PX))


def resize(image: FloatImage, size: int) -> FloatImage:
    """(S, S[, 3]) to (size, size[, 3]): cubic up, area down."""
    if image.shape[0] == size:
        return image
    smaller = size < image.shape[0]
    resized = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)
    # A cubic overshoots a matte's edge; colour may overshoot, it has no bounds.
    bounded = resized if image.ndim == 3 else np.clip(resized, 0.0, 1.0)
    return np.asarray(bounded, np.float32)


def _at_origin(box: Box) -> Box:
    return Box(0, 0, box.width, box.height)


def _digest(job: SwapJob, plate: Plate, face: TrackedFace | None, model: Model, number: int) -> str:
    """Digest of everything the frame depends on: plate file, landmarks, model, the job's own fields."""
    inputs = {
        "plate": stamp_of(plate.file(number)),
        "face": "" if face is None else hashlib.sha256(face.landmarks.tobytes()).hexdigest(),
        "model": model.card.sha256,
        "job": job.model_dump(mode="json", exclude={"frames", "output", "device", "track", "model"}),
        "frame": number,
    }
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def _is_done(path: Path, digest: str) -> bool:
    if not path.exists():
        return False
    try:
        return read_metadata(path).get(DIGEST) == digest
    except PlateError:
        return False  # half a file from elsewhere: it is written again


def _refuse_overwriting(path: Path, plate: Plate, number: int) -> None:
    if path.absolute() == plate.file(number).absolute():
        raise JobError("The output would overwrite the plate.", where=path, fix="choose another output")


def _stamped(frame: Frame, job: SwapJob, model: Model, digest: str) -> Frame:
    """Provenance into the header: which model, which identity, under which release."""
    source = job.source or model.card.source
    stamp = {
        DIGEST: digest,
        "understudy:model": model.card.sha256,
        "understudy:source": source,
        "understudy:release": model.card.releases.get(source, ""),
    }
    storage = frame.storage
    if Path(job.output).suffix.lower() == ".exr" and storage not in ("half", "float"):
        storage = "float"  # half would round an 8-bit value
    return replace(frame, metadata={**frame.metadata, **stamp}, storage=storage)
