"""`understudy swap`: the frame recipe. Read `swap_frame` from top to bottom.

    plate frame ── cut ──> aligned face ── network ──> new face, learned matte
                                             │ matte: learned × hull, eroded, feathered
                                             │ colour: a 3×4 matrix in the encoded space; the plate's light
                                             │ detail: sharpness
    finished frame <── merge, under the matte only ── warp into the plate's rectangle

Convention:
    The aligned face is worked on at `working` pixels, about the face's own size in the plate: a matte made
    at the network's size would show its pixels.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from understudy.comp import bands, detail, light, match, matte, membrane, merge
from understudy.errors import UnderstudyError
from understudy.face import canonical
from understudy.face.track import Track, TrackedFace
from understudy.image import colour
from understudy.image.exr import write_image
from understudy.image.frame import FloatImage, Frame
from understudy.image.plate import open_plate
from understudy.image.sequence import Pattern
from understudy.job import SwapJob
from understudy.progress import Failed, Finished, Progress, Reporter, Warned
from understudy.runtime.model import Model
from understudy.settings import Settings
from understudy.shot import facepass
from understudy.shot.crop import cut, face_box, finite, moved
from understudy.shot.find import chosen_frames
from understudy.shot.newface import NewFace
from understudy.shot.output import digest, is_done, refuse_overwriting, stamped
from understudy.shot.warm import Warm

LARGEST_WORKING_PX = 1024


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
                face = track.faces.get(number)
                wanted = digest(job, plate, face, model.card.sha256, number)
                if is_done(path, wanted):
                    kept.append(number)
                    continue
                refuse_overwriting(path, plate, number)
                read = kept_warm.frame(plate, number, job.colour_space)
                frame = process(job.at(number), read, face, model, report=report)
                write_image(path, stamped(frame, job, model.card, wanted))
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
        return frame if job.write == "frame" else facepass.empty(frame)
    made = swap_frame(job, frame, face, model)
    if made is None:
        report(Warned("The face lies outside the frame; the plate goes through unchanged.", face.frame))
        return frame if job.write == "frame" else facepass.empty(frame)
    return finish(job, frame, made) if job.write == "frame" else facepass.layers(frame, made)


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

    solved, lit = solve_colour(job, faces[0], plate_face, resize(shape, card.size))
    rgb = detail.sharpen(resize(faces[0], working), job.sharpness, radius_px=working / card.size)
    return NewFace(
        rgb,
        solved,
        resize(lit, working) if lit.any() else None,
        learned,
        hull,
        shape,
        job.opacity / 100,
        replaced(job, to_working, working),
    )


def solve_colour(
    job: SwapJob, face: FloatImage, plate: FloatImage, shape: FloatImage
) -> tuple[match.ColourMatch, FloatImage]:
    """The colour match, and the light to add after it, at the network's size.

    Both change nothing where the matte is empty, as nothing will show.
    """
    if float(shape.sum()) < 1.0:
        return match.ColourMatch.identity(), np.zeros_like(face)
    solved = match.solve(job.colour_method, face, plate, shape, strength=job.colour_strength / 100)
    if job.light_strength == 0:
        return solved, np.zeros_like(face)
    radius = job.light_radius_percent / 100 * face.shape[0]
    lit = light.difference(solved.apply(face), plate, shape, radius_px=radius)
    return solved, lit * np.float32(job.light_strength / 100)


def replaced(job: SwapJob, plate_to_aligned: np.ndarray, size: int) -> np.ndarray:
    """The placement with the artist's own scale, turn and shift of the new face."""
    return moved(
        plate_to_aligned,
        size,
        scale=job.face_scale_percent / 100,
        turn_degrees=job.face_turn_degrees,
        shift=(job.face_shift_x_percent / 100, job.face_shift_y_percent / 100),
    )


def finish(job: SwapJob, frame: Frame, made: NewFace) -> Frame:
    """The face over the plate, in the plate's own colour space, within the face's rectangle only."""
    box, (encoded,) = made.warp_colours(frame.data_window, made.finished())
    coverage = made.warp_matte(made.matte, box)
    rows, columns = box.slices(frame.data_window)
    pixels = frame.pixels.copy()
    channels = list(frame.rgb_index)
    plate_rgb = np.ascontiguousarray(pixels[rows, columns][..., channels])
    encoded, coverage = join(job, frame, plate_rgb, encoded, coverage)
    rgb = colour.decode(encoded, frame.colour_space)
    alpha = alpha_of(frame, rows, columns)
    # A premultiplied plate holds colour × alpha: the face is multiplied alike before it goes over.
    face_rgb = rgb if alpha is None else rgb * alpha[..., None]
    merged = merge.over(plate_rgb, face_rgb, coverage * np.float32(made.opacity))
    for index, channel in enumerate(channels):
        pixels[rows, columns, channel] = merged[..., index]
    return replace(frame, pixels=pixels)


def join(
    job: SwapJob, frame: Frame, plate_rgb: FloatImage, face: FloatImage, coverage: FloatImage
) -> tuple[FloatImage, FloatImage]:
    """The encoded face and its matte as the merge mode has them; `over` leaves both."""
    if job.merge == "over" or not coverage.any():
        return face, coverage
    plate = colour.encode(finite(plate_rgb), frame.colour_space)
    if job.merge == "multiband":
        return bands.multiband(plate, face, coverage)
    return membrane.gradient(plate, face, coverage), coverage


def alpha_of(frame: Frame, rows: slice, columns: slice) -> FloatImage | None:
    """The plate's alpha there, None where it has none or its colour is not multiplied by it."""
    if "A" not in frame.channels or not frame.premultiplied:
        return None
    return frame.pixels[rows, columns, frame.channels.index("A")]


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
