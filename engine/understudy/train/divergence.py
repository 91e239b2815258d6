"""Notices that training goes wrong, and remembers how often it did.

It sees a few figures every `CHECK_ITERATIONS` and nothing of the clock, so that a resumed run sees and
decides what an uninterrupted one would have. Its memory goes into every checkpoint.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any, Self

CHECK_ITERATIONS = 20
# Four halvings: a rate sixteen times lower that still goes wrong is no matter of the rate.
MOST_SETBACKS = 4
# Ordinary losses scatter by a few tens of percent from check to check; this is far outside, and the second
# one is where the optimiser's averages are lost too, so that waiting is no use.
FAR = 3.0
LOST = 30.0
RECENT_CHECKS = 50
FEWEST_CHECKS = 3
PATIENCE_CHECKS = 10
# Contrast is a share of the true faces'. A new decoder begins with hardly any, and has this much soon.
CONTRAST_GONE = 0.05
CONTRAST_THERE = 0.25
CONTRAST_DUE_ITERATIONS = 3000
CONTRAST_PATIENCE_CHECKS = 5
_NO_LOSS = 1e6


@dataclass
class Watch:
    """What was seen of a run.

    Attributes:
        setbacks: How often training went back; each halved the learning rate.
        losses: The latest ordinary losses, a value a check.
        far_checks: Checks in a row at which the loss was far above them.
        flat_checks: Checks in a row at which an identity's faces had no contrast, by identity.
        best_contrast: The most contrast that an identity's faces had, by identity.
    """

    setbacks: int = 0
    losses: list[float] = field(default_factory=list)
    far_checks: int = 0
    flat_checks: dict[str, int] = field(default_factory=dict)
    best_contrast: dict[str, float] = field(default_factory=dict)

    @property
    def rate_share(self) -> float:
        """Share of the job's learning rate to train with."""
        return float(0.5**self.setbacks)

    @property
    def uneasy(self) -> bool:
        """Whether the last check saw something that may turn out to be wrong."""
        return self.far_checks > 0 or any(self.flat_checks.values())

    def look(self, iteration: int, loss: float, contrasts: Mapping[str, float]) -> str:
        """See the figures of a check.

        Args:
            iteration: Where training is.
            loss: The total of the losses.
            contrasts: By identity, the drawn faces' contrast as a share of the true faces'.

        Returns:
            What is wrong as the beginning of a sentence, or "" as long as nothing is.
        """
        if not all(abs(value) < _NO_LOSS for value in (loss, *contrasts.values())):
            return "The loss is no number any more"
        level = median(self.losses) if len(self.losses) >= FEWEST_CHECKS else math.inf
        if loss > LOST * level:
            return f"The loss has jumped to {loss / level:.0f} times its recent level"
        if self._far(loss, level):
            return f"The loss has been more than {FAR:g} times its recent level for a while"
        for identity, contrast in contrasts.items():
            if self._flat(iteration, identity, contrast):
                return f"The faces drawn of {identity} have collapsed to one flat colour"
        return ""

    def _far(self, loss: float, level: float) -> bool:
        if loss > FAR * level:
            self.far_checks += 1
        else:
            self.far_checks = 0
            self.losses = [*self.losses, loss][-RECENT_CHECKS:]
        return self.far_checks >= PATIENCE_CHECKS

    def _flat(self, iteration: int, identity: str, contrast: float) -> bool:
        best = self.best_contrast[identity] = max(contrast, self.best_contrast.get(identity, 0.0))
        expected = best >= CONTRAST_THERE or iteration >= CONTRAST_DUE_ITERATIONS
        gone = expected and contrast < CONTRAST_GONE
        self.flat_checks[identity] = self.flat_checks.get(identity, 0) + 1 if gone else 0
        return self.flat_checks[identity] >= CONTRAST_PATIENCE_CHECKS

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a checkpoint's state.json."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: object) -> Self:
        """The watch of a checkpoint; one that says nothing or nonsense begins anew."""
        try:
            known = dict(values) if isinstance(values, Mapping) else {}
            watch = cls(
                int(known["setbacks"]),
                [float(loss) for loss in known["losses"]][-RECENT_CHECKS:],
                int(known["far_checks"]),
                {str(name): int(count) for name, count in dict(known["flat_checks"]).items()},
                {str(name): float(best) for name, best in dict(known["best_contrast"]).items()},
            )
        except (KeyError, TypeError, ValueError, OverflowError):
            return cls()
        sound = watch.setbacks in range(MOST_SETBACKS + 1) and all(map(math.isfinite, watch.losses))
        return watch if sound else cls()
