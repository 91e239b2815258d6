"""Random choices of different things are different, however many identities a show has."""

from __future__ import annotations

from itertools import product

import torch
from hypothesis import given
from hypothesis import strategies as st

from understudy.train.seeds import derive_seed


def test_forty_identities_never_share_random_numbers() -> None:
    """Packed as iteration * 16 + identity, identity 16 saw what identity 0 sees one iteration later."""
    every = product(range(200), range(40), range(2))
    seeds = [derive_seed("batch", 1, iteration, identity, again) for iteration, identity, again in every]
    assert len(set(seeds)) == len(seeds)
    numbers = {
        float(torch.rand((), generator=torch.Generator().manual_seed(seed), dtype=torch.float64))
        for seed in seeds[:2000]
    }
    assert len(numbers) == 2000


@given(st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=4))
def test_a_seed_is_what_torch_takes_and_depends_on_parts_and_order(parts: list[int]) -> None:
    seed = derive_seed("batch", *parts)
    assert 0 <= seed < 2**32 and seed == derive_seed("batch", *parts)
    torch.Generator().manual_seed(seed)
    others = {
        derive_seed("refiner batch", *parts),
        derive_seed("batch", *parts, 0),
        derive_seed(*parts, "batch"),
    }
    assert seed not in others


def test_a_seed_stays_what_it_is() -> None:
    """A resumed run of a later release must see the faces that this one would have."""
    assert derive_seed("batch", 1, 0, 0, 0) == 1756569760
