"""What the engine keeps: models with their cards, face sets, tracks, checkpoints, model folders."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from fuzz.mutate import damage_database, damaged, damaged_document
from fuzz.reader import Reader, Undetected
from understudy.core.content import sha256_of
from understudy.face import align
from understudy.face.faceset import crops
from understudy.face.faceset.store import FaceRecord, FaceSet
from understudy.face.skin import bank
from understudy.face.skin.bank import BankFace
from understudy.face.skin.canonical import PREVIEW_SIZE
from understudy.face.template import BASE
from understudy.face.track.store import Track, TrackedFace
from understudy.inference.card import ModelCard, card_path, read_card, write_card
from understudy.inference.predictor import OUTPUTS, Predictor
from understudy.train.checkpoints import model_folder, store
from understudy.train.networks.autoencoder import Architecture, Comb

SIZE = 16


def landmarks(number: int) -> np.ndarray:
    """(68, 2) float32 pixels of a face that moves with the frame's number."""
    points = BASE.astype(np.float32)
    return (points - points.min(axis=0)) * np.float32(100 / np.ptp(points)) + np.float32(20 + number)


def make_model(folder: Path) -> None:
    """A model that predicts half of each face, with its card."""
    shapes = {"face": (3, SIZE, SIZE), "matte": (1, SIZE, SIZE), "landmarks": (68, 2)}
    kinds = ("face", "matte", "landmarks", "face", "matte")
    inputs, outputs = (
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shapes[kind]]) for name, kind in names]
        for names in ([(one, one) for one in ("face", "landmarks")], list(zip(OUTPUTS, kinds, strict=True)))
    )
    nodes = [
        helper.make_node("ReduceMean", ["face"], ["grey"], axes=[1], keepdims=1),
        *(helper.make_node("Mul", ["face", "half"], [name]) for name in (OUTPUTS[0], OUTPUTS[3])),
        *(helper.make_node("Mul", ["grey", "half"], [name]) for name in (OUTPUTS[1], OUTPUTS[4])),
        helper.make_node("Mul", ["landmarks", "half"], [OUTPUTS[2]]),
    ]
    graph = helper.make_graph(
        nodes, "swap", inputs, outputs, [numpy_helper.from_array(np.float32(0.5), "half")]
    )
    path = folder / "swap.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    facts = {"name": "fuzz", "size": SIZE, "coverage": "full", "source": "ann", "destination": "bert"}
    write_card(path, ModelCard(**facts, sha256=sha256_of(path), opset=17))


def damage_model(generator: random.Random, valid: Path, case: Path) -> None:
    """Damage the card, the file, or the file and the digest in its card, as whoever means harm would."""
    path = Path(shutil.copytree(valid, case, dirs_exist_ok=True)) / "swap.onnx"
    kind = generator.randrange(3)
    if kind == 0:
        document = json.loads(card_path(path).read_bytes())
        card_path(path).write_bytes(damaged_document(generator, document))
        return
    if kind == 1 or generator.random() < 0.3:
        path.write_bytes(damaged(generator, path.read_bytes(), path.read_bytes()))
    else:
        model = onnx.load(path)
        for _ in range(generator.choice([1, 1, 2, 3])):
            _damage_graph(generator, model.graph)
        path.write_bytes(model.SerializeToString())
    if kind == 2:
        write_card(path, read_card(path).model_copy(update={"sha256": sha256_of(path)}))


