"""Exported models: what opens, what is refused, and what a swap gives back."""

import hashlib
import json

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from understudy.core.errors import ModelError
from understudy.inference import session
from understudy.inference.card import ModelCard, card_path, read_card, write_card
from understudy.inference.predictor import OUTPUTS, Predictor
from understudy.inference.session import Session

SIZE = 16
NAMES = ["ada", "bo", "cy"]
LANDMARKS = helper.make_tensor_value_info("landmarks", TensorProto.FLOAT, ["N", 68, 2])


def value_info(name, *shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape])


def identity_nodes(index, names, count):
    """Nodes and weights of one identity: its face, matte and landmarks, by these names.

    Identity i returns scale·face + its landmarks' mean + i, and the matte of 0.25·i. Its landmarks are the
    plate's, moved by i / 8 of the edge from those of the last identity.
    """
    face, matte, points = names
    carried = np.float32((index - count + 1) / 8)
    weights = [
        numpy_helper.from_array(np.float32(index), f"shift_{index}"),
        numpy_helper.from_array(np.float32(0.25 * index), f"cover_{index}"),
        numpy_helper.from_array(carried, f"carried_{index}"),
    ]
    nodes = [
        helper.make_node("Add", ["landmarks", f"carried_{index}"], [points]),
        helper.make_node("ReduceMean", [points], [f"mean_{index}"], axes=[1, 2], keepdims=0),
        helper.make_node("Reshape", [f"mean_{index}", "one_a_face"], [f"middle_{index}"]),
        helper.make_node("Mul", ["face", "scale"], [f"scaled_{index}"]),
        helper.make_node("Add", [f"scaled_{index}", f"middle_{index}"], [f"moved_{index}"]),
        helper.make_node("Add", [f"moved_{index}", f"shift_{index}"], [face]),
        helper.make_node("Add", ["nothing", f"cover_{index}"], [matte]),
    ]
    return nodes, weights


