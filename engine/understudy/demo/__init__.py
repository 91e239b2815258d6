"""Digital performers: procedural heads that act, with a known answer for every swap."""

from understudy.demo.identity import Identity
from understudy.demo.performance import Camera, Expression, Light, Performance, PerformanceFrame, Pose
from understudy.demo.render import Rendering, landmarks_of, render

__all__ = [
    "Camera",
    "Expression",
    "Identity",
    "Light",
    "Performance",
    "PerformanceFrame",
    "Pose",
    "Rendering",
    "landmarks_of",
    "render",
]
