"""Where a face was replaced, and how a picture is moved onto another before the two are compared.

Convention:
    Pictures are (H, W, 3) float32 RGB display values, 0..1 but not clipped. Pixel centres at integers, x
    right, y down. A flow (H, W, 2) in pixels says where to sample: moved(x) = picture(x + flow(x)).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from understudy.image.frame import FloatImage

Region = NDArray[np.bool_]

# A face that sits a few pixels off is not a wrong face: looks are compared after a short registration.
LIMIT_PX = 8.0
SMOOTH_PX = 12.0
CHANGED = 8 / 255
CHANGED_BLUR_PX = 2.0
CLOSING_PX = 15


def changed_region(plate: FloatImage, truth: FloatImage) -> Region:
    """(H, W) where the true swap differs from the plate: one filled area, empty where they are alike."""
    difference = np.abs(plate - truth).max(axis=2)
    changed = (cv2.GaussianBlur(difference, (0, 0), CHANGED_BLUR_PX) > CHANGED).astype(np.uint8)
    closed = cv2.morphologyEx(changed, cv2.MORPH_CLOSE, np.ones((CLOSING_PX, CLOSING_PX), np.uint8))
    count, labels, areas, _ = cv2.connectedComponentsWithStats(closed)
    if count < 2:
        return np.zeros(closed.shape, bool)
    largest = 1 + int(areas[1:, cv2.CC_STAT_AREA].argmax())
    filled = (labels == largest).astype(np.uint8)
    outlines, _ = cv2.findContours(filled, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    cv2.drawContours(filled, outlines, -1, 1, cv2.FILLED)
    return np.asarray(filled, bool)


def register(picture: FloatImage, truth: FloatImage, region: Region) -> tuple[FloatImage, float]:
    """Move `picture` onto `truth` by a smooth flow of at most 8 px, estimated inside `region`.

    Returns:
        The moved picture, and the flow's mean length in the region, in pixels (0 for an empty region).
    """
    weight = region.astype(np.float32)
    smooth_weight = cv2.GaussianBlur(weight, (0, 0), SMOOTH_PX)[..., None] + 1e-3
    flow = cv2.GaussianBlur(_flow(truth, picture) * weight[..., None], (0, 0), SMOOTH_PX) / smooth_weight
    length = np.linalg.norm(flow, axis=2, keepdims=True)
    flow = flow * np.minimum(1.0, LIMIT_PX / (length + 1e-6))
    drift = float(np.linalg.norm(flow, axis=2)[region].mean()) if region.any() else 0.0
    return _sample(picture, flow), drift


def follow(plate_before: FloatImage, plate: FloatImage, picture_before: FloatImage) -> FloatImage:
    """The frame before, moved to this one by the plate's own motion.

    Args:
        picture_before: (H, W) or (H, W, 3) float32 of the frame before.
    """
    return _sample(picture_before, _flow(plate, plate_before))


def _flow(at: FloatImage, sampled: FloatImage) -> FloatImage:
    """Dense inverse search flow (Kroeger et al. 2016): where in `sampled` each pixel of `at` is found."""
    estimator = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow = estimator.calc(_luma8(at), _luma8(sampled), None)  # type: ignore[call-overload]
    return np.asarray(flow, np.float32)


def _sample(picture: FloatImage, flow: FloatImage) -> FloatImage:
    height, width = flow.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    across, down = (x + flow[..., 0]).astype(np.float32), (y + flow[..., 1]).astype(np.float32)
    moved = cv2.remap(picture, across, down, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.float32)


def _luma8(rgb: FloatImage) -> NDArray[np.uint8]:
    picture = (rgb * 255).clip(0, 255).astype(np.uint8)
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)