def graph(identities, size=SIZE, scale=0.5):
    """A model of identities: for each its index and the names of its face, matte and landmarks."""
    weights = [
        numpy_helper.from_array(np.float32(scale), "scale"),
        numpy_helper.from_array(np.array([-1, 1, 1, 1], np.int64), "one_a_face"),
    ]
    nodes = [
        helper.make_node("ReduceMean", ["face"], ["grey"], axes=[1], keepdims=1),
        helper.make_node("Sub", ["grey", "grey"], ["nothing"]),
    ]
    outputs = []
    for index, names in identities.items():
        more_nodes, more_weights = identity_nodes(index, names, len(NAMES))
        nodes, weights = nodes + more_nodes, weights + more_weights
        shapes = (3, size, size), (1, size, size), (68, 2)
        outputs += [value_info(name, *shape) for name, shape in zip(names, shapes, strict=True)]
    built = helper.make_graph(nodes, "swap", [value_info("face", 3, size, size), LANDMARKS], outputs, weights)
    return helper.make_model(built, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def pair(**changes):
    """A model of version 2: bo for cy."""
    own = (OUTPUTS.reconstruction, OUTPUTS.destination_matte, "own_landmarks")
    return graph({1: OUTPUTS[:3], 2: own}, **changes)


def card_for(path, **changes):
    facts = {
        "name": "test", "size": SIZE, "coverage": "full", "source": "bo", "destination": "cy",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "opset": 17,
    }  # fmt: skip
    return ModelCard(**{**facts, **changes})


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "swap_fp32.onnx"
    file.write_bytes(pair().SerializeToString())
    write_card(file, card_for(file))
    return file


@pytest.fixture
def shared(tmp_path):
    """A file of version 1, with ada, bo and cy."""
    file = tmp_path / "shared.onnx"
    names = {index: (f"face_{index}", f"matte_{index}", f"landmarks_{index}") for index in range(len(NAMES))}
    file.write_bytes(graph(names).SerializeToString())
    write_card(file, card_for(file, schema_version=1, identities=NAMES))
    return file


def faces(count=2):
    return np.random.default_rng(0).random((count, SIZE, SIZE, 3)).astype(np.float32)


def landmarks(count=2, share=0.0):
    """All landmarks of every face at one share of its edge, in pixels."""
    return np.full((count, 68, 2), share * SIZE - 0.5, np.float32)


def test_landmarks_reach_the_model_as_shares_of_the_edge(shared):
    face = Predictor.open(shared).predict(faces(), landmarks(share=0.75), source="ada").face
    np.testing.assert_allclose(face, faces() * 0.5 + 0.75 - 0.25, rtol=1e-5)


@pytest.mark.parametrize("bad", [landmarks(1), landmarks()[:, :67], landmarks(share=np.nan)])
def test_landmarks_that_do_not_fit_are_refused(path, bad):
    with pytest.raises(ModelError, match="68 finite landmarks"):
        Predictor.open(path).predict(faces(), bad)


def test_a_swap_gives_the_face_and_both_mattes(shared):
    model = Predictor.open(shared, device="cpu", threads=1)
    face, cover, _, own, places, _ = model.predict(faces(), landmarks(), source="ada")
    np.testing.assert_allclose(face, faces() * 0.5 - 0.25, atol=1e-6)
    assert face.dtype == cover.dtype == own.dtype == np.float32
    assert cover.shape == own.shape == (2, SIZE, SIZE)
    assert (cover == 0).all() and (own == 0.5).all()
    np.testing.assert_allclose(places, landmarks() - SIZE / 4, atol=1e-4)


def test_the_card_names_the_source_when_the_caller_does_not(path):
    face, cover, *_ = Predictor.open(path).predict(faces(), landmarks())
    np.testing.assert_allclose(face, faces() * 0.5 + 1 - 0.125, rtol=1e-5)
    assert (cover == 0.25).all()


def test_the_destination_itself_and_no_faces_at_all_are_fine(shared):
    model = Predictor.open(shared)
    _, cover, _, own, *_ = model.predict(faces(1), landmarks(1), source="cy")
    assert np.array_equal(cover, own)
    assert [a.shape[0] for a in model.predict(faces(0), landmarks(0))[:5]] == [0] * 5


@pytest.mark.parametrize("mix", [0.0, 0.25, 1.0])
def test_mixed_identities_are_drawn_with_their_features_in_one_place(shared, mix):
    mixed = Predictor.open(shared).predict(faces(), landmarks(), source="ada", identity_mix=mix)
    # Ada is face/2 + landmarks and cy, who plays in the plate, face/2 + landmarks + 2; ada's lie 1/4 lower.
    wanted = faces() * 0.5 + 2 * (1 - mix) - 0.25 * mix
    np.testing.assert_allclose(mixed.face, wanted, atol=1e-5)
    np.testing.assert_allclose(mixed.matte, 0.5 * (1 - mix), atol=1e-6)
    np.testing.assert_allclose(mixed.reconstruction, faces() * 0.5 + 2, atol=1e-5)
    assert (mixed.destination_matte == 0.5).all()
    np.testing.assert_allclose(mixed.landmarks, landmarks() - mix * SIZE / 4, atol=1e-4)


@pytest.mark.parametrize("mix", [0.0, 0.25, 1.0])
def test_directed_landmarks_lead_the_new_face_and_nothing_of_the_plates_own(shared, mix):
    model, where = Predictor.open(shared), {"source": "ada", "identity_mix": mix}
    led = model.predict(faces(), landmarks(), directed=landmarks(share=0.5), **where)
    there = model.predict(faces(), landmarks(share=0.5), **where)
    for name in ("face", "matte", "landmarks"):
        np.testing.assert_allclose(getattr(led, name), getattr(there, name), atol=1e-5)
    plates = model.predict(faces(), landmarks(), **where)
    np.testing.assert_array_equal(led.reconstruction, plates.reconstruction)
    np.testing.assert_array_equal(led.destination_matte, plates.destination_matte)
    assert (led.following_matte == 0).all() and plates.following_matte is None, "ada's matte"


@pytest.mark.parametrize("mix", [0.25, 1.0])
@pytest.mark.parametrize("acts", [False, True])
def test_a_part_of_the_shape_moves_the_landmarks_by_that_part(shared, mix, acts):
    """Ada's features lie a quarter of the edge above those of cy, who plays in the plate."""
    model, where = Predictor.open(shared), {"source": "ada", "identity_mix": mix}
    shape = np.repeat(np.asarray([0.0, 0.6, 1.0], np.float32), (20, 20, 28))
    directed = landmarks(share=0.5) if acts else None
    made = model.predict(faces(), landmarks(), directed=directed, shape=shape, **where)
    wanted = landmarks(share=0.5 if acts else 0.0) - mix * shape[:, None] * SIZE / 4
    np.testing.assert_allclose(made.landmarks, wanted, atol=1e-4)
    plates = model.predict(faces(), landmarks(), **where)
    np.testing.assert_array_equal(made.reconstruction, plates.reconstruction)
    np.testing.assert_allclose(
        model.predict(faces(), landmarks(), shape=np.ones(68, np.float32), **where).face,
        plates.face,
        atol=1e-5,
    )


def test_directed_landmarks_that_do_not_fit_are_refused(path):
    with pytest.raises(ModelError, match="68 finite landmarks"):
        Predictor.open(path).predict(faces(), landmarks(), directed=landmarks(count=1))


def test_a_broken_pixel_spoils_no_swap(path):
    broken = faces()
    broken[0, 3, 3] = (np.nan, np.inf, -np.inf)
    face = Predictor.open(path).predict(broken, landmarks()).face
    np.testing.assert_allclose(face[0, 3, 3], [1 - 0.125, 1.5 - 0.125, 1 - 0.125])


def test_an_unknown_identity_lists_the_known_ones(shared):
    with pytest.raises(ModelError, match="not 'dee'") as caught:
        Predictor.open(shared).predict(faces(), landmarks(), source="dee")
    assert "ada, bo, cy" in caught.value.fix


@pytest.mark.parametrize("shape", [(SIZE, SIZE, 3), (1, 8, 8, 3), (1, SIZE, SIZE, 4), (1, 3, SIZE, SIZE)])
def test_a_face_of_another_shape_is_refused(path, shape):
    with pytest.raises(ModelError, match="takes faces of shape"):
        Predictor.open(path).predict(np.zeros(shape, np.float32), landmarks())


def test_an_answer_that_is_not_finite_is_an_error(tmp_path):
    file = tmp_path / "swap.onnx"
    file.write_bytes(pair(scale=np.inf).SerializeToString())
    write_card(file, card_for(file))
    with pytest.raises(ModelError, match="predicted_face is not finite"):
        Predictor.open(file).predict(faces(), landmarks())


def test_any_flipped_byte_is_found(path):
    data = path.read_bytes()
    for at in range(0, len(data), 97):
        damaged = bytearray(data)
        damaged[at] ^= 0x40
        path.write_bytes(damaged)
        with pytest.raises(ModelError, match="not the one its card describes"):
            Predictor.open(path)


@pytest.mark.parametrize(
    "change", [lambda d: d[: len(d) // 2], lambda d: b"", lambda d: b"not a model\n" * 40]
)
def test_a_damaged_file_without_a_card_is_an_error_too(path, change):
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ModelError) as caught:
        Session(path)
    assert caught.value.fix and caught.value.where == str(path)


def test_a_missing_file_and_a_folder_are_errors(path):
    with pytest.raises(ModelError, match="cannot be read"):
        Session(path.with_name("other.onnx"))
    with pytest.raises(ModelError, match="cannot be read"):
        Session(path.parent)


def test_a_file_too_large_is_not_even_read(path, monkeypatch):
    monkeypatch.setattr(session, "_LARGEST_FILE", 100)
    with pytest.raises(ModelError, match="more than ONNX allows"):
        Session(path)


def external(tensor):
    tensor.data_location = TensorProto.EXTERNAL
    tensor.ClearField("raw_data")
    for key, value in (("location", "/etc/passwd"), ("length", "4")):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    return tensor


@pytest.mark.parametrize("nested", [False, True])
def test_a_model_that_points_at_other_files_is_refused(tmp_path, nested):
    model = pair()
    if nested:
        hidden = external(numpy_helper.from_array(np.float32(1), "hidden"))
        inner = helper.make_graph([helper.make_node("Constant", [], ["out"], value=hidden)], "inner", [], [])
        node = model.graph.node.add()
        node.op_type = "If"
        node.attribute.append(helper.make_attribute("then_branch", inner))
    else:
        external(model.graph.initializer[0])
    file = tmp_path / "swap.onnx"
    file.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="tensors in other files"):
        Session(file)


def test_a_session_says_what_it_runs_on_and_what_it_takes(path):
    opened = Session(path, "auto", 2)
    assert opened.provider == opened.providers[0]
    assert opened.provider in onnxruntime.get_available_providers()
    assert opened.inputs == {"face": (None, 3, SIZE, SIZE), "landmarks": (None, 68, 2)}
    assert list(opened.outputs)[:2] == ["predicted_face", "predicted_matte"]


def test_auto_passes_over_a_provider_that_does_not_start(path, monkeypatch):
    monkeypatch.setattr(session, "available_devices", lambda: ("tensorrt", "cuda", "cpu"))
    real, tried = session.onnxruntime.InferenceSession, []

    def start(data, options, providers, **more):
        tried.append(providers[0])
        if providers[0] != "CPUExecutionProvider":
            raise RuntimeError("no such library")
        return real(data, options, providers=providers, **more)

    monkeypatch.setattr(session.onnxruntime, "InferenceSession", start)
    assert Session(path).provider == "CPUExecutionProvider"
    assert tried == ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
    with pytest.raises(ModelError, match="no such library"):
        Session(path, "cuda")


def test_a_device_that_is_not_there_is_an_error_that_lists_those_that_are(path, monkeypatch):
    monkeypatch.setattr(session, "available_devices", lambda: ("cpu",))
    for device in ("cuda", "mps", "abacus"):
        with pytest.raises(ModelError, match=f"no device '{device}'") as caught:
            Session(path, device)
        assert "cpu" in caught.value.fix


def test_a_run_checks_names_shapes_and_types(path):
    opened = Session(path)
    good = np.zeros((1, 3, SIZE, SIZE), np.float32)
    points = np.zeros((1, 68, 2), np.float32)
    assert list(opened.run(["reconstruction"], face=good, landmarks=points)) == ["reconstruction"]
    assert len(opened.run(face=good, landmarks=points)) == 6
    for only, arrays in [
        (["nose"], {"face": good, "landmarks": points}),
        (None, {"mouth": good, "landmarks": points}),
        (None, {}),
        (None, {"face": good}),
        (None, {"face": good[:, :2], "landmarks": points}),
        (None, {"face": good.astype(np.float64), "landmarks": points}),
    ]:
        with pytest.raises(ModelError):
            opened.run(only, **arrays)


def test_nothing_is_printed(path, capfd):
    Predictor.open(path).predict(faces(), landmarks())
    with pytest.raises(ModelError):
        Session(path).run(face=np.zeros((1, 2, 2, 2), np.float32), landmarks=landmarks())
    path.write_bytes(b"\x08\x09garbage" * 10)
    with pytest.raises(ModelError):
        Session(path)
    assert capfd.readouterr() == ("", "")


def test_threads_do_not_change_the_answer(path):
    first, second = (
        Predictor.open(path, device="cpu", threads=n).predict(faces(), landmarks())[0] for n in (1, 2)
    )
    assert np.array_equal(first, second)


def test_a_card_lies_beside_its_model_and_reads_back(path):
    assert card_path(path).name == "swap_fp32.card.json"
    card = card_for(path, training={"loss": 0.1}, releases={"ada": "00ff"}, parity=1e-5, iterations=7)
    assert write_card(path, card) == card_path(path)
    assert read_card(path) == card
    assert [p.name for p in path.parent.iterdir() if "partial" in p.name] == []


def test_a_card_of_a_later_version_says_so(path):
    document = json.loads(card_path(path).read_text())
    card_path(path).write_text(json.dumps({**document, "schema_version": 3, "aura": True}))
    with pytest.raises(ModelError, match="written by a newer version") as caught:
        Predictor.open(path)
    assert "update Understudy" in caught.value.fix


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"schema_version": 1}',
        "[" * 100_000,
        "\x00\xff",
        '{"schema_version": "x"}',
        " " * 2**21,
    ],
)
def test_a_damaged_card_is_an_error(path, text):
    card_path(path).write_text(text)
    with pytest.raises(ModelError):
        read_card(path)


