"""How a stage of the swap is declared: its parameters, what it reads, and what a host makes of each knob.

From these declarations come the options of the command line, the schema and docs/jobs.md, the knobs of every
host, which of them a host applies live, the render cache's keys, a frame's digest and a bake's stale mark.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field

from understudy.jobs.fields import Job, Seed
from understudy.jobs.keyframes import moving, stepping

FACE = "percent of the aligned face's edge"
MATTE = "percent of the aligned face's edge, or pixels"
Tab = Literal["Face", "Mask", "Colour", "Detail"]

# Types of parameters that keyframes move.
Share = Annotated[float, moving(0, 100, "percent")]
SignedShare = Annotated[float, moving(-100, 100, "percent")]
SignedOfFace = Annotated[float, moving(-50, 50, FACE)]
Switch = Annotated[bool, stepping()]


def live(neutral: float) -> Any:
    """Marks a knob that a host applies itself: the face pass is baked at the neutral value."""
    return Field(json_schema_extra={"live": neutral})


def live_matte() -> Any:
    """Marks a knob that a host may apply itself where it makes the matte from a face pass's mattes."""
    return Field(json_schema_extra={"live_matte": True})


def told_in_face_pass() -> Any:
    """Marks a parameter of a later stage whose value the header of a face pass tells."""
    return Field(json_schema_extra={"in_face_pass": True})


def on_tab(tab: Tab) -> Any:
    """Puts a knob on another tab than its stage's."""
    return Field(json_schema_extra={"tab": tab})


class Parameters(Job):
    """A stage's parameters: a frozen group of fields, all that the stage sees of a job."""


class SeedParameter(Parameters):
    """The seed, which two stages share."""

    seed: Seed = 1
    """Seed of the grain's pattern and of random axes in colour; the same seed gives the same frames."""


class Reads(StrEnum):
    """What a stage reads beside the results of earlier stages."""

    PLATE = "plate"
    TRACK = "track"
    MODEL = "model"
    ROTO = "roto"
    SKIN_BANK = "skin_bank"


def this_frame_only(parameters: Any) -> int:
    """The reach of a stage that looks at no other frame."""
    return 0


@dataclass(frozen=True)
class Stage:
    """One stage of the swap.

    Attributes:
        name: As the schema and the help call it.
        sentence: What it does.
        parameters: The group that holds its fields; an instance is all that its function gets of a job.
        tab: The host's tab for its knobs.
        after: The stages whose results it uses, directly; theirs are followed on.
        reads: What else it depends on.
        reach: Gives for its parameters how many frames on each side of the frame it reads.
        crosses_cuts: Whether frames beyond a cut are among those.
        in_face_pass: Whether a face pass holds its result; what comes later is the host's, its live knobs.
    """

    name: str
    sentence: str
    parameters: type[Parameters]
    tab: Tab
    after: tuple[Stage, ...] = ()
    reads: frozenset[Reads] = frozenset()
    reach: Callable[[Any], int] = this_frame_only
    crosses_cuts: bool = False
    in_face_pass: bool = True

    @property
    def with_earlier(self) -> tuple[Stage, ...]:
        """Every stage that its result depends on, itself last, each once."""
        found: dict[str, Stage] = {}
        for before in self.after:
            found |= {stage.name: stage for stage in before.with_earlier}
        return (*found.values(), self)