def _damage_graph(generator: random.Random, graph: onnx.GraphProto) -> None:
    """Change a valid graph as whoever knows the format would: another operator, giant shapes, odd axes."""
    node = generator.choice(graph.node)
    match generator.randrange(6):
        case 0:
            node.op_type = generator.choice(
                ["Loop", "If", "Scan", "MatMul", "Resize", "Expand", "Tile", "Nope"]
            )
        case 1:
            node.input[generator.randrange(len(node.input))] = generator.choice(["", "nothing", "landmarks"])
        case 2:
            name = generator.choice(["axes", "alpha", "perm", "value", "keepdims"])
            node.attribute.append(
                helper.make_attribute(name, generator.choice([-99, 2**62, 1e308, "x", [7, 7]]))
            )
        case 3:
            shape = generator.choice([*graph.input, *graph.output]).type.tensor_type.shape
            generator.choice(shape.dim).dim_value = generator.choice([0, -1, 1, 2**40, 68])
        case 4:
            giant = numpy_helper.from_array(
                np.array([generator.choice([2**33, 2**45, 7])], np.int64), "giant"
            )
            graph.initializer.append(giant)
            graph.node.insert(0, helper.make_node("ConstantOfShape", ["giant"], ["filled"]))
            graph.node.insert(1, helper.make_node("ReduceMean", ["filled"], ["grown"], keepdims=0))
            node.input[-1] = "grown"
        case _:
            generator.choice(graph.initializer).data_type = generator.choice([0, 2, 7, 8, 16, 99])


def read_model(case: Path) -> None:
    path = case / "swap.onnx"
    model = Predictor.open(path, device="cpu", threads=1, seconds=20)
    if model.card.sha256 != sha256_of(path):
        raise Undetected("the model is not the one of its card")
    size = model.card.size
    model.predict(np.full((1, size, size, 3), 0.5, np.float32), np.full((1, 68, 2), 8, np.float32))


def make_faceset(folder: Path) -> None:
    path = folder / "a.faceset"
    about = {"identity": "ann", "coverage": "full", "crop_size": SIZE, "detector": "known"}
    with FaceSet.create(path, **about) as faces:
        for number in range(3):
            record = FaceRecord(number, "plate", landmarks(number), np.eye(2, 3), 0.9, 0.5)
            faces.add(record, np.random.default_rng(number).random((SIZE, SIZE, 3), np.float32))
    (folder / "digests.json").write_text(json.dumps(_crops_of(path)))


def _crops_of(path: Path) -> dict[str, str]:
    """The pixels of each crop as text, by the digest that its row records."""
    with FaceSet.open(path) as faces:
        faces.require_crops()
        faces.digest()
        return {one.crop_sha256: faces.read_crop(one).tobytes().hex() for one in faces.records()}


def damage_faceset(generator: random.Random, valid: Path, case: Path) -> None:
    shutil.copytree(valid, case, dirs_exist_ok=True)
    crops = sorted((case / "a.faceset" / "crops").iterdir())
    one, other = generator.sample(crops, 2)
    match generator.randrange(4):
        case 0:
            one.write_bytes(other.read_bytes())
        case 1:
            one.write_bytes(damaged(generator, one.read_bytes(), other.read_bytes()))
        case _:
            damage_database(generator, case / "a.faceset" / "faces.sqlite")


def read_faceset(case: Path) -> None:
    known = json.loads((case / "digests.json").read_text())
    for digest, pixels in _crops_of(case / "a.faceset").items():
        if digest in known and pixels != known[digest]:
            raise Undetected("a crop is not the one of its row")


def make_bank(folder: Path) -> None:
    faces = [
        BankFace(
            align.template("full").astype(np.float32),
            np.random.default_rng(number).random((PREVIEW_SIZE, PREVIEW_SIZE, 3), np.float32),
            crops.encode(np.random.default_rng(number).random((SIZE, SIZE, 3), np.float32), SIZE),
        )
        for number in range(3)
    ]
    about = {"identity": "ann", "coverage": "full", "crop_size": SIZE, "detector": "known"}
    bank.write(folder / "a.skin", faces, **about, release_digest="")
    (folder / "digest.json").write_text(json.dumps(_content_of(folder / "a.skin")))


def _content_of(path: Path) -> list[str]:
    """The digest of a bank and of its crops' pixels."""
    read = bank.SkinBank.open(path)
    pixels = [hashlib.sha256(read.read_crop(index).tobytes()).hexdigest() for index in range(len(read))]
    return [read.digest, read.identity, read.coverage, *pixels]


