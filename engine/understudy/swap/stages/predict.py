"""Predict: the network's new face for one frame, with its mattes and landmarks."""

from __future__ import annotations

from understudy.swap.declare import Parameters, Reads, Share, Stage


class PredictParameters(Parameters):
    """Which face is predicted."""

    source: str | None = None
    """Identity to put in; the model's first source when left out."""
    identity_mix: Share = 100.0
    """Share of the source performer in the new face; the rest is the plate's own performer, reconstructed."""


STAGE = Stage(
    name="predict",
    sentence="The network predicts the source performer's face for the plate's acting.",
    parameters=PredictParameters,
    tab="Face",
    reads=frozenset({Reads.PLATE, Reads.TRACK, Reads.MODEL}),
)
