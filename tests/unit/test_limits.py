"""Small files that claim much, and models that would not end, are refused in one sentence."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path

import av
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from understudy.core.errors import ModelError, PlateError
from understudy.image import memory
from understudy.image.exr import read_image, write_image
from understudy.image.frame import Frame
from understudy.image.video import Video
from understudy.inference import limits
from understudy.inference.session import Session

EDGE = 4000
# A child whose address space ends 350 MB above what it has: less than the picture needs.
TIGHT = """
import resource, sys
from pathlib import Path
from understudy.core.errors import PlateError
from understudy.image.exr import read_image
from understudy.image.memory import free_bytes
from understudy.image.video import Video
pages = int(Path("/proc/self/statm").read_text().split()[0])
room = pages * resource.getpagesize() + 350_000_000
resource.setrlimit(resource.RLIMIT_AS, (room, room))
for name in sys.argv[1:]:
    try:
        Video(name) if name.endswith(".mkv") else read_image(Path(name))
        print("read", name)
    except PlateError as error:
        print(error.what)
peak = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
print("peak", int(peak) < 300_000)
"""
linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


@pytest.fixture(scope="module")
def bombs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """An EXR, a PNG, a TIFF and a video of one colour: small files, large pictures."""
    folder = tmp_path_factory.mktemp("bombs")
    flat = Frame.from_rgb(np.zeros((EDGE, EDGE, 3), np.float32), colour_space="ACEScg")
    paths = [folder / f"flat{suffix}" for suffix in (".exr", ".tif")]
    for path in paths:
        write_image(path, flat, compression="zip")
    paths.append(folder / "flat.png")
    paths[-1].write_bytes(png_of_zeros(EDGE))
    paths.append(folder / "flat.mkv")
    with av.open(str(paths[-1]), "w") as container:
        stream = container.add_stream("ffv1", rate=24, options={"slices": "4"})
        stream.width, stream.height, stream.pix_fmt = EDGE, EDGE, "gray"
        picture = av.VideoFrame.from_ndarray(np.zeros((EDGE, EDGE), np.uint8), format="gray")
        container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return paths


def png_of_zeros(edge: int) -> bytes:
    """An RGB PNG of 8 bits that is black everywhere."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)

    header = edge.to_bytes(4) * 2 + bytes([8, 2, 0, 0, 0])
    rows = zlib.compress(bytes(edge * (3 * edge + 1)))
    parts = chunk(b"IHDR", header), chunk(b"IDAT", rows), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@linux_only
def test_a_small_file_that_needs_more_memory_than_is_free_is_refused_before_it_is_held(
    bombs: list[Path],
) -> None:
    assert all(path.stat().st_size < 4_000_000 for path in bombs)
    ran = subprocess.run(
        [sys.executable, "-c", TIGHT, *map(str, bombs)], capture_output=True, text=True, timeout=60
    )
    lines = ran.stdout.splitlines()
    assert len(lines) == len(bombs) + 1, ran.stdout + ran.stderr
    for line in lines[:-1]:
        assert f"{EDGE} × {EDGE}" in line and "GB of memory" in line and "free" in line, line
    assert lines[-1] == "peak True"


def test_the_same_picture_is_read_where_there_is_room(bombs: list[Path]) -> None:
    frame = read_image(bombs[2])
    assert frame.pixels.shape == (EDGE, EDGE, 3) and not frame.pixels.any()


def test_the_error_says_how_much_is_needed_and_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda: 3_000_000_000)
    memory.require(2_350_000_000, "The picture", where="a.exr")
    with pytest.raises(
        PlateError, match=r"The picture needs 2\.8 GB of memory, and 3\.0 GB are free"
    ) as told:
        memory.require(2_800_000_000, "The picture", where="a.exr")
    assert told.value.where == "a.exr" and "crop it" in told.value.fix


@pytest.mark.parametrize(
    ("lines", "files", "free"),
    [
        (
            "0::/jobs/one\n",
            {
                "jobs/one/memory.max": "4000000000\n",
                "jobs/one/memory.current": "1500000000\n",
                "jobs/one/memory.stat": "anon 1\ninactive_file 500000000\n",
                "jobs/memory.max": "max\n",
            },
            3_000_000_000,
        ),
        (
            "0::/jobs/one\n",  # the group above is tighter than the process's own
            {
                "jobs/one/memory.max": "4000000000\n",
                "jobs/one/memory.current": "0\n",
                "jobs/memory.max": "2000000000\n",
                "jobs/memory.current": "1000000000\n",
            },
            1_000_000_000,
        ),
        (
            "4:memory:/outside\n0::/\n",  # in a container the path is another's
            {
                "memory/memory.limit_in_bytes": "2000000000\n",
                "memory/memory.usage_in_bytes": "1500000000\n",
                "memory/memory.stat": "inactive_file 1\ntotal_inactive_file 250000000\n",
            },
            750_000_000,
        ),
        ("4:memory:/\n", {"memory/memory.limit_in_bytes": "9223372036854771712\n"}, 8_000_000_000),
    ],
)
def test_a_containers_limit_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: str, files: dict[str, str], free: int
) -> None:
    proc, groups = tmp_path / "proc", tmp_path / "groups"
    told = {proc / "meminfo": "MemAvailable:    7812500 kB\n", proc / "self" / "cgroup": lines}
    for path, text in {**told, **{groups / name: text for name, text in files.items()}}.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(memory, "PROC", proc)
    monkeypatch.setattr(memory, "CONTROL_GROUPS", groups)
    assert memory.free_bytes() == free


