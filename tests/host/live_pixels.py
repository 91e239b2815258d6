"""The finish of a face pass worked out with numpy, to hold its graph to the engine.

Where a host has a filter of its own, the engine's takes its place: what is compared is the graph.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from understudy.comp.detail import sharpness
from understudy.comp.mattes import matte
from understudy.image.frame import Frame
from understudy_host import expressions, live
from understudy_host.knobs import knobs
from understudy_host.live_kinds import MODES
from understudy_host.live_numbers import BREAK, HEADER, MATTES, NUMBERS, ROTO, SOURCE, place_of

_APPLY: Mapping[str, Any] = {
    "add": np.add, "subtract": np.subtract, "multiply": np.multiply, "divide": np.divide,
    "negative": np.negative, "equal": lambda a, b: float(abs(a - b) < 1e-6),
    "choose": lambda asked, first, second: first if asked else second,
    "min": np.minimum, "max": np.maximum, "cos": np.cos, "sin": np.sin, "sqrt": np.sqrt,
}  # fmt: skip
_COMBINE = {
    "product": np.multiply, "minimum": np.minimum, "maximum": np.maximum,
    "difference": lambda first, second: first * (1 - second),
}  # fmt: skip


def places(values: Mapping[str, Any]) -> dict[str, float]:
    """Knob values as expressions see them: words as their places, switches as 0 or 1."""
    found = {}
    for knob in knobs("swap"):
        value = values.get(knob.name, knob.default)
        if knob.kind == "choice":
            found[knob.name] = float(knob.items.index(value))
        elif knob.kind in ("double", "int", "bool"):
            found[knob.name] = float(value)
    return found


def header_of(frame: Frame) -> dict[str, Any]:
    """The numbers of a face pass's header by the names of HEADER."""
    told = {name.removeprefix("understudy:"): value for name, value in frame.metadata.items()}
    found: dict[str, Any] = {name: number.default for name, number in HEADER.items()}
    if "colour_match" not in told:
        return found

    def matrix(key: str, columns: int) -> np.ndarray:
        return np.array(str(told[key]).split(), float).reshape(-1, columns)

    match, place = matrix("colour_match", 4), matrix("plate_to_aligned", 3)
    rows = {
        "to": matrix("linear_to_encoded", 3),
        "from": matrix("encoded_to_linear", 3),
        "match": match[:, :3],
    }
    for name, three in rows.items():
        found |= {f"{name}_{row}": tuple(numbers) for row, numbers in zip("rgb", three, strict=True)}
    chosen = str(told.get("mattes", "")).split()
    return found | {
        "match_shift": tuple(match[:, 3]),
        "grain_deviation": tuple(matrix("grain", 3)[0]),
        "has_light": float(float(told["light_strength"]) > 0),
        "face_px": float(told["aligned_size"]) / np.sqrt(abs(np.linalg.det(place[:, :2]))),
        "plate_alpha": float(told["plate_alpha"]),
        "has_combined": 1.0,
        "chosen_combine": float(place_of("matte_combine", str(told["matte_combine"]))),
        **{f"chosen_{one.name}": float(one.name in chosen) for one in (*MATTES, ROTO)},
    }


