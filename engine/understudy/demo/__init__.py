"""Digital performers: procedural heads that act, with a known answer for every swap."""

from understudy.demo.identity import Identity
from understudy.demo.performance import Camera, Expression, Light, Moment, Performance, Pose
from understudy.demo.render import Rendering, landmarks_of, render

__all__ = [
    "Camera",
    "Expression",
    "Identity",
    "Light",
    "Moment",
    "Performance",
    "Pose",
    "Rendering",
    "landmarks_of",
    "render",
]