def damage_bank(generator: random.Random, valid: Path, case: Path) -> None:
    shutil.copytree(valid, case, dirs_exist_ok=True)
    damage_database(generator, case / "a.skin")


def read_bank(case: Path) -> None:
    if _content_of(case / "a.skin") != json.loads((case / "digest.json").read_text()):
        raise Undetected("the bank is not the one that was written")


def make_track(folder: Path) -> None:
    faces = [
        TrackedFace(number, landmarks(number), 0.9, number == 2, (10.0, 10.0, 130.0, 130.0))
        for number in range(1, 5)
    ]
    several = {"hero": faces, "villain": faces[:2]}
    Track.create(folder / "a.track", plate="plate.%04d.exr", faces=several, detector="known")
    (folder / "rows.json").write_text(json.dumps(_rows_of(folder / "a.track")))


def _rows_of(path: Path) -> list[str]:
    track = Track.open(path)
    rows = [f"{track.plate} {track.detector}"]
    for name in track.faces:
        each = track.face(name).faces.items()
        rows += [f"{name} {number} {face.landmarks_digest} {face.by_hand}" for number, face in each]
    return rows


def _is_sealed(path: Path) -> bool:
    """Whether the valid track records a digest of its rows."""
    with closing(sqlite3.connect(path)) as connection:
        names = {str(row[0]) for row in connection.execute("SELECT key FROM about")}
    return any("digest" in name or "sha256" in name for name in names)


def damage_track(generator: random.Random, valid: Path, case: Path) -> None:
    shutil.copytree(valid, case, dirs_exist_ok=True)
    (case / "sealed").write_text(str(_is_sealed(case / "a.track")))
    damage_database(generator, case / "a.track")


def read_track(case: Path) -> None:
    known = json.loads((case / "rows.json").read_text())
    rows = _rows_of(case / "a.track")
    if rows != known and (case / "sealed").read_text() == "True":
        raise Undetected("the track is not the one that was written")


def network() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))


def make_checkpoint(folder: Path) -> None:
    trained = network()
    optimiser = torch.optim.Adam(trained.parameters())
    trained(torch.ones(1, 4)).sum().backward()
    optimiser.step()
    store.save(folder, iteration=7, network=trained, ema=trained, optimiser=optimiser, facts={"seconds": 1.0})
    description = model_folder.Description(
        "m", Architecture(32, 8, ("bert", "ann")), "full", {"ann": "a", "bert": "b"}, {"ann": ""}, "known"
    )
    model_folder.write(folder, description)


def damage_checkpoint(generator: random.Random, valid: Path, case: Path) -> None:
    shutil.copytree(valid, case, dirs_exist_ok=True)
    files = [case / "model.json", case / "model.json", *sorted((case / "00000007").iterdir())]
    path = generator.choice(files)
    if path.suffix == ".json":
        path.write_bytes(damaged_document(generator, json.loads(path.read_bytes())))
    else:
        path.write_bytes(damaged(generator, path.read_bytes(), files[-1].read_bytes()))


def read_checkpoint(case: Path) -> None:
    fresh, ema = network(), network()
    optimiser = torch.optim.Adam(fresh.parameters())
    for checkpoint in store.find(case):
        digests = {p.stem: sha256_of(p) for p in checkpoint.path.iterdir() if p.suffix == ".safetensors"}
        store.load(checkpoint, network=fresh, ema=ema, optimiser=optimiser)
        if store.read_state(checkpoint)["digests"] != digests:
            raise Undetected("a checkpoint's file is not the one of its digest")
        state = store.read_state(checkpoint)
        store.held_out_error(state), store.era(state)
    description = model_folder.read(case)
    if description is not None:
        Comb(description.architecture)


READERS = (
    Reader("onnx", make_model, damage_model, read_model, whole=True),
    Reader("faceset", make_faceset, damage_faceset, read_faceset, whole=True),
    Reader("bank", make_bank, damage_bank, read_bank, whole=True),
    Reader("track", make_track, damage_track, read_track),
    Reader("checkpoint", make_checkpoint, damage_checkpoint, read_checkpoint, whole=True),
)
