"""What a performer does: pose, expression, light and camera as smooth curves over frames.

Convention:
    Frames run at 25 per second and may be fractional. Angles are degrees: yaw turns the face to the
    right of the picture, pitch lifts the chin, roll leans the head to the right of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

_FRAMES_PER_SECOND = 25.0


@dataclass(frozen=True)
class Pose:
    """Where the head is: degrees, and centimetres right, up and towards the camera."""

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    translation: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Expression:
    """How the face is set: 0 is at rest, 1 is as far as it goes; gaze and jaw_side run from -1 to 1."""

    mouth_open: float = 0.0
    smile: float = 0.0
    pucker: float = 0.0
    brows_up: float = 0.0
    brows_down: float = 0.0
    squint: float = 0.0
    blink_left: float = 0.0
    """The eye at the left of the picture."""
    blink_right: float = 0.0
    sneer: float = 0.0
    jaw_side: float = 0.0
    gaze_x: float = 0.0
    """-1 looks to the left of the picture, 1 to the right."""
    gaze_y: float = 0.0


@dataclass(frozen=True)
class Light:
    """The key light's direction and colour; fill and rim follow it."""

    azimuth: float = -38.0
    """Degrees; negative comes from the left of the picture."""
    elevation: float = 34.0
    exposure: float = 0.0
    """Stops."""
    warmth: float = 0.0
    """-1 is bluish, 1 is amber."""
    fill: float = 0.42
    """Fill against key."""
    rim: float = 0.6


@dataclass(frozen=True)
class Camera:
    """A perspective camera that looks along the head's rest axis."""

    distance_cm: float = 95.0
    view_height_cm: float = 31.0
    """What the picture's height (or width, if smaller) spans at the head."""


@dataclass(frozen=True)
class PerformanceFrame:
    """What a performer does at one frame, and how it is lit and filmed."""

    pose: Pose = field(default_factory=Pose)
    expression: Expression = field(default_factory=Expression)
    light: Light = field(default_factory=Light)
    camera: Camera = field(default_factory=Camera)


