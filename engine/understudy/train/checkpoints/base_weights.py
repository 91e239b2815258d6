"""The base model: weights that know faces in general, which a new model begins with.

It was trained by bench/base.py on the digital performers, whose faces are nobody's. A new model takes its
encoder and the shared part as they are, and begins every decoder as the base's only one.

Convention:
    Convolutions fit every size. The two dense layers stand for an image of (size / 16)² places; for another
    size they are resampled over those places.
"""

from __future__ import annotations

import json
from pathlib import Path

import safetensors
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from understudy.core import atomic, documents
from understudy.core.content import sha256_of
from understudy.core.errors import TrainingError
from understudy.train.networks import autoencoder

FILE = Path(__file__).with_name("base.safetensors")
DIGEST = ".sha256"
"""Suffix of the file beside the weights that holds their digest, as `sha256sum --check` reads it."""
_FIX = "install Understudy again, or set base off"
_ONE_DECODER = "decoders.0."
# What belongs to a model's own performers.
_OWN = ("shapes", "normaliser.")
# What a model may have beyond the base: levels for large faces, more blocks, attention.
_MORE = ("finer", "further.", "attention.")


def save(network: autoencoder.Comb, path: Path = FILE, **facts: int | str) -> None:
    """Write a network of one identity as the base, in half precision, and its digest beside it.

    Args:
        network: On the CPU.
        path: The file to write, atomically.
        facts: What is to be known of the training, kept in the file's header.
    """
    tensors = {
        name: tensor.detach().half().contiguous()
        for name, tensor in network.state_dict().items()
        if not name.startswith(_OWN)
    }
    header = {"architecture": json.dumps(network.architecture.as_dict())}
    header.update({name: str(value) for name, value in facts.items()})
    with atomic.replacing(path) as partial:
        save_file(tensors, str(partial), metadata=header)
    atomic.write_text(path.with_suffix(DIGEST), f"{sha256_of(path)}  {path.name}\n")


@torch.no_grad()
def give(network: autoencoder.Comb, path: Path = FILE) -> bool:
    """Begin a network from the base.

    Args:
        network: Any number of identities, any size; its own performers' shapes and averages stay.

    Returns:
        Whether it could: a network of another width or code is left as it was.

    Raises:
        TrainingError: the file is missing or damaged, or is not the one that was trained.
    """
    try:
        if path.with_suffix(DIGEST).read_text("ascii").split()[:1] != [sha256_of(path)]:
            raise TrainingError(
                "The base model is not the one that was trained: its digest differs.", where=path, fix=_FIX
            )
        with safetensors.safe_open(str(path), "pt") as file:
            known = documents.parse((file.metadata() or {})["architecture"])
            width, code, size = (int(known[name]) for name in ("width", "code", "size"))
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is not a mapping
    except (OSError, ValueError, LookupError, TypeError, safetensors.SafetensorError) as exc:
        raise TrainingError("The base model is missing or damaged.", where=path, fix=_FIX) from exc
    architecture = network.architecture
    if (width, code) != (architecture.width, architecture.latent):
        return False
    coarsest = size // 2**autoencoder.HALVINGS
    for name, own in network.state_dict().items():
        known_as = _of_base(name)
        if name.startswith(_OWN) or (known_as not in weights and any(part in name for part in _MORE)):
            continue
        found = weights[known_as].to(own.dtype)
        if name == "widen.weight" and len(network.inner):  # two halves that begin alike come to the one
            found = torch.cat([found, found], dim=1) / 2
        own.copy_(found if found.shape == own.shape else _resampled(known_as, found, own, coarsest))
    return True


def _of_base(name: str) -> str:
    """Every decoder is the base's one, and every way from the code to the coarsest level too."""
    kind, _, rest = name.partition(".")
    if kind == "decoders":
        return _ONE_DECODER + rest.partition(".")[2]
    return "expand." + rest.partition(".")[2] if kind == "inner" else name


def _resampled(name: str, found: Tensor, own: Tensor, coarsest: int) -> Tensor:
    """A dense layer's weights over another number of places."""
    if name == "encoder.code.weight":  # (code, channels · places): the places are summed
        grid = found.unflatten(1, (-1, coarsest, coarsest))
        edge = round((own.shape[1] // grid.shape[1]) ** 0.5)
        summed: Tensor = _enlarged(grid, edge).flatten(1) * (coarsest / edge) ** 2
        return summed
    if name in ("expand.weight", "expand.bias"):  # (channels · places, entered): every place by itself
        places = found.unflatten(0, (-1, coarsest, coarsest))
        edge = round((own.shape[0] // places.shape[0]) ** 0.5)
        wide = places.flatten(3) if places.dim() > 3 else places[..., None]
        return _enlarged(wide.permute(0, 3, 1, 2), edge).permute(0, 2, 3, 1).reshape(own.shape)
    raise TrainingError(f"The base model has another {name}.", fix=_FIX)


def _enlarged(grid: Tensor, edge: int) -> Tensor:
    """(N, C, e, e) to (N, C, edge, edge)."""
    return functional.interpolate(grid, size=(edge, edge), mode="bilinear", align_corners=False)
