"""The preview sheet: reconstructions and swaps of both performers, as one picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from understudy.comp.colour.grade import WHITE
from understudy.image import colour
from understudy.image.frame import FloatImage
from understudy.image.plate import write_png
from understudy.train.data.samples import LoadedFaces, still_batch
from understudy.train.networks import autoencoder

ROWS = 6


def write_sheet(
    path: Path, network: autoencoder.Comb, faces: Mapping[int, LoadedFaces], *, source: int, destination: int
) -> None:
    """Write the sheet, a row a face.

    Columns: destination, its reconstruction, its swap, matte; then the same for a
    face of the source.
    """
    halves = [
        _half(network, faces, of=destination, other=source),
        _half(network, faces, of=source, other=destination),
    ]
    write(path, np.concatenate(halves, axis=1))


def write(path: Path, sheet: FloatImage) -> None:
    """Write a sheet in the encoded space, (H, W, 3).

    Raises:
        PlateError: it cannot be written.
    """
    write_png(path, colour.to_display(sheet, colour.ENCODED))


def rows(loaded: LoadedFaces) -> Tensor:
    """The faces of a sheet: indices, spread evenly over all."""
    return torch.linspace(0, len(loaded.faces) - 1, ROWS).round().long().to(loaded.faces.device)


def tiled(columns: Sequence[Tensor]) -> FloatImage:
    """Columns of encoded faces (N, 3, S, S) as one sheet (N · S, columns · S, 3)."""
    sheet = torch.cat([torch.cat(list(column), dim=1) for column in columns], dim=2)
    return np.ascontiguousarray(sheet.float().permute(1, 2, 0).cpu().numpy(), np.float32)


@torch.no_grad()
def _half(network: autoencoder.Comb, faces: Mapping[int, LoadedFaces], *, of: int, other: int) -> FloatImage:
    loaded, size = faces[of], network.edge
    batch = still_batch(loaded, rows(loaded), size=size)
    latent = network.encode(autoencoder.normalise(batch.truth), of)
    ((reconstruction, _),) = network.decode(latent, batch.points, [of])
    asked = network.move_landmarks(batch.points, of=of, to=other)
    ((swapped, logits),) = network.decode(latent, asked, [other])
    # The encoded value of display white, so that a matte of 1 is white on the sheet.
    matte = (torch.sigmoid(logits) * WHITE).expand(-1, 3, -1, -1)
    return tiled(
        [batch.truth, autoencoder.denormalise(reconstruction), autoencoder.denormalise(swapped), matte]
    )
