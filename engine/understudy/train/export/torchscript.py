"""The swap as one TorchScript module that turns a picture into a picture, as Nuke's Inference node wants it.

Convention:
    The input is (1, 5, S, S) float32. Channels 0 to 2 are the aligned face of the performer who acts, RGB in
    the encoded space (ACEScct). Channels 3 and 4 are not pictures: their first 68 values, row by row from the
    first row, are the landmarks' x and y as shares of the face's edge, x right and y down. The first row is
    the top of the face. The output is (1, 4, S, S) float32: the source performer's face, RGB in the encoded
    space and not clipped, and its matte in 0..1.
"""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from understudy.core.errors import ModelError
from understudy.image import colour
from understudy.inference.card import LANDMARK_COUNT, ModelCard
from understudy.train.checkpoints import model_folder
from understudy.train.networks import autoencoder

CHANNELS_IN = ("red", "green", "blue", "landmarks x", "landmarks y")
CHANNELS_OUT = ("red", "green", "blue", "matte")


class ScriptCard(ModelCard):
    """The card beside a TorchScript file; it says more than a graph's, so neither passes for the other."""

    format: Literal["torchscript"] = "torchscript"
    """Kind of file."""
    opset: Literal[0] = 0
    """None: the file holds no ONNX operators."""
    torch: str
    """The torch that wrote the file; an older one may not read it."""
    channels_in: tuple[str, ...] = CHANNELS_IN
    """What the channels of the input are, in order."""
    channels_out: tuple[str, ...] = CHANNELS_OUT
    """What the channels of the output are, in order."""


class _Portable(TorchFunctionMode):
    """Keeps device and number format out of a trace, so that the host may move or halve the module.

    A trace writes down the device of a tensor that is made inside, and every cast. What the network makes
    inside are pixel indices: they are taken from the module instead, which the host moves as a whole.
    """

    def __init__(self, module: _PictureToPicture) -> None:
        super().__init__()
        self._module = module

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if function is torch.arange:
            return self._module.get_buffer(f"indices_{int(args[0])}")
        if function in (Tensor.to, Tensor.float):
            return args[0]
        return function(*args, **(kwargs or {}))


class _PictureToPicture(nn.Module):
    """The network with one identity's decoder, from the five channels to the four."""

    movement: Tensor

    def __init__(self, network: autoencoder.Comb, identity: int) -> None:
        super().__init__()
        self.network = network.with_part_of(identity)  # the other performers' faces stay at home
        self.register_buffer("movement", network.shapes[identity] - network.shapes[network.destination])
        edge = network.architecture.coarsest
        while edge <= network.edge:
            self.register_buffer(f"indices_{edge}", torch.arange(edge, dtype=torch.float32))
            edge *= 2

    def forward(self, picture: Tensor) -> Tensor:
        """(1, 5, S, S) to (1, 4, S, S), see the convention above; NaN counts as black, infinity as white."""
        with _Portable(self):
            face = torch.nan_to_num(picture[:, :3], nan=0.0, posinf=1.0, neginf=0.0)
            masks = (picture[:, 3], picture[:, 4])
            landmarks = torch.stack([plane.flatten(1)[:, :LANDMARK_COUNT] for plane in masks], dim=2)
            latent = self.network.encode(autoencoder.normalise(face), self.network.destination)
            ((predicted, logits),) = self.network.decode(latent, landmarks + self.movement, [0])
            return torch.cat([autoencoder.denormalise(predicted), torch.sigmoid(logits)], dim=1)


class _Sealed(nn.Module):
    """A traced module with its provenance.

    Attributes:
        provenance: Whose face it predicts and under which releases, as JSON; part of the module, so that it
            stays with it in whatever file the module is stored. A trace alone keeps no text.
    """

    def __init__(self, traced: nn.Module, provenance: str) -> None:
        super().__init__()
        self.traced = traced
        self.provenance = provenance

    def forward(self, picture: Tensor) -> Tensor:
        """(1, 5, S, S) to (1, 4, S, S)."""
        predicted: Tensor = self.traced(picture)
        return predicted


def pack(faces: Tensor, landmarks: Tensor) -> Tensor:
    """Faces and their landmarks as the pictures that the module takes.

    Args:
        faces: (N, 3, S, S) float32, encoded RGB; S is 16 at least.
        landmarks: (N, 68, 2) float32, shares of the face's edge.

    Returns:
        (N, 5, S, S) float32.
    """
    pictures = torch.zeros(len(faces), len(CHANNELS_IN), *faces.shape[2:])
    pictures[:, :3] = faces
    pictures[:, 3:].flatten(2)[:, :, :LANDMARK_COUNT] = landmarks.transpose(1, 2)
    return pictures


def write(
    network: autoencoder.Comb, description: model_folder.Description, path: Path, *, iterations: int
) -> None:
    """Write the module that predicts the model's source performer, traced in float32 on the CPU.

    Args:
        network: The trained network, in float32 on the CPU.
        description: The model's; its releases go into the file.
        path: The .pt file; what it held is lost, so give a temporary one.
        iterations: Iterations it was trained for.

    Raises:
        OSError: the file cannot be written.
    """
    size = network.edge
    module = _PictureToPicture(network, description.source).eval().requires_grad_(False)
    with _quiet():
        traced = torch.jit.trace(module, torch.full((1, len(CHANNELS_IN), size, size), 0.4))
        sealed = torch.jit.script(_Sealed(traced, _provenance(description, iterations, size)).eval())
        # Through memory: written straight to a file, the archive would carry the temporary file's name.
        buffer = io.BytesIO()
        torch.jit.save(sealed, buffer)
    path.write_bytes(buffer.getvalue())


def predict(path: Path, faces: Tensor, landmarks: Tensor) -> Tensor:
    """What a file predicts, read back from the disk and run on the CPU.

    Args:
        path: The .pt file.
        faces: (N, 3, S, S) float32, encoded RGB.
        landmarks: (N, 68, 2) float32, shares of the face's edge.

    Returns:
        (N, 4, S, S) float32: encoded RGB and the matte.

    Raises:
        ModelError: the file cannot be read back.
    """
    try:
        with _quiet():
            module = torch.jit.load(str(path), map_location="cpu")
    except (RuntimeError, OSError) as exc:
        raise ModelError(f"The TorchScript file cannot be read back: {exc}.", where=path) from exc
    with torch.no_grad():
        return torch.cat([module(picture[None]) for picture in pack(faces, landmarks)])


def card(facts: ModelCard) -> ScriptCard:
    """The card of a TorchScript file from what a graph's card would say."""
    return ScriptCard(**facts.model_dump(exclude={"opset"}), torch=str(torch.__version__))


def _provenance(description: model_folder.Description, iterations: int, size: int) -> str:
    names = description.architecture.identities
    document = {
        "schema_version": 1,
        "name": description.name,
        "source": names[description.source],
        "destination": names[description.destination],
        "releases": description.releases,
        "size": size,
        "coverage": description.coverage,
        "encoding": colour.ENCODED,
        "landmarks": description.landmarks,
        "iterations": iterations,
    }
    return json.dumps(document, ensure_ascii=False)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without torch's advice to use another format, which no Nuke reads, and to keep sizes open."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.filterwarnings("ignore", "Converting a tensor to a Python integer")
        yield
