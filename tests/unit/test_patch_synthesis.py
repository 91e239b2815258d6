"""Patches are found and voted for: what the synthesis promises, on small pictures."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patch_tasks import BLIND, noise, random_task, task
from understudy.core.errors import JobError, PlateError
from understudy.image.frame import FloatImage
from understudy.patch import backends, cuda, guides, synthesis
from understudy.patch.backends import CpuBackend
from understudy.patch.kernels import Nnf
from understudy.patch.synthesis import synthesise
from understudy.patch.task import Mask, Pixels, SearchPass, SynthesisOptions, SynthesisResult, SynthesisTask

CPU = SynthesisOptions(device="cpu")


@pytest.fixture
def threads() -> Iterator[None]:
    before = cv2.getNumThreads()
    yield
    cv2.setNumThreads(before)


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Half the patch, and the number of pixels, of each search that is made."""
    made: list[tuple[int, int]] = []
    search = CpuBackend.search

    def counted(self: CpuBackend, pixels: Pixels, radius: int, passes: Iterable[SearchPass]) -> None:
        made.append((radius, len(pixels)))
        search(self, pixels, radius, passes)

    monkeypatch.setattr(CpuBackend, "search", counted)
    return made


def shifted(picture: FloatImage, by: int) -> FloatImage:
    return np.ascontiguousarray(np.roll(picture, by, axis=1))


def inside(height: int, width: int) -> Mask:
    """All but a border: a patch lies whole within the keyframe, whose edge is never a patch's centre."""
    mask = np.zeros((height, width), bool)
    mask[5:-5, 5:-5] = True
    return mask


def moved_task(style: FloatImage, by: int) -> tuple[SynthesisTask, FloatImage]:
    """A frame that shows the keyframe some pixels to the right, where it is looked for 2 off; the truth."""
    plate = noise(*style.shape[:2], 91)
    at = guides.identity(*style.shape[:2])
    at[..., 0] -= by - 2
    blurred = np.asarray(cv2.GaussianBlur(shifted(style, by), (0, 0), 2), np.float32)
    return task(style, plate, shifted(plate, by), initial=blurred, prior=at), shifted(style, by)


@pytest.mark.usefixtures("threads")
def test_every_run_on_any_number_of_threads_has_the_same_bits() -> None:
    work = random_task(64, 72, 1)
    pictures = []
    for count in (1, 2, 2):
        cv2.setNumThreads(count)
        made = synthesise(work, CPU)
        pictures.append(made.picture.tobytes() + made.error.tobytes())
    assert pictures[0] == pictures[1] == pictures[2]


def test_another_seed_looks_elsewhere() -> None:
    work = random_task(40, 40, 2)
    assert not np.array_equal(synthesise(work, CPU).picture, synthesise(work, replace(CPU, seed=2)).picture)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    height=st.integers(1, 24),
    width=st.integers(1, 24),
    share=st.floats(0, 1),
    patch=st.sampled_from((3, 5, 7)),
)
def test_what_is_not_to_do_stays_and_the_rest_is_of_the_painting(
    seed: int, height: int, width: int, share: float, patch: int
) -> None:
    rng = np.random.default_rng(seed)
    style, plate = noise(18, 16, seed), noise(18, 16, seed + 1)
    here, first = noise(height, width, seed + 2), noise(height, width, seed + 3) + 5
    todo = rng.random((height, width)) < share
    work = task(style, plate, here, initial=first, mask=todo)
    made = synthesise(work, replace(CPU, patch=patch, search_votes=2))
    assert made.picture[~todo].tobytes() == first[~todo].tobytes() and not made.error[~todo].any()
    assert (made.error >= 0).all() and np.isfinite(made.error).all()
    painted = made.picture[todo]
    assert ((painted > style.min() - 1e-5) & (painted < style.max() + 1e-5)).all()


@pytest.mark.parametrize("patch", [3, 5, 7, 9])
def test_a_frame_like_the_keyframe_gets_the_painting_back(patch: int) -> None:
    style, plate, todo = noise(40, 44, 3), noise(40, 44, 4), inside(40, 44)
    first = np.where(todo[..., None], np.float32(0.5), style)
    made = synthesise(task(style, plate, plate, initial=first, mask=todo), replace(CPU, patch=patch))
    np.testing.assert_allclose(made.picture, style, atol=1e-5)


def test_values_far_above_one_and_below_zero_survive() -> None:
    style, plate = noise(40, 44, 5), noise(40, 44, 6)
    style[10:20, 10:20] *= 80
    style[25:35, 5:15] -= 7
    made = synthesise(task(style, plate, plate, mask=inside(40, 44)), CPU)
    np.testing.assert_allclose(made.picture, style, rtol=1e-5, atol=1e-5)


