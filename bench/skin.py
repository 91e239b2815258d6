#!/usr/bin/env python3
"""Score the skin bank: a swap with it and without it, its parts left out one by one, and several sizes.

    bench/skin.py --model show.model/export/swap_fp32.onnx --faceset actor.faceset
        --plate plate.%04d.exr --track plate.track --truth truth.%04d.exr --sizes 50,200 --ablate

All rows are of one run, so that their times compare. Prints a JSON line a row and adds it to skin.jsonl in
--out: the scores of `understudy score`, milliseconds a frame, and those beyond the swap without a bank.
`identity` is there where --models has the recognition network.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from understudy.core.progress import silent
from understudy.core.settings import Settings
from understudy.face.faceset.store import FaceSet
from understudy.face.skin import canonical, making
from understudy.face.skin.bank import bank_path
from understudy.inference.card import card_path
from understudy.jobs.shots import ScoreJob
from understudy.quality import score
from understudy.swap import run as swap_run
from understudy.swap.job import SwapJob
from understudy.swap.skin import choose, fit
from understudy.swap.stages import skin

# A part left out, by the module's name that it hangs on.
ABLATIONS: dict[str, tuple[tuple[Any, str, Any], ...]] = {
    "splines through every landmark": ((canonical, "LEADING", tuple(range(68))),),
    "splines without smoothing": ((canonical, "_SMOOTHING", 0.01),),
    "no flow": ((fit, "_followed", lambda wanted, crop, there: there),),
    "one face for each region": ((choose, "PER_REGION", 1),),
    "six faces for each region": ((choose, "PER_REGION", 6),),
    "hard choice": ((fit, "_SHARPNESS", 100.0),),
    "choice by priority alone": ((fit, "_SHARPNESS", 0.0),),
    "no confidence": ((skin, "_SURE", 1e6), (skin, "_UNSURE", 1e6 + 1)),
    "no middle band": ((skin, "_MIDDLE_SHARE", 0.0),),
    "the middle band whole": ((skin, "_MIDDLE_SHARE", 1.0),),
    "each frame by itself": ((skin, "REACH", 0),),
}


@contextmanager
def without(changes: tuple[tuple[Any, str, Any], ...]) -> Iterator[None]:
    """Names of modules set to something else for a while."""
    before = [(module, name, getattr(module, name)) for module, name, _ in changes]
    for module, name, value in changes:
        setattr(module, name, value)
    canonical._from_template.cache_clear()
    try:
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)
        canonical._from_template.cache_clear()


def swapped(
    options: argparse.Namespace, settings: Settings, model: Path, name: str, **changes: Any
) -> dict[str, Any]:
    """Swap with a model and its bank, and score it."""
    pattern = str(options.out / name.replace(" ", "_") / "f.%04d.exr")
    shutil.rmtree(Path(pattern).parent, ignore_errors=True)
    plain = {"plate": options.plate, "track": options.track, "model": model, "output": pattern}
    job = SwapJob.model_validate({**plain, "frames": options.frames, **changes})
    began = time.perf_counter()
    written = swap_run.run(job, report=silent, settings=settings)["written"]
    took = time.perf_counter() - began
    scored = ScoreJob(plate=options.plate, truth=options.truth, swapped=pattern, frames=options.frames)
    found = dict(score.run(scored, report=silent, settings=settings)["score"])
    return {"row": name, "ms": round(1000 * took / max(written, 1), 1), **found}


def rows(options: argparse.Namespace, settings: Settings) -> Iterator[Callable[[], dict[str, Any]]]:
    """What is measured, in turn."""
    model = options.out / options.model.name
    for path in (options.model, card_path(options.model)):
        shutil.copy(path, options.out / path.name)

    def banked(most: int) -> None:
        with FaceSet.open(options.faceset) as faces:
            making.write(faces, bank_path(model), most=most)

    def measured(name: str, **changes: Any) -> Callable[[], dict[str, Any]]:
        return lambda: swapped(options, settings, model, name, **changes)

    banked(options.faces)
    yield measured("without", skin=0.0)
    yield measured("with")
    for name, changes in ABLATIONS.items() if options.ablate else ():
        with without(changes):
            yield measured(name)
    for most in options.sizes:
        banked(most)
        yield measured(f"{most} faces")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("model", "faceset", "track"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("plate", "truth"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--frames", default=None)
    parser.add_argument("--faces", type=int, default=600, help="faces of the bank at most")
    parser.add_argument("--sizes", default=[], type=lambda text: [int(one) for one in text.split(",")])
    parser.add_argument("--ablate", action="store_true", help="leave its parts out one by one")
    parser.add_argument("--models", type=Path, default=Path("../shared/models"))
    parser.add_argument("--out", type=Path, default=Path("bench-out/skin"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    settings, before = Settings(models=options.models), 0.0
    for row in rows(options, settings):
        found = row()
        before = before or found["ms"]
        line = json.dumps({**found, "ms_beyond": round(found["ms"] - before, 1)})
        print(line, flush=True)
        with (options.out / "skin.jsonl").open("a") as file:
            file.write(line + "\n")


if __name__ == "__main__":
    main()
