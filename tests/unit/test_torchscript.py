"""A TorchScript export gives, in a process that knows torch alone, what the ONNX export gives."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from understudy.core.errors import JobError, ModelError
from understudy.core.progress import Event, Warned, silent
from understudy.core.settings import Settings
from understudy.face import align
from understudy.face.track.smooth import TrackedFace
from understudy.face.track.store import Track
from understudy.image.exr import read_image, write_image
from understudy.image.frame import Frame
from understudy.inference.card import card_path, read_card
from understudy.inference.predictor import Predictor
from understudy.jobs.training import ExportJob
from understudy.train.checkpoints import model_folder, store
from understudy.train.export import onnx as export
from understudy.train.export import torchscript
from understudy.train.networks import autoencoder

SETTINGS = Settings(models=Path("unused"), device="cpu", threads=1)
RELEASES = {"anna": "a" * 64, "bert": "b" * 64}
HOST = """
import sys, torch
assert not any(name.startswith("understudy") for name in sys.modules)
torch.set_num_threads(1)
module = torch.jit.load(sys.argv[1])
size = int(sys.argv[4])
picture = torch.frombuffer(bytearray(open(sys.argv[2], "rb").read()), dtype=torch.float32)
with torch.no_grad():
    drawn = module(picture.reshape(1, 5, size, size))
