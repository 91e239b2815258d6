"""`understudy swap`: the frame recipe. Read from `draw` to `finish`.

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

from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import cv2
import numpy as np

from understudy.comp import bands, detail, grade, grain, light, match, matte, membrane, merge, transport
from understudy.errors import UnderstudyError
from understudy.face import canonical
from understudy.face.track import Track, TrackedFace
from understudy.image import colour
from understudy.image.exr import write_image
from understudy.image.frame import Box, FloatImage, Frame
from understudy.image.plate import open_plate
from understudy.image.sequence import Pattern
from understudy.job import SwapJob
from understudy.progress import Failed, Finished, Progress, Reporter, Warned
from understudy.runtime.model import Model
from understudy.settings import Settings
from understudy.shot import facepass
from understudy.shot.crop import Matrix, cut, cut_matte, face_box, finite
from understudy.shot.find import chosen_frames
from understudy.shot.newface import Drawn, NewFace
from understudy.shot.output import digest, is_done, refuse_overwriting, stamped
from understudy.shot.placement import replaced, shutter_path
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
    kept_warm = Warm(frame_bytes=0, drawn_bytes=0) if warm is None else warm
    model = kept_warm.model(
        job.model, settings.device if job.device == "auto" else job.device, settings.threads
    )
    track, output = Track.open(job.track), Pattern.parse(job.output)
    if model.card.landmarks not in ("", track.detector):
        report(
            Warned(
                f"The track's landmarks are of {track.detector!r}, the model's of {model.card.landmarks!r}: "
                "features will lie elsewhere. Track the shot with the model's detector."
            )
        )
    written: list[int] = []
    kept: list[int] = []
    failed: dict[int, UnderstudyError] = {}
    with ExitStack() as opened:
        plate = opened.enter_context(closing(open_plate(job.plate, colour_space=job.colour_space)))
        roto = opened.enter_context(closing(open_plate(job.matte_external))) if job.matte_external else None
        frames = chosen_frames(plate, job.frames)
        for done, number in enumerate(frames):
            report(Progress("swap", done, len(frames), f"frame {number}"))
            path = output.path(number)
            try:
                wanted = digest(job, plate, roto, track, model.card.sha256, number)
                if is_done(path, wanted):
                    kept.append(number)
                    continue
                refuse_overwriting(path, (plate, roto), number)
                read, face = kept_warm.frame(plate, number, job.colour_space), track.faces.get(number)
                drawn = None
                if face is not None:
                    make = partial(draw, read, face, model, job.source)
                    drawn = kept_warm.face(plate, number, job, face, model, make)
                own = None if roto is None else kept_warm.frame(roto, number, None)
                near = tuple(track.faces.get(number + step) for step in (-1, 0, 1))
                moment = Moment(number, read, near, drawn, own)
                frame = process(job.at(number), moment, report=report)
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


@dataclass(frozen=True)
class Moment:
    """What one frame is made from.

    Attributes:
        number: The frame's number.
        frame: The plate's frame.
        near: The track's face on the frame before, on this one, and on the one after.
        drawn: What the network made of it; None without a face in the frame.
        roto: The artist's own matte.
    """

    number: int
    frame: Frame
    near: tuple[TrackedFace | None, ...]
    drawn: Drawn | None
    roto: Frame | None = None


def process(job: SwapJob, moment: Moment, *, report: Reporter) -> Frame:
    """One frame in memory: the finished frame or the face pass, the plate itself where there is no face."""
    frame = moment.frame
    if moment.drawn is not None:
        made = composite(job, moment, moment.drawn)
        return finish(job, moment, made) if job.write == "frame" else facepass.layers(frame, made)
    what = "The track has no face here" if moment.near[1] is None else "The face lies outside the frame"
    report(Warned(f"{what}; the plate goes through unchanged.", moment.number))
    return frame if job.write == "frame" else facepass.empty(frame)


def draw(frame: Frame, face: TrackedFace, model: Model, source: str | None) -> Drawn | None:
    """What needs the network: cut the face out, swap it. None where the face misses the frame."""
    card = model.card
    to_network = canonical.plate_to_aligned(face.landmarks, coverage=card.coverage, size=card.size)
    if face_box(to_network, card.size, frame.data_window).empty:
        return None
    plate_face = cut(frame, to_network, card.size)
    aligned = canonical.transform(face.landmarks, to_network).astype(np.float32)
    faces, learned, own = model.swap(plate_face[None], aligned[None], source=source or card.source)
    return Drawn(faces[0], learned[0], own[0], plate_face, face.landmarks, to_network)


def composite(job: SwapJob, moment: Moment, drawn: Drawn) -> NewFace:
    """The recipe: matte, colour, light, detail."""
    working = working_size(drawn.plate_to_aligned, drawn.size)
    to_working = canonical.rescale(drawn.plate_to_aligned, drawn.size, working)
    mattes = {
        "learned": resize(drawn.learned, working),
        "destination": resize(drawn.destination, working),
        "hull": matte.hull(canonical.transform(drawn.landmarks, to_working).astype(np.float32), working),
    }
    shape = shape_matte(job, moment, mattes, to_working, working)
    solved, lit = solve_colour(job, drawn.face, drawn.plate, resize(shape, drawn.size))
    return NewFace(
        sharpen(job, moment, resize(drawn.face, working), to_working, shape),
        solved,
        resize(lit, working) if lit.any() else None,
        mattes["learned"],
        mattes["hull"],
        shape,
        job.opacity / 100,
        replaced(job, to_working, working),
        shutter_path(job, moment.near, to_working, working),
    )


def shape_matte(
    job: SwapJob, moment: Moment, made: dict[str, FloatImage], to_working: Matrix, working: int
) -> FloatImage:
    """The chosen mattes as one, eroded and feathered by shares of the aligned face.

    The artist's own matte joins last: a drawn edge is meant as it is.
    """
    own = [] if moment.roto is None else [cut_matte(moment.roto, to_working, working)]
    chosen = [made[name] for name in made if getattr(job, f"matte_{name}")]
    if not chosen:
        return matte.combine(job.matte_combine, own)
    shape, percent = matte.combine(job.matte_combine, chosen), working / 100
    shape = matte.erode(shape, job.erode_percent * percent)
    shape = matte.trim(
        shape,
        top=job.erode_top_percent * percent,
        bottom=job.erode_bottom_percent * percent,
        left=job.erode_left_percent * percent,
        right=job.erode_right_percent * percent,
    )
    return matte.combine(job.matte_combine, [matte.feather(shape, job.feather_percent * percent), *own])


def sharpen(
    job: SwapJob, moment: Moment, rgb: FloatImage, to_working: Matrix, shape: FloatImage
) -> FloatImage:
    """The new face with its detail changed: denoised, sharpened or softened, degraded."""
    radius = job.sharpness_radius_percent / 100 * rgb.shape[0]
    amount = job.sharpness
    if job.match_sharpness > 0:
        plate = cut(moment.frame, to_working, rgb.shape[0])
        seen = grain.measure(plate, shape)
        wanted = detail.matching_sharpness(rgb, plate, shape, radius, grain=seen.mean)
        amount = float(np.clip(amount + job.match_sharpness / 100 * wanted, -100, 100))
    rgb = detail.denoise(rgb, job.denoise, radius)
    return detail.degrade(detail.sharpen(rgb, amount, radius), job.degrade)


def solve_colour(
    job: SwapJob, face: FloatImage, plate: FloatImage, shape: FloatImage
) -> tuple[match.ColourMatch, FloatImage]:
    """The colour match with the artist's grade, and the light to add after it, at the network's size."""
    solved, lit = match.ColourMatch.identity(), np.zeros_like(face)
    if float(shape.sum()) >= 1.0:  # else nothing will show, and there is nothing to measure
        strength, common = job.colour_strength / 100, match.trusted(face, plate, shape)
        if job.colour_method in transport.METHODS:
            solved = transport.solve(job.colour_method, face, plate, common, strength=strength, seed=job.seed)
        else:
            solved = match.solve(job.colour_method, face, plate, common, strength=strength)
        if job.light_strength > 0:
            radius = job.light_radius_percent / 100 * face.shape[0]
            matched = solved.apply(face)
            common = match.trusted(matched, plate, shape)
            lit = light.difference(matched, plate, common, radius_px=radius)
            lit *= np.float32(job.light_strength / 100)
    graded = grade.matrix(
        gain_stops=job.grade_gain_stops,
        gamma=job.grade_gamma,
        lift=job.grade_lift_percent / 100,
        saturation=job.grade_saturation_percent / 100,
        hue_degrees=job.grade_hue_degrees,
    )
    if np.array_equal(graded, np.eye(3, 4)):
        return solved, lit
    # Light is added after the match and before the grade, which is linear but for its shift.
    return solved.then(graded), np.asarray(lit @ graded[:, :3].T, np.float32)


def finish(job: SwapJob, moment: Moment, made: NewFace) -> Frame:
    """The plate's frame with the face in it."""
    frame = moment.frame
    box, merged = merged_box(job, moment, made)
    rows, columns = box.slices(frame.data_window)
    pixels = frame.pixels.copy()
    for index, channel in enumerate(frame.rgb_index):
        pixels[rows, columns, channel] = merged[..., index]
    return replace(frame, pixels=pixels)