def test_what_the_painting_follows_is_added() -> None:
    style, plate, todo = noise(32, 32, 7), noise(32, 32, 8), inside(32, 32)
    brighter = np.asarray(plate + np.float32(0.03), np.float32)
    made = synthesise(task(style, plate, brighter, gain=1.0, mask=todo), CPU)
    np.testing.assert_allclose(made.picture[todo], style[todo] + 0.03, atol=1e-5)


def test_a_price_on_use_spreads_it_over_the_painting(monkeypatch: pytest.MonkeyPatch) -> None:
    levels: list[CpuBackend] = []

    def kept(work: SynthesisTask, nnf: Nnf) -> CpuBackend:
        levels.append(CpuBackend(work, nnf))
        return levels[-1]

    monkeypatch.setattr(synthesis, "backend_for", lambda device: kept)
    style, first = noise(40, 40, 9), noise(40, 40, 10)
    work = task(style, style, style, initial=first, weights=BLIND, mask=inside(40, 40))
    crowding = []
    for uniformity in (0.0, 3500.0):
        synthesise(work, replace(CPU, uniformity=uniformity, levels=1))
        users = np.unique(levels[-1].nnf()[work.mask], axis=0, return_counts=True)[1]
        crowding.append(float((users**2).sum() / users.sum()))  # how many share a place, for the mean of them
    assert crowding[1] < 0.9 * crowding[0], crowding


def test_nothing_to_do_is_the_first_guess() -> None:
    work = random_task(16, 16, 10)
    made = synthesise(replace(work, mask=np.zeros((16, 16), bool)), CPU)
    assert made.picture is work.initial and not made.error.any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (20, 24)])
def test_a_region_of_one_pixel_is_made(shape: tuple[int, int]) -> None:
    style, first = noise(20, 24, 11), np.full((*shape, 3), 9, np.float32)
    todo = np.zeros(shape, bool)
    todo[-1, 0] = True
    made = synthesise(task(style, style, noise(*shape, 12), initial=first, mask=todo), CPU)
    assert (made.picture[todo] < 2).all() and (made.picture[~todo] == 9).all()


@pytest.mark.parametrize("patch", [4, 9])
def test_a_patch_that_is_even_or_too_large_is_refused(patch: int) -> None:
    with pytest.raises(PlateError, match=f"Patches of {patch} pixels do not fit"):
        synthesise(random_task(8, 20, 13), replace(CPU, patch=patch))


def test_what_no_longer_changes_is_left_alone(searches: list[tuple[int, int]]) -> None:
    work = random_task(24, 24, 14)
    synthesise(work, replace(CPU, levels=1, stop=0))
    # A vote always moves something, and the last search is that with the smallest patches.
    assert len(searches) == CPU.search_votes + 1
    searches.clear()
    synthesise(work, replace(CPU, levels=1, stop=1e6))
    todo = int(work.mask.sum())
    assert searches == [(2, todo), (1, todo)]
    searches.clear()
    synthesise(work, replace(CPU, levels=1, stop=30))
    assert searches[-2][1] < todo


def test_the_last_small_patches_refine_it(monkeypatch: pytest.MonkeyPatch) -> None:
    style = np.full((48, 64, 3), 0.3, np.float32)
    for column in range(5, 60, 9):
        cv2.line(style, (column, 4), (column + 3, 44), (0.9, 0.5, 0.1), 1)
    work, truth = moved_task(style, 4)
    options = replace(CPU, patch=9, stop=0)
    refined = np.abs(synthesise(work, options).picture - truth)[:, 8:-8].mean()
    monkeypatch.setattr(
        synthesis._LevelSearch, "finish", lambda self: SynthesisResult(self.backend.picture(), None)
    )
    plain = np.abs(synthesise(work, options).picture - truth)[:, 8:-8].mean()
    assert refined < 0.8 * plain, (refined, plain)


def test_the_gpu_is_asked_for_only_where_it_may_be_used() -> None:
    program = (
        "import sys, understudy.app.cli; from understudy.patch.backends import *; backend_for('cpu'); "
        "sys.exit('understudy.patch.cuda' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.skipif(cuda.found(), reason="there is a GPU")
def test_without_a_gpu_auto_takes_the_cpu_and_cuda_says_what_is_missing() -> None:
    assert backends.backend_for("auto") is CpuBackend
    with pytest.raises(JobError, match="numba finds none"):
        synthesise(random_task(16, 16, 15), SynthesisOptions(device="cuda"))
