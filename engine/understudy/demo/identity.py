"""Who a digital performer is: every number of shape, skin, hair and eyes, derived from one seed.

Convention:
    Lengths are centimetres on a face whose eyes lie 6.3 cm apart. Colours are scene-linear albedo with
    Rec.709 primaries.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Colour = tuple[float, float, float]


_SKIN = np.array(
    [
        (0.66, 0.455, 0.36),
        (0.60, 0.385, 0.285),
        (0.52, 0.315, 0.215),
        (0.40, 0.225, 0.140),
        (0.27, 0.145, 0.088),
        (0.150, 0.078, 0.050),
    ]
)
_HAIR: tuple[Colour, ...] = (
    (0.020, 0.015, 0.013),
    (0.045, 0.026, 0.016),
    (0.090, 0.048, 0.025),
    (0.170, 0.095, 0.045),
    (0.340, 0.215, 0.105),
    (0.220, 0.075, 0.028),
    (0.260, 0.250, 0.240),
)
_IRIS: tuple[Colour, ...] = (
    (0.065, 0.030, 0.012),
    (0.120, 0.060, 0.022),
    (0.150, 0.110, 0.040),
    (0.100, 0.150, 0.080),
    (0.090, 0.170, 0.270),
    (0.150, 0.200, 0.240),
)
_SHIRT: tuple[Colour, ...] = (
    (0.55, 0.56, 0.57),
    (0.05, 0.06, 0.09),
    (0.16, 0.20, 0.26),
    (0.28, 0.09, 0.08),
    (0.12, 0.17, 0.12),
    (0.45, 0.38, 0.27),
    (0.07, 0.14, 0.24),
)


@dataclass(frozen=True)
class Identity:
    """All that makes one performer look like nobody else; build it with `from_seed`.

    Shape numbers are multipliers round 1 or offsets in centimetres, as their names say.
    """

    seed: int
    femininity: float
    """0 to 1; sets the averages that the other numbers scatter round."""
    age: float
    """0 (twenty) to 1 (sixty): creases, blotches, lid droop, thinner lips."""
    head_width: float
    jaw_width: float
    cheek_width: float
    face_length: float
    chin_length: float
    chin_width: float
    chin_forward_cm: float
    forehead_slope: float
    brow_ridge: float
    eye_spacing_cm: float
    eye_width_cm: float
    eye_open: float
    eye_tilt_cm: float
    lid_crease: float
    nose_length_cm: float
    nose_bridge: float
    nose_hump_cm: float
    nose_tip: float
    nose_width: float
    nose_lift_cm: float
    mouth_width_cm: float
    mouth_height_cm: float
    lip_upper: float
    lip_lower: float
    cheek_bone: float
    cheek_hollow: float
    brow_height_cm: float
    brow_thickness: float
    brow_arch: float
    brow_tilt: float
    ear_size: float
    neck_width: float
    skin: Colour
    lip_redness: float
    freckles: float
    stubble: float
    shine: float
    hair: Colour
    hair_style: str
    hair_volume: float
    hairline_cm: float
    part_side: float
    brow_colour: Colour
    iris: Colour
    shirt: Colour
    backdrop: Colour

    @classmethod
    def from_seed(cls, seed: int) -> Identity:
        """Make one performer.

        Args:
            seed: Any whole number from 0; the same seed gives the same performer for ever.

        Returns:
            The performer; neighbouring seeds are unrelated.
        """
        rng = np.random.default_rng([seed, 0x0FACE])
        feminine = float(np.clip((seed % 2) * 0.72 + rng.normal(0.14, 0.14), 0.0, 1.0))
        age = float(rng.beta(1.3, 1.8))

        def around(mean: float, spread: float) -> float:
            return float(mean + spread * np.clip(rng.normal(), -1.7, 1.7))

        tone = float(rng.uniform(0.0, 4.6))
        low = int(tone)
        skin = _SKIN[low] + (tone - low) * (_SKIN[low + 1] - _SKIN[low])
        dark_only = tone > 3.0
        hair = _hair_colour(rng, age, dark_only)
        style = _hair_style(rng, feminine, age)
        brow_mix = np.array(hair) * 0.45 + np.array((0.03, 0.02, 0.014)) * 0.55
        return cls(
            seed=seed,
            femininity=feminine,
            age=age,
            head_width=around(1.0, 0.025),
            jaw_width=around(1.01 - 0.14 * feminine, 0.05),
            cheek_width=around(1.0, 0.03),
            face_length=around(0.985 - 0.05 * feminine, 0.03),
            chin_length=around(0.98 - 0.13 * feminine, 0.06),
            chin_width=around(1.08 - 0.25 * feminine, 0.12),
            chin_forward_cm=around(0.05 - 0.1 * feminine, 0.22),
            forehead_slope=around(0.5 - 0.6 * feminine, 0.3),
            brow_ridge=around(1.0 - 0.75 * feminine, 0.25),
            eye_spacing_cm=around(3.15, 0.11),
            eye_width_cm=around(1.48 + 0.07 * feminine, 0.07),
            eye_open=around(1.0 + 0.24 * feminine, 0.09),
            eye_tilt_cm=around(0.08 + 0.05 * feminine, 0.09),
            lid_crease=around(0.9, 0.3),
            nose_length_cm=around(-0.15 * feminine, 0.22),
            nose_bridge=around(0.98 - 0.14 * feminine, 0.15),
            nose_hump_cm=around(0.06 - 0.16 * feminine, 0.11),
            nose_tip=around(0.95 - 0.45 * feminine, 0.16),
            nose_width=around(1.00 - 0.17 * feminine + 0.05 * max(0.0, tone - 2.0), 0.09),
            nose_lift_cm=around(0.02 + 0.14 * feminine, 0.13),
            mouth_width_cm=around(2.72 - 0.12 * feminine, 0.15),
            mouth_height_cm=around(0.0, 0.16),
            lip_upper=around(0.84 + 0.25 * feminine + 0.07 * tone - 0.15 * age, 0.15),
            lip_lower=around(0.90 + 0.20 * feminine + 0.06 * tone - 0.1 * age, 0.13),
            cheek_bone=around(1.0 + 0.1 * feminine, 0.3),
            cheek_hollow=around(0.9 - 0.3 * feminine, 0.35),
            brow_height_cm=around(0.0 + 0.15 * feminine, 0.12),
            brow_thickness=around(1.1 - 0.35 * feminine, 0.2),
            brow_arch=around(0.7 + 0.5 * feminine, 0.3),
            brow_tilt=around(0.0, 0.12),
            ear_size=around(1.03 - 0.1 * feminine, 0.06),
            neck_width=around(1.06 - 0.22 * feminine, 0.04),
            skin=(float(skin[0]), float(skin[1]), float(skin[2])),
            lip_redness=around(0.45 + 0.55 * feminine, 0.15),
            freckles=float(max(0.0, rng.normal(0.25, 0.45)) * (tone < 2.2)),
            stubble=float(np.clip(rng.uniform(-0.2, 1.0) * (1.0 - 1.6 * feminine), 0.0, 1.0)),
            shine=around(1.0, 0.2),
            hair=hair,
            hair_style=style,
            hair_volume=around(1.0, 0.15),
            hairline_cm=around(6.9, 0.3),
            part_side=float(rng.choice((-1.0, 1.0))),
            brow_colour=(float(brow_mix[0]), float(brow_mix[1]), float(brow_mix[2])),
            iris=_IRIS[int(rng.integers(0, 2 if dark_only else len(_IRIS)))],
            shirt=_SHIRT[int(rng.integers(0, len(_SHIRT)))],
            backdrop=_backdrop(rng),
        )


def _hair_colour(rng: np.random.Generator, age: float, dark_only: bool) -> Colour:
    if age > 0.62 and rng.random() < 0.6:
        return _HAIR[6]
    return _HAIR[int(rng.integers(0, 3 if dark_only else 6))]


def _hair_style(rng: np.random.Generator, feminine: float, age: float) -> str:
    if feminine > 0.5:
        return str(rng.choice(("bob", "long", "long", "swept")))
    if age > 0.55:
        return str(rng.choice(("receding", "short", "swept")))
    return str(rng.choice(("crop", "short", "fringe", "swept")))


def _backdrop(rng: np.random.Generator) -> Colour:
    hue = rng.uniform(0.0, 2.0 * np.pi)
    level = rng.uniform(0.10, 0.30)
    tint = [1.0 + 0.35 * float(np.cos(hue + k * 2.0 * np.pi / 3.0)) for k in range(3)]
    return (float(level * tint[0]), float(level * tint[1]), float(level * tint[2]))