def merged_box(job: SwapJob, moment: Moment, made: NewFace) -> tuple[Box, FloatImage]:
    """The face over the plate, in the plate's own colour space, within the face's rectangle only."""
    frame = moment.frame
    box = made.box(frame.data_window)
    rows, columns = box.slices(frame.data_window)
    plate_rgb = np.ascontiguousarray(frame.pixels[rows, columns][..., list(frame.rgb_index)])
    encoded, coverage = made.warp_colours(made.finished(), box), made.warp_matte(made.matte, box)
    if job.merge != "over" or job.grain > 0:
        plate = colour.encode(finite(plate_rgb), frame.colour_space)
        encoded, coverage = join(job, plate, encoded, coverage)
    if job.grain > 0:
        seen = grain.measure(plate, coverage)
        encoded = grain.add(encoded, seen, amount=job.grain / 100, seed=job.seed, frame=moment.number)
    rgb = colour.decode(encoded, frame.colour_space)
    alpha = alpha_of(frame, rows, columns)
    # A premultiplied plate holds colour × alpha: the face is multiplied alike before it goes over.
    face_rgb = rgb if alpha is None else rgb * alpha[..., None]
    return box, merge.over(plate_rgb, face_rgb, coverage * np.float32(made.opacity))


def join(
    job: SwapJob, plate: FloatImage, face: FloatImage, coverage: FloatImage
) -> tuple[FloatImage, FloatImage]:
    """The face and its matte as the merge mode has them, all encoded; `over` leaves both."""
    if job.merge == "over" or not coverage.any():
        return face, coverage
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