@dataclass(frozen=True)
class Performance:
    """Endless acting from a seed: the performer talks, blinks, turns, smiles and looks about."""

    seed: int
    max_yaw: float = 35.0

    @classmethod
    def from_seed(cls, seed: int, *, max_yaw: float = 35.0) -> Performance:
        """Make one performance.

        Args:
            seed: Any whole number from 0.
            max_yaw: Degrees that the head never turns beyond.

        Returns:
            The performance; ask it for any frame with `at`.
        """
        return cls(seed=seed, max_yaw=max_yaw)

    def at(self, frame: float) -> PerformanceFrame:
        """What the performer does at one frame.

        Args:
            frame: Frame number, whole or not, negative allowed.

        Returns:
            Pose, expression, light and camera; continuous in `frame`, the same on every machine.
        """
        return PerformanceFrame(
            pose=self._pose(frame),
            expression=self._expression(frame),
            light=self._light(frame),
            camera=Camera(view_height_cm=31.0 + 2.5 * self._noise(71, frame / 140.0)),
        )

    def _noise(self, channel: int, position: float) -> float:
        """Smooth noise in -1..1: cubic B-spline over hashed knots, one knot a unit."""
        knot = int(np.floor(position))
        t = position - knot
        weights = (
            (1.0 - t) ** 3 / 6.0,
            (3.0 * t**3 - 6.0 * t**2 + 4.0) / 6.0,
            (-3.0 * t**3 + 3.0 * t**2 + 3.0 * t + 1.0) / 6.0,
            t**3 / 6.0,
        )
        total = sum(w * _knot(self.seed, channel, knot - 1 + k) for k, w in enumerate(weights))
        return float(np.clip(1.45 * total, -1.0, 1.0))

    def _pose(self, frame: float) -> Pose:
        yaw = 0.85 * self._noise(1, frame / 45.0) + 0.22 * self._noise(2, frame / 14.0)
        pitch = 11.0 * self._noise(3, frame / 38.0) + 2.5 * self._noise(4, frame / 10.0)
        roll = 8.0 * self._noise(5, frame / 50.0) + 1.5 * self._noise(6, frame / 12.0)
        shift = tuple(1.1 * self._noise(7 + k, frame / 42.0) for k in range(3))
        yaw = float(np.clip(yaw, -1.0, 1.0)) * self.max_yaw
        return Pose(yaw, pitch - 1.0, roll, (shift[0], shift[1], shift[2]))

    def _expression(self, frame: float) -> Expression:
        talk = _ramp(self._noise(20, frame / 40.0), -0.35, 0.1)
        syllable = _ramp(self._noise(21, frame / 3.6), -0.35, 0.9)
        wide = 0.75 * _ramp(self._noise(22, frame / 30.0), 0.35, 0.8)
        smile = _ramp(self._noise(23, frame / 34.0), -0.1, 0.75)
        pucker = talk * 0.8 * _ramp(self._noise(24, frame / 4.5), 0.2, 0.9) * (1.0 - 0.7 * smile)
        brows = self._noise(25, frame / 22.0)
        squint = _ramp(self._noise(26, frame / 26.0), 0.2, 0.9)
        blink = self._blink(frame)
        wink = _ramp(self._noise(28, frame / 60.0), 0.5, 0.8) * _ramp(self._noise(33, frame / 7.0), 0.5, 0.9)
        return Expression(
            mouth_open=min(1.0, 0.55 * talk * syllable + 0.8 * wide * (0.4 + 0.6 * syllable)),
            smile=smile * (1.0 - 0.5 * pucker),
            pucker=pucker,
            brows_up=max(0.0, brows),
            brows_down=max(0.0, -brows) * 0.9,
            squint=0.7 * squint,
            blink_left=blink,
            blink_right=max(blink, wink),
            sneer=0.7 * _ramp(self._noise(29, frame / 30.0), 0.45, 0.9),
            jaw_side=0.5 * self._noise(30, frame / 24.0),
            gaze_x=float(np.clip(1.1 * self._gaze(31, frame), -1.0, 1.0)),
            gaze_y=0.6 * self._gaze(32, frame),
        )

    def _gaze(self, channel: int, frame: float) -> float:
        """Held looks with quick moves between them, as eyes do."""
        position = frame / 19.0
        look = int(np.floor(position))
        t = _ramp(position - look, 0.0, 0.16)
        before, after = _knot(self.seed, channel, look - 1), _knot(self.seed, channel, look)
        return 0.75 * (before + t * (after - before))

    def _blink(self, frame: float) -> float:
        """Lids shut in about three frames, open in five, once every two to four seconds."""
        period = 3.1 * _FRAMES_PER_SECOND
        slot = int(np.floor(frame / period))
        shut = 0.0
        for k in (slot - 1, slot, slot + 1):
            at = (k + 0.5 + 0.3 * _knot(self.seed, 27, k)) * period
            shut = max(shut, _ramp(frame - at, -3.5, -0.5) * (1.0 - _ramp(frame - at, 0.5, 6.0)))
        return shut

    def _light(self, frame: float) -> Light:
        side = -1.0 if self.seed % 3 else 1.0
        return Light(
            azimuth=side * 38.0 + 22.0 * self._noise(50, frame / 120.0),
            elevation=34.0 + 9.0 * self._noise(51, frame / 110.0),
            exposure=0.3 * self._noise(52, frame / 90.0),
            warmth=0.6 * self._noise(53, frame / 150.0),
            fill=0.42 + 0.14 * self._noise(54, frame / 100.0),
            rim=0.6 + 0.3 * self._noise(55, frame / 100.0),
        )


def _ramp(value: float, low: float, high: float) -> float:
    t = min(1.0, max(0.0, (value - low) / (high - low)))
    return t * t * (3.0 - 2.0 * t)


def _knot(seed: int, channel: int, index: int) -> float:
    """A hashed value in -1..1 (SplitMix64, Steele et al. 2014)."""
    mask = (1 << 64) - 1
    z = (seed * 0x9E3779B97F4A7C15 + channel * 0xBF58476D1CE4E5B9 + index * 0x94D049BB133111EB + 1) & mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return ((z ^ (z >> 31)) >> 11) / float(1 << 52) - 1.0