assert drawn.shape == (1, 4, size, size) and drawn.dtype == torch.float32
open(sys.argv[3], "wb").write(bytes(drawn.contiguous().untyped_storage()))
"""


def make_model(path: Path, *, size: int, releases: dict[str, str] | None = None) -> Path:
    """A model folder with a network of random weights, whose two performers differ in shape."""
    torch.manual_seed(size)
    architecture = autoencoder.Architecture(size, 8, ("anna", "bert"))
    network = autoencoder.Comb(architecture)
    network.shapes[1] = torch.randn(68, 2) * 0.02
    network.normaliser.mean[0] = torch.randn(architecture.latent)
    known = RELEASES if releases is None else releases
    path.mkdir()
    model_folder.write(path, model_folder.Description("m", architecture, "full", {}, known, "yunet"))
    optimiser = torch.optim.Adam(network.parameters())
    sum(weight.sum() for weight in network.parameters()).backward()
    optimiser.step()
    store.save(
        model_folder.checkpoints(path),
        iteration=7,
        network=network,
        ema=network,
        optimiser=optimiser,
        facts={"seed": 1, "batch": 4, "learning_rate": 1e-3},
    )
    return path


def run(model: Path, **changes: object) -> Path:
    job = ExportJob.model_validate({"model": model} | changes)
    return Path(export.run(job, report=silent, settings=SETTINGS)["model"])


@pytest.fixture(scope="module", params=[32, 80])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """One model as TorchScript and as ONNX: with landmarks over three rows, and within one."""
    model = make_model(tmp_path_factory.mktemp("model") / "m.model", size=request.param)
    return run(model, format="torchscript"), run(model)


def load(path: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.load(str(path))


def test_a_process_with_torch_alone_draws_what_the_engine_draws(
    exported: tuple[Path, Path], tmp_path: Path
) -> None:
    script, onnx = exported
    opened = Predictor.open(onnx, device="cpu")
    size, random = opened.card.size, np.random.default_rng(0)
    faces = random.uniform(0.1, 0.5, (1, size, size, 3)).astype(np.float32)
    faces[0, 2, 3] = (np.nan, np.inf, -np.inf)
    points = random.uniform(0, size, (1, 68, 2)).astype(np.float32)
    picture = np.full((5, size * size), 0.7, np.float32)  # what lies beyond the landmarks may be anything
    picture[:3] = faces[0].reshape(-1, 3).T
    picture[3:, :68] = ((points[0] + 0.5) / size).T
    given, made = tmp_path / "given.raw", tmp_path / "made.raw"
    given.write_bytes(picture.tobytes())
    arguments = [sys.executable, "-I", "-c", HOST, str(script), str(given), str(made), str(size)]
    subprocess.run(arguments, check=True, timeout=120)
    drawn = np.frombuffer(made.read_bytes(), np.float32).reshape(4, size, size)
    expected = opened.predict(faces, points)
    assert np.abs(drawn[:3].transpose(1, 2, 0) - expected.face[0]).max() < 1e-3
    assert np.abs(drawn[3] - expected.matte[0]).max() < 1e-3


def test_the_source_performer_is_drawn_and_not_the_plates_own(exported: tuple[Path, Path]) -> None:
    script, onnx = exported
    opened = Predictor.open(onnx, device="cpu")
    size = opened.card.size
    faces, points = np.full((1, size, size, 3), 0.4, np.float32), np.full((1, 68, 2), size / 2, np.float32)
    expected = opened.predict(faces, points)
    shares = torch.from_numpy((points + 0.5) / size)
    drawn = torchscript.predict(script, torch.from_numpy(faces).permute(0, 3, 1, 2), shares)
    assert np.abs(drawn[0, 3].numpy() - expected.matte[0]).max() < 1e-3
    assert np.abs(drawn[0, 3].numpy() - expected.destination_matte[0]).max() > 1e-2


def test_the_graph_has_no_control_flow_and_no_device_or_cast_written_into_it(
    exported: tuple[Path, Path],
) -> None:
    graph = load(exported[0]).inlined_graph
    for kind in ("prim::If", "prim::Loop", "aten::to", "aten::arange", "prim::device"):
        assert graph.findNode(kind) is None, kind
    kinds = {node.output().type().kind() for node in graph.findAllNodes("prim::Constant")}
    assert "DeviceObjType" not in kinds


def test_a_host_may_halve_the_module(exported: tuple[Path, Path]) -> None:
    module = load(exported[0])
    size = read_card(exported[1]).size
    picture = torch.rand((1, 5, size, size), generator=torch.Generator().manual_seed(3)) * 0.5
    with torch.no_grad():
        full = module(picture)
        half = module.half()(picture.half())
    assert half.dtype == torch.float16
    assert (half.float() - full).abs().max() < 5e-3


@pytest.mark.parametrize(("channels", "higher"), [(4, 0), (3, 0), (5, 1), (5, 16)])
def test_another_shape_is_an_error_and_no_picture(
    exported: tuple[Path, Path], channels: int, higher: int
) -> None:
    size = read_card(exported[1]).size
    with pytest.raises((RuntimeError, IndexError)), torch.no_grad():
        load(exported[0])(torch.zeros(1, channels, size + higher, size))


def test_the_releases_travel_in_the_module_and_in_its_card(exported: tuple[Path, Path]) -> None:
    script, onnx = exported
    provenance = json.loads(load(script).provenance)
    graph_card = read_card(onnx)
    assert provenance["releases"] == RELEASES == graph_card.releases
    assert (provenance["source"], provenance["destination"]) == ("bert", "anna")
    assert provenance["iterations"] == 7
    card = torchscript.ScriptCard.model_validate_json(card_path(script).read_text())
    changed = {"sha256", "opset", "parity"}
    assert card.model_dump(include=set(type(graph_card).model_fields) - changed) == graph_card.model_dump(
        exclude=changed
    )
    assert (card.format, card.torch, len(card.channels_in)) == ("torchscript", torch.__version__, 5)
    assert card.parity < 1e-3
    with pytest.raises(ModelError, match="not valid"):
        Predictor.open(script)


def test_the_file_is_the_one_its_card_names(exported: tuple[Path, Path]) -> None:
    import hashlib

    card = json.loads(card_path(exported[0]).read_text())
    assert hashlib.sha256(exported[0].read_bytes()).hexdigest() == card["sha256"]


def test_the_other_performers_decoder_stays_at_home(exported: tuple[Path, Path]) -> None:
    names = [name for name, _ in load(exported[0]).named_parameters()]
    assert any("decoders.0." in name for name in names)
    assert not any("decoders.1." in name for name in names)


def test_a_missing_release_is_told(tmp_path: Path) -> None:
    told: list[Event] = []
    model = make_model(tmp_path / "m.model", size=32, releases={"anna": "", "bert": "b" * 64})
    job = ExportJob.model_validate({"model": model, "format": "torchscript"})
    result = export.run(job, report=told.append, settings=SETTINGS)
    assert result["model"] == str(model / "export" / "swap.pt")
    assert [event.message for event in told if isinstance(event, Warned)] == [
        "anna has no likeness release; the model card says so."
    ]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"format": "torchscript", "precision": "fp16"}, "always fp32"),
        ({"format": "torchscript", "output": "swap.onnx"}, "does not end in .onnx"),
        ({"format": "onnx", "output": "swap.pt"}, "does not end in .pt"),
    ],
)
def test_what_does_not_go_together_is_refused_before_anything_is_read(
    tmp_path: Path, changes: dict[str, str], says: str
) -> None:
    with pytest.raises(JobError, match=says):
        run(tmp_path / "none.model", **changes)


def test_two_files_never_share_a_card(tmp_path: Path) -> None:
    (tmp_path / "bert.onnx").touch()
    with pytest.raises(JobError, match="share its model card"):
        run(tmp_path / "none.model", format="torchscript", output=tmp_path / "bert.pt")


@pytest.mark.parametrize("wrong", [0.01, float("nan")])
def test_a_file_that_draws_otherwise_is_refused_and_the_old_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: float
) -> None:
    model = make_model(tmp_path / "m.model", size=32)
    before = run(model, format="torchscript").read_bytes()
    draw = torchscript.predict
    monkeypatch.setattr(torchscript, "predict", lambda *arguments: draw(*arguments) + wrong)
    with pytest.raises(ModelError, match="differs from the network"):
        run(model, format="torchscript")
    assert (model / "export" / "swap.pt").read_bytes() == before
    assert sorted(path.name for path in (model / "export").iterdir()) == ["swap.card.json", "swap.pt"]


def test_a_file_that_cannot_be_read_back_is_named(tmp_path: Path) -> None:
    (tmp_path / "swap.pt").write_bytes(b"no archive")
    with pytest.raises(ModelError, match="cannot be read back"):
        torchscript.predict(tmp_path / "swap.pt", torch.zeros(1, 3, 32, 32), torch.zeros(1, 68, 2))


def test_the_pages_script_feeds_the_module_what_the_engine_feeds_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: Path
) -> None:
    random = np.random.default_rng(5)
    plate = random.uniform(0.05, 0.6, (90, 120, 3)).astype(np.float32)
    write_image(tmp_path / "plate.1001.exr", Frame.from_rgb(plate, colour_space="ACEScg", storage="float"))
    points = (align.TEMPLATE * 60 + (30, 15)).astype(np.float32)
    face = TrackedFace(1001, points, 1.0, False, (30.0, 15.0, 90.0, 75.0))
    Track.create(tmp_path / "shot.track", plate="plate.%04d.exr", faces={"face": [face]}, detector="yunet")
    (program,) = re.findall(
        r"```python\n(.*?)```", (root / "docs" / "nuke-inference.md").read_text(), re.DOTALL
    )
    monkeypatch.chdir(tmp_path)
    exec(compile(program, "docs/nuke-inference.md", "exec"), {})
    written = read_image(tmp_path / "aligned.1001.exr")
    assert written.channels == ("R", "G", "B", "forward.u", "forward.v")
    assert written.pixels.shape == (96, 96, 5)
    matrix = align.plate_to_aligned(points, coverage="full", size=96)
    shares = (align.transform(points, matrix) + 0.5) / 96
    assert np.abs(written.pixels[0, :68, 3:] - shares).max() < 1e-6
    nose = (shares[30] * 96 - 0.5).round().astype(int)
    x, y = align.transform(nose[None], align.invert(matrix))[0].round().astype(int)
    linear = plate[y - 2 : y + 3, x - 2 : x + 3].mean()
    assert written.pixels[nose[1] - 2 : nose[1] + 3, nose[0] - 2 : nose[0] + 3, :3].mean() == pytest.approx(
        (np.log2(linear) + 9.72) / 17.52, abs=0.05
    )
