"""Notices that training diverges, and remembers how often it did.

It is shown a few figures every `CHECK_ITERATIONS` and nothing of the clock, so that a resumed run notices
what an uninterrupted one would have. What it remembers goes into every checkpoint.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Self

CHECK_ITERATIONS = 20
# Four halvings: a rate sixteen times lower that still diverges is not the cause.
MAX_ROLLBACKS = 4
# Ordinary losses scatter by a few tens of percent from check to check; the first is far outside that, and at
# the second one the optimiser's averages are lost too, so that waiting is no use.
HIGH_LOSS = 3.0
LOST_LOSS = 30.0
RECENT_CHECKS = 50
FEWEST_CHECKS = 3
PATIENCE_CHECKS = 10
# Contrast is a share of the true faces'. A new decoder begins with hardly any, and has this much soon.
FLAT_CONTRAST = 0.05
USUAL_CONTRAST = 0.25
CONTRAST_DUE_ITERATIONS = 3000
CONTRAST_PATIENCE_CHECKS = 5
_LARGEST_LOSS = 1e6


@dataclass
class DivergenceMonitor:
    """What was noticed of a run.

    Attributes:
        rollbacks: How often training was rolled back; each halved the learning rate.
        losses: The latest ordinary losses, one for each check.
        high_checks: Checks in a row at which the loss was far above them.
        flat_checks: Checks in a row at which an identity's faces had no contrast, by identity.
        best_contrast: The most contrast that an identity's faces had, by identity.
    """

    rollbacks: int = 0
    losses: list[float] = field(default_factory=list)
    high_checks: int = 0
    flat_checks: dict[str, int] = field(default_factory=dict)
    best_contrast: dict[str, float] = field(default_factory=dict)

    @property
    def learning_rate_multiplier(self) -> float:
        """Share of the job's learning rate to train with."""
        return float(0.5**self.rollbacks)

    @property
    def suspicious(self) -> bool:
        """Whether the last check noticed something that may turn out to be divergence."""
        return self.high_checks > 0 or any(self.flat_checks.values())

    def check(self, iteration: int, loss: float, contrasts: Mapping[str, float]) -> str:
        """Take in the figures of a check.

        Args:
            iteration: Where training is.
            loss: The weighted sum of the losses.
            contrasts: By identity, the predicted faces' contrast as a share of the true faces'.

        Returns:
            What is wrong as the beginning of a sentence, or "" as long as nothing is.
        """
        if not all(abs(value) < _LARGEST_LOSS for value in (loss, *contrasts.values())):
            return "The loss is no longer a finite number"
        level = median(self.losses) if len(self.losses) >= FEWEST_CHECKS else math.inf
        if loss > LOST_LOSS * level:
            return f"The loss has jumped to {loss / level:.0f} times its recent level"
        if self._is_high(loss, level):
            return f"The loss has been more than {HIGH_LOSS:g} times its recent level for a while"
        for identity, contrast in contrasts.items():
            if self._is_flat(iteration, identity, contrast):
                return f"The predicted faces of {identity} have collapsed to one flat colour"
        return ""

    def _is_high(self, loss: float, level: float) -> bool:
        if loss > HIGH_LOSS * level:
            self.high_checks += 1
        else:
            self.high_checks = 0
            self.losses = [*self.losses, loss][-RECENT_CHECKS:]
        return self.high_checks >= PATIENCE_CHECKS

    def _is_flat(self, iteration: int, identity: str, contrast: float) -> bool:
        best = self.best_contrast[identity] = max(contrast, self.best_contrast.get(identity, 0.0))
        expected = best >= USUAL_CONTRAST or iteration >= CONTRAST_DUE_ITERATIONS
        flat = expected and contrast < FLAT_CONTRAST
        self.flat_checks[identity] = self.flat_checks.get(identity, 0) + 1 if flat else 0
        return self.flat_checks[identity] >= CONTRAST_PATIENCE_CHECKS

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a checkpoint's state.json, with the keys of version 1."""
        return {
            "setbacks": self.rollbacks,
            "losses": self.losses,
            "far_checks": self.high_checks,
            "flat_checks": self.flat_checks,
            "best_contrast": self.best_contrast,
        }

    @classmethod
    def from_dict(cls, values: object) -> Self:
        """The monitor of a checkpoint; a new one where it holds none or nonsense."""
        try:
            known = dict(values) if isinstance(values, Mapping) else {}
            monitor = cls(
                int(known["setbacks"]),
                [float(loss) for loss in known["losses"]][-RECENT_CHECKS:],
                int(known["far_checks"]),
                {str(name): int(count) for name, count in dict(known["flat_checks"]).items()},
                {str(name): float(best) for name, best in dict(known["best_contrast"]).items()},
            )
        except (KeyError, TypeError, ValueError, OverflowError):
            return cls()
        plausible = monitor.rollbacks in range(MAX_ROLLBACKS + 1) and all(map(math.isfinite, monitor.losses))
        return monitor if plausible else cls()