def saved(path: Path, nodes: list[onnx.NodeProto], **constants: np.ndarray) -> Path:
    """A model of one face that adds the scalar `more` to it."""
    face, out = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 3, 16, 16]) for n in ("face", "out"))
    weights = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    nodes = [*nodes, helper.make_node("Add", ["face", "more"], ["out"])]
    graph = helper.make_graph(nodes, "g", [face], [out], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def body(kind: str) -> onnx.GraphProto:
    """What a loop does each time, or a branch at all."""
    true = helper.make_node("Constant", [], ["on"], value=numpy_helper.from_array(np.array(True)))
    one = helper.make_node("Constant", [], ["kept"], value=numpy_helper.from_array(np.float32(1)))
    on = helper.make_tensor_value_info("on", TensorProto.BOOL, [])
    kept = helper.make_tensor_value_info("kept", TensorProto.FLOAT, [])
    if kind == "If":
        return helper.make_graph([one], "branch", [], [kept])
    count = helper.make_tensor_value_info("count", TensorProto.INT64, [])
    again = helper.make_tensor_value_info("again", TensorProto.BOOL, [])
    was = helper.make_tensor_value_info("was", TensorProto.FLOAT, [])
    return helper.make_graph([true, one], "body", [count, again, was], [on, kept])


@pytest.mark.parametrize("kind", ["Loop", "If"])
def test_a_model_that_can_loop_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    true, start = np.array(True), np.float32(0)
    if kind == "Loop":
        node = helper.make_node("Loop", ["", "true", "start"], ["more"], body=body(kind))
    else:
        node = helper.make_node("If", ["true"], ["more"], then_branch=body(kind), else_branch=body(kind))
    path = saved(tmp_path / "m.onnx", [node], true=true, start=start)
    with pytest.raises(ModelError, match=kind) as told:
        Session(path, "cpu", 1)
    assert told.value.where == str(path)


def test_a_model_with_functions_of_its_own_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "m.onnx", [], more=np.float32(1))
    model = onnx.load(path)
    node = helper.make_node("Relu", ["x"], ["y"])
    model.functions.append(helper.make_function("own", "f", ["x"], ["y"], [node], model.opset_import))
    onnx.save(model, path)
    with pytest.raises(ModelError, match="functions of its own"):
        Session(path, "cpu", 1)


@linux_only
def test_a_model_that_asks_for_more_memory_than_is_free_is_an_error(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("ConstantOfShape", ["shape"], ["giant"]),
        helper.make_node("ReduceMean", ["giant"], ["more"], keepdims=0),
    ]
    path = saved(tmp_path / "m.onnx", nodes, shape=np.array([2**45], np.int64))
    session = Session(path, "cpu", 1)
    with pytest.raises(ModelError, match="memory"):
        session.run(face=np.zeros((1, 3, 16, 16), np.float32))


def test_a_run_that_takes_too_long_is_given_up_and_the_model_named(tmp_path: Path) -> None:
    chain = [
        helper.make_node("MatMul", ["wide" if i == 0 else f"x{i}", "wide"], [f"x{i + 1}"]) for i in range(200)
    ]
    nodes = [
        helper.make_node("ReduceMean", ["face"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["ones", "mean"], ["wide"]),
        *chain,
        helper.make_node("ReduceMean", ["x200"], ["more"], keepdims=0),
    ]
    path = saved(tmp_path / "slow.onnx", nodes, ones=np.ones((1500, 1500), np.float32))
    session = Session(path, "cpu", 1, seconds=0.3)
    started = time.monotonic()
    with pytest.raises(ModelError, match=r"did not finish within 0\.3 seconds") as told:
        session.run(face=np.zeros((1, 3, 16, 16), np.float32))
    assert told.value.where == str(path) and time.monotonic() - started < 5
    assert "UNDERSTUDY_PREDICTION_SECONDS" in told.value.fix


def test_work_that_does_not_stop_when_told_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_SECONDS_TO_STOP", 0.05)
    told, ended = threading.Event(), threading.Event()
    with pytest.raises(ModelError):
        limits.within(0.05, lambda: ended.wait(10), Path("m.onnx"), stop=told.set)
    assert told.is_set()
    ended.set()


def test_an_error_of_the_work_reaches_the_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        limits.within(5, lambda: 1 / 0, Path("m.onnx"), stop=lambda: None)


def test_a_video_frame_that_fits_is_read(tmp_path: Path) -> None:
    path = tmp_path / "small.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=24)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        picture = av.VideoFrame.from_ndarray(np.full((72, 64), 128, np.uint8), format="yuv420p")
        container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    with Video(path) as video:
        assert video.read(1).pixels.shape == (48, 64, 3)
