"""`make fuzz`: damaged inputs for every reader of the engine.

make fuzz                                   2,000 inputs
make fuzz ARGS="--count 10000"              more
make fuzz ARGS="--reader exr --seed 123"    one of them again, with what it says
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from fuzz import harness, pictures, stores, texts

READERS = {reader.name: reader for part in (pictures, stores, texts) for reader in part.READERS}
FIRST_LINES = 12


def main(words: list[str] | None = None) -> int:
    options = _options().parse_args(words)
    chosen = [READERS[name] for name in options.reader or READERS]
    each = -(-options.count // len(chosen))
    seeds = [options.seed] if options.seed is not None else range(options.first, options.first + each)
    work = Path(tempfile.mkdtemp(prefix="understudy-fuzz-"))
    try:
        print(f"{len(seeds) * len(chosen)} inputs: {len(chosen)} readers, seeds {seeds[0]} to {seeds[-1]}")
        started = time.monotonic()
        outcome = harness.run(chosen, list(seeds), work, jobs=options.jobs)
        _show(outcome, time.monotonic() - started)
        if options.seed is not None:
            print("\n".join(f"{name} --seed {options.seed}: {said}" for name, said in outcome.last.items()))
        if outcome.faults:
            shutil.copytree(work / "kept", options.keep, dirs_exist_ok=True)
            print(f"the inputs at fault are kept in {options.keep}")
        return 1 if outcome.faults else 0
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make fuzz", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=2000, help="inputs of all readers together")
    parser.add_argument("--reader", action="append", choices=READERS, help="only this one; may be repeated")
    parser.add_argument("--seed", type=int, help="one seed, to repeat an input")
    parser.add_argument("--first", type=int, default=0, help="first seed of a run")
    parser.add_argument("--jobs", type=int, default=2, help="processes beside each other")
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"), help="folder for inputs at fault")
    return parser


def _show(outcome: harness.Outcome, seconds: float) -> None:
    columns = (*harness.FINE, *harness.FAULTS)
    rows = [("reader", *columns)]
    rows += [(name, *(str(counts[one]) for one in columns)) for name, counts in outcome.counts.items()]
    total = sum(outcome.counts.values(), start=type(next(iter(outcome.counts.values())))())
    rows.append(("all", *(str(total[one]) for one in columns)))
    for row in rows:
        print("  ".join(cell.rjust(10) for cell in row))
    print(f"{total.total()} inputs in {seconds:.0f} seconds")
    for reader, seed, verdict, said in sorted(outcome.faults):
        print(f"\n{reader} --seed {seed}: {verdict}")
        print("\n".join(said.strip().splitlines()[-FIRST_LINES:]))


if __name__ == "__main__":
    sys.exit(main())