@pytest.mark.parametrize(
    "change",
    [
        {"size": 0},
        {"coverage": "all"},
        {"identities": ["bo", "cy"]},
        {"schema_version": 1},
        {"schema_version": 1, "identities": []},
        {"schema_version": 1, "identities": ["bo", "bo", "cy"]},
        {"schema_version": 1, "identities": ["ada", "cy"]},
        {"sha256": "../x"},
        {"parity": "NaN"},
        {"colour": 1},
    ],
)
def test_a_card_with_a_wrong_fact_is_an_error(path, change):
    document = json.loads(card_path(path).read_text())
    card_path(path).write_text(json.dumps({**document, **change}))
    with pytest.raises(ModelError, match="not valid"):
        read_card(path)


def test_a_model_without_a_card_says_so(path):
    card_path(path).unlink()
    with pytest.raises(ModelError, match="has no card"):
        Predictor.open(path)


@pytest.mark.parametrize("change", [{"size": 32}, {"schema_version": 1, "identities": NAMES}])
def test_a_card_that_does_not_fit_the_graph_is_refused(path, change):
    write_card(path, card_for(path, **change))
    with pytest.raises(ModelError):
        Predictor.open(path)


def test_a_half_precision_model_keeps_its_interface(tmp_path):
    """A file of version 1 of one identity, which is its own destination."""
    halves = [helper.make_node("Cast", ["face"], ["small"], to=TensorProto.FLOAT16)]
    halves += [helper.make_node("Cast", ["small"], ["face_0"], to=TensorProto.FLOAT)]
    halves += [helper.make_node("ReduceMean", ["face"], ["matte_0"], axes=[1], keepdims=1)]
    halves += [helper.make_node("Identity", ["landmarks"], ["landmarks_0"])]
    infos = [value_info(name, count, SIZE, SIZE) for name, count in (("face_0", 3), ("matte_0", 1))]
    infos.append(value_info("landmarks_0", 68, 2))
    built = helper.make_graph(halves, "swap", [value_info("face", 3, SIZE, SIZE), LANDMARKS], infos)
    file = tmp_path / "swap_fp16.onnx"
    onnx.save(helper.make_model(built, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), file)
    facts = {"source": "ada", "destination": "ada", "precision": "fp16"}
    write_card(file, card_for(file, schema_version=1, identities=["ada"], **facts))
    face = Predictor.open(file).predict(faces(), landmarks()).face
    assert face.dtype == np.float32
    np.testing.assert_allclose(face, faces(), atol=1e-3)


