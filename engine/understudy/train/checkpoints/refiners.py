"""Where a model folder keeps its refiners, and how they join the network.

NAME.model/refiners/IDENTITY/checkpoints/     as the model's own (store.py); state.json also says
                                              the refiner's width, the model's edge, and the model's
                                              iteration then
NAME.model/refiners/IDENTITY/previews/        a sheet a validation
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from understudy.core.errors import TrainingError
from understudy.core.progress import Reporter, Warned
from understudy.train.checkpoints import selection, store
from understudy.train.networks import autoencoder
from understudy.train.networks.refiner import Refined, Refiner

WIDTHS = range(8, 257, 2)


@dataclass(frozen=True)
class Basis:
    """What a refiner was trained on.

    Attributes:
        width: Of the refiner.
        edge: Edge of the faces that the model predicted.
        iteration: The model's.
    """

    width: int
    edge: int
    iteration: int

    @classmethod
    def of(cls, state: dict[str, Any], where: Path) -> Basis:
        """What a checkpoint's state says.

        Raises:
            TrainingError: it says nothing of the kind.
        """
        told = [state.get(name) for name in ("width", "edge", "model_iteration")]
        if not all(isinstance(value, int) for value in told) or told[0] not in WIDTHS:
            raise TrainingError(
                "The checkpoint is of no refiner.", where=where, fix="remove this checkpoint folder"
            )
        return cls(*(int(value) for value in told if value is not None))

    def as_dict(self) -> dict[str, int]:
        """Plain values for state.json."""
        return {"width": self.width, "edge": self.edge, "model_iteration": self.iteration}


def home(model: Path, identity: str) -> Path:
    """The folder of an identity's refiner; different names give different folders."""
    return model / "refiners" / quote(identity, safe=" ").replace(".", "%2E")


def checkpoints(model: Path, identity: str) -> Path:
    """Where its checkpoints lie."""
    return home(model, identity) / "checkpoints"


def require_edge(basis: Basis, network: autoencoder.Comb, *, identity: str, where: Path) -> None:
    """Refuse a refiner of faces of another size.

    Raises:
        TrainingError: the model has grown since.
    """
    if basis.edge != network.edge:
        raise TrainingError(
            f"The refiner of {identity} was trained on faces of {basis.edge} pixels, and the model now "
            f"predicts {network.edge}.",
            where=where,
            fix="move this folder away and refine anew; best once the model has its full size",
        )


def load_all(
    model: Path, network: autoencoder.Comb, *, identities: Sequence[str], iteration: int, report: Reporter
) -> tuple[Refined, dict[str, int]]:
    """A model's network at twice the edge, with the averaged refiners there are.

    Args:
        model: Its folder.
        network: On the CPU.
        identities: Whom the network holds, in its order.
        iteration: The network's.
        report: Warned of refiners that were trained on another iteration.

    Returns:
        The network, and of whom there is a refiner, with that one's iteration.

    Raises:
        TrainingError: there is no refiner at all, one is damaged, or was trained on faces of another size.
    """
    found: dict[int, Refiner] = {}
    iterations: dict[str, int] = {}
    for place, name in enumerate(identities):
        if not store.find(checkpoints(model, name)):
            continue
        found[place], basis, iterations[name] = load(model, name)
        require_edge(basis, network, identity=name, where=home(model, name))
        if basis.iteration != iteration:
            report(
                Warned(
                    f"The refiner of {name} was trained on iteration {basis.iteration} of the model, and "
                    f"iteration {iteration} is exported: refine {name} again for a while."
                )
            )
    if not found:
        raise TrainingError(
            "The model has no refiner.",
            where=model / "refiners",
            fix="run `understudy refine`, or leave it out",
        )
    return Refined(network, found), iterations


def load(model: Path, identity: str) -> tuple[Refiner, Basis, int]:
    """The averaged refiner of the checkpoint to use, what it was trained on, and its own iteration.

    Raises:
        TrainingError: it is damaged.
    """

    def loaded(chosen: store.Checkpoint, state: dict[str, Any]) -> tuple[Refiner, Basis, int]:
        basis = Basis.of(state, chosen.path)
        ema = Refiner(basis.width)
        store.load(chosen, network=Refiner(basis.width), ema=ema)
        return ema.eval(), basis, chosen.iteration

    return selection.best(checkpoints(model, identity), loaded)
