"""How much a swapped face flickers: what changes from frame to frame beyond what the plate changes.

The plate's own movement is taken out: the later frame is laid over the earlier one along the optical flow of
the plate's faces, the same for plate and swap. Of what still differs, the plate's own difference (an eye that
opened, light that moved, where the flow is wrong) is allowed to the swap at every pixel. Both differences are
blurred first, so that grain neither counts as flicker nor hides it.

Convention:
    Faces are (N, 3, S, S) RGB in the encoded space, where a stop is `STOP` everywhere above the toe.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from understudy.comp.colour.grade import STOP
from understudy.train.validation.blur import blurred

_BLUR_SHARE = 1 / 48


def plate_flow(earlier: Tensor, later: Tensor) -> Tensor:
    """Where each pixel of the earlier faces lies in the later ones, (N, S, S, 2) for `grid_sample`.

    Faces of a dozen pixels and more; on smaller ones nothing moves.
    """
    size = earlier.shape[-1]
    finder = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    pairs = zip(_grey(earlier), _grey(later), strict=True)
    flows = np.stack(
        [finder.calc(first, second, np.zeros((size, size, 2), np.float32)) for first, second in pairs]
    )
    across = (torch.arange(size, dtype=torch.float32) + 0.5) / size
    straight = torch.stack(torch.meshgrid(across, across, indexing="xy"), dim=-1)
    return (2.0 * (straight + torch.from_numpy(flows) / size) - 1.0).to(earlier.device)


def flicker(
    swapped: tuple[Tensor, Tensor], plate: tuple[Tensor, Tensor], *, flow: Tensor, matte: Tensor
) -> float:
    """The mean flicker of pairs of successive swapped faces, in stops.

    Args:
        swapped: The earlier and the later swapped faces, (N, 3, S, S) each.
        plate: The plate's faces of the same frames.
        flow: Of the plate, as `plate_flow` gives it.
        matte: (N, 1, S, S) of the earlier faces; pixels weigh by it.
    """
    ours, theirs = _change(*swapped, flow), _change(*plate, flow)
    beyond = (ours - theirs).clamp(min=0.0).mean(dim=1, keepdim=True)
    return float((beyond * matte).sum() / (matte.sum() + 1e-6)) / STOP


def _change(earlier: Tensor, later: Tensor, flow: Tensor) -> Tensor:
    """(N, 3, S, S): by how much the later faces differ once they lie over the earlier ones."""
    aligned = functional.grid_sample(later, flow, mode="bilinear", align_corners=False, padding_mode="border")
    blur_px = max(0.5, earlier.shape[-1] * _BLUR_SHARE)
    return blurred(aligned - earlier, blur_px).abs()


def _grey(faces: Tensor) -> NDArray[np.uint8]:
    grey = faces.mean(dim=1).clamp(0.0, 1.0).mul(255.0).round()
    return np.asarray(grey.cpu().numpy(), np.uint8)