@pytest.mark.parametrize("mix", [0.25, 1.0])
def test_both_versions_predict_the_same_bits(path, shared, mix):
    one, other = (
        Predictor.open(file).predict(faces(), landmarks(), identity_mix=mix) for file in (path, shared)
    )
    for field, value in one._asdict().items():
        np.testing.assert_array_equal(value, getattr(other, field), err_msg=field)


def test_a_card_without_a_version_is_of_version_1(shared):
    document = json.loads(card_path(shared).read_text())
    del document["schema_version"]
    card_path(shared).write_text(json.dumps(document))
    assert Predictor.open(shared).card.sources == tuple(NAMES)


def test_a_source_that_the_file_lacks_names_the_file_that_has_it(path, tmp_path):
    predictor = Predictor.open(path)
    predictor.require_source("bo")
    with pytest.raises(ModelError, match="predicts 'bo' for 'cy', and not 'ada'") as caught:
        predictor.predict(faces(), landmarks(), source="ada")
    assert caught.value.fix.startswith("export it: understudy export --model FOLDER.model --source 'ada'")
    other = tmp_path / "swap_ada.onnx"
    other.write_bytes(path.read_bytes())
    write_card(other, card_for(other, source="ada"))
    (tmp_path / "a_damaged.onnx").touch()
    with pytest.raises(ModelError) as caught:
        predictor.require_source("ada")
    assert caught.value.fix == f"set the model to {other}"