class Finish:
    """A face pass over its plate.

    Attributes:
        made: What every operation gave, by its name: (H, W, 3), or (H, W) of a matte, float64.
    """

    def __init__(
        self, face_pass: Frame, plate: Frame, values: Mapping[str, Any], *, without: Sequence[str] = ()
    ) -> None:
        self._names: dict[str, Any] = {**places(values), **header_of(face_pass)}
        self._names[SOURCE] = float(values.get(SOURCE, "baked") == "live")
        self._pass, self._below, self.made = face_pass, plate, {}
        for one in live.finish(without=without):
            inputs = [self.made[name] for name in one.inputs]
            self.made[one.name] = np.asarray(getattr(self, f"_{one.kind}")(one, *inputs))
        self.result = self.made[live.finish(without=without)[-1].name]

    def number(self, text: str) -> Any:
        """The value of an expression."""
        return expressions.fold(text, self._named, lambda operation, *given: _APPLY[operation](*given))

    def _named(self, name: str) -> Any:
        name, _, axis = name.partition(".")
        if name in NUMBERS:
            return self.number(NUMBERS[name])
        return self._names[name]["xyz".index(axis)] if axis else self._names[name]

    def _three(self, texts: Any) -> np.ndarray:
        return np.array([self.number(text) for text in texts], float)

    def _channel(self, name: str) -> np.ndarray:
        """A channel of the face pass in the plate's raster, 0 where it has no pixels."""
        out = np.zeros(self._below.pixels.shape[:2])
        if name in self._pass.channels:
            rows, columns = self._pass.data_window.slices(self._below.data_window)
            out[rows, columns] = self._pass.pixels[..., self._pass.channels.index(name)]
        return out

    def _plate_channels(self, names: str) -> np.ndarray:
        return np.stack([self._below.pixels[..., self._below.channels.index(name)] for name in names], -1)

    def _plate(self, _: live.Operation) -> np.ndarray:
        return np.asarray(self._plate_channels("RGB"), float)

    def _colour_layer(self, one: live.Operation) -> np.ndarray:
        layer = f"{one.values['layer']}." if one.values["layer"] else ""
        return np.stack([self._channel(f"{layer}{name}") for name in "RGB"], axis=-1)

    def _matte_layer(self, one: live.Operation) -> np.ndarray:
        return self._channel(f"{one.values['layer']}.A" if one.values["layer"] else "A")

    def _unpremultiply(self, _: live.Operation, image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        return image / np.where(alpha > 0, alpha, 1)[..., None]

    def _matrix(self, one: live.Operation, image: np.ndarray) -> np.ndarray:
        rows = np.stack([self._three(row) for row in one.values["rows"]])
        changed = image @ rows.T + self._three(one.values["shift"])
        return image + self.number(one.values["strength"]) * (changed - image)

    def _encode(self, _: live.Operation, image: np.ndarray) -> np.ndarray:
        curve = (np.log2(np.maximum(image, BREAK)) + 9.72) / 17.52
        return np.where(image <= BREAK, 10.5402377416545 * image + 0.0729055341958355, curve)

    def _decode(self, _: live.Operation, image: np.ndarray) -> np.ndarray:
        line = (image - 0.0729055341958355) / 10.5402377416545
        return np.where(image <= 0.155251141552511, line, np.exp2(image * 17.52 - 9.72))

    def _sharpen(self, one: live.Operation, image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        amount, radius = self.number(one.values["amount"]), self.number(one.values["radius_px"])
        if amount == 0:
            return image
        outside = np.where(alpha[..., None] > 0, image, np.nan).astype(np.float32)
        return np.nan_to_num(sharpness.sharpen(outside, 100 * amount, radius))

    def _add(self, one: live.Operation, image: np.ndarray, other: np.ndarray) -> np.ndarray:
        return image + self.number(one.values["share"]) * other

    def _grain(self, one: live.Operation, image: np.ndarray) -> np.ndarray:
        noise = np.random.default_rng(1).standard_normal(image.shape)
        return image + self._three(one.values["deviation"]) * noise

    def _combine(self, one: live.Operation, *mattes: np.ndarray) -> np.ndarray:
        mode = MODES[round(self.number(one.values["mode"]))]
        used = [made for made, use in zip(mattes, one.values["use"], strict=True) if self.number(use)]
        out = used[0] if used else np.ones_like(mattes[0])
        for other in used[1:]:
            out = _COMBINE[mode](out, other)
        return out

    def _erode(self, one: live.Operation, made: np.ndarray) -> np.ndarray:
        return matte.erode(made.astype(np.float32), self.number(one.values["px"]))

    def _feather(self, one: live.Operation, made: np.ndarray) -> np.ndarray:
        return matte.feather(made.astype(np.float32), self.number(one.values["px"]))

    def _multiply(self, _: live.Operation, made: np.ndarray, other: np.ndarray) -> np.ndarray:
        return made * other

    def _scale(self, one: live.Operation, made: np.ndarray) -> np.ndarray:
        return made * self.number(one.values["factor"])

    def _choose(self, one: live.Operation, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return second if self.number(one.values["which"]) else first

    def _hold(self, _: live.Operation, made: np.ndarray) -> np.ndarray:
        return made

    def _premultiply(self, one: live.Operation, image: np.ndarray, _: np.ndarray) -> np.ndarray:
        return image * self._plate_channels("A") if self.number(one.values["where"]) else image

    def _keymix(self, _: live.Operation, plate: np.ndarray, face: np.ndarray, made: np.ndarray) -> np.ndarray:
        weight = made[..., None]
        return np.where(weight > 0, plate + weight * (face - plate), plate)
