"""What changes along a run, as functions of the iteration: learning rate, EMA, warp, and how a weight rises.

None of them knows the run's end, so that a run can go on from where another one stopped and do what one run
of both lengths would have done. How the network grows is in networks/growth.py, which loss counts from when
in losses/table.py.
"""

from __future__ import annotations

import math

WARM_UP_ITERATIONS = 200
LEVEL_ITERATIONS = 3000
EMA_DECAY = 0.999
# The warp keeps its full strength for so long, and never falls below the floor.
WARP_ITERATIONS = 3000
WARP_FLOOR = 0.4


def learning_rate_multiplier(iteration: int) -> float:
    """Share of the learning rate: rises linearly, stays, falls with the square root of the iterations."""
    return min(1.0, (iteration + 1) / WARM_UP_ITERATIONS, math.sqrt(LEVEL_ITERATIONS / (iteration + 1)))


def ema_share(iterations: int) -> float:
    """How far one iteration moves the exponential moving average (EMA) towards the weights.

    The decay rises with the iterations: a young average would remember the random start.
    """
    return 1.0 - min(EMA_DECAY, (1 + iterations) / (10 + iterations))


def warp_multiplier(iteration: int) -> float:
    """Share of the warp: 1, then falling with the square root of the iterations to a floor.

    The warp keeps the latent from being a copy of the input early on; late in a run it only blurs what the
    latent can say.
    """
    return max(WARP_FLOOR, min(1.0, math.sqrt(WARP_ITERATIONS / (iteration + 1))))


def ramp(iteration: int, *, begins: int, ramp_iterations: int) -> float:
    """Share of a weight that is 0 before `begins` and rises to 1 over `ramp_iterations`."""
    if iteration < begins:
        return 0.0
    return min(1.0, (iteration - begins + 1) / ramp_iterations) if ramp_iterations else 1.0
