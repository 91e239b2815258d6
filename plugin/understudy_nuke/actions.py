"""The buttons of the node and the menu: each catches what an artist can act on, and says it."""

from __future__ import annotations

import functools
import json
import os
import tempfile
import threading
from collections.abc import Callable
from typing import Any

import nuke

from understudy_host.client import Cancelled, Engines
from understudy_host.errors import HostError
from understudy_nuke import baking, panels, propagating, runs, tracking
from understudy_nuke import node as nodes

_PLUGIN = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# Training takes hours, and runs of one engine take their turn: bakes have an engine of their own.
workshop = Engines()
_PROPAGATE = "UnderstudyPropagate.gizmo"
GIZMOS = os.path.join(os.path.dirname(_PLUGIN), "gizmos")


def said(action: Callable[..., Any]) -> Callable[..., Any]:
    """Show what goes wrong as a message; without a window it is raised, so that a render fails loudly."""

    @functools.wraps(action)
    def guarded(*arguments: Any) -> Any:
        try:
            return action(*arguments)
        except HostError as error:
            if not nuke.GUI:
                raise
            nuke.message(str(error))
            return None

    return guarded


@said
def create() -> Any:
    """Paste a new Understudy node below what is selected."""
    return _pasted("Understudy.gizmo")


@said
def create_paint() -> Any:
    """Paste a node that puts paint on the aligned face back onto the plate."""
    return _pasted("UnderstudyPaint.gizmo")


@said
def create_propagate() -> Any:
    """Paste a node that carries painted keyframes to other frames."""
    return _pasted(_PROPAGATE)


@said
def propagate_result_of(node: Any) -> Any:
    """Paste such a node for an Understudy node: for its plate, and for paint on what it puts out."""
    with node.parent():  # a button of a group works inside of it
        made = _pasted(_PROPAGATE)
    for number, above in enumerate((node.input(0), None, None, node)):
        made.setInput(number, above)
    for name in ("track", "frames"):
        made.knob(name).setValue(node.knob(name).value())
    return made


def _pasted(name: str) -> Any:
    path = os.path.join(GIZMOS, name)
    if not os.path.isfile(path):
        raise HostError("The plugin's gizmos folder is not beside it.", path, "install the plugin again")
    nuke.nodePaste(path)
    return nuke.selectedNode()


@said
def bake(node: Any) -> threading.Thread | None:
    """Bake the node's frames; gives the thread that does it, where there is a window."""
    return baking.start(nuke, node)


@said
def bake_frame(node: Any) -> threading.Thread | None:
    """Bake the frame that is shown."""
    return baking.start(nuke, node, str(nuke.frame()))


@said
def preview(node: Any) -> threading.Thread | None:
    """Move the node's keyframes along by flow only, to look at."""
    return propagating.start(nuke, node, preview=True)


@said
def propagate(node: Any) -> threading.Thread | None:
    """Carry the node's keyframes to the frames round them."""
    return propagating.start(nuke, node, preview=False)


@said
def go_to_next(node: Any) -> None:
    """Show the frame that the node's last run would have painted next; again, and the one after it."""
    frame = propagating.next_frame(node, int(nuke.frame()))
    if frame is None:
        nuke.message("No frame asks to be painted.")
    else:
        nuke.frame(frame)


@said
def cancel(node: Any) -> None:
    """Stop what the node has the engine do."""
    if not runs.cancel(node):
        nuke.message(f"Nothing is being {nodes.kind_of(node).past} here.")


@said
def send_to_farm(node: Any) -> None:
    """Write the bake as a bundle that a farm can take, in a folder of the artist's choice."""
    bundle = panels.ask(nuke, "bundle", {"name": node.name()})
    if bundle is None:
        return
    job = baking.Bake(nuke, node).job
    folder = str(bundle.get("folder") or "")
    if not folder:
        raise HostError("The bundle has no folder.", node.fullName(), "name one in the panel")
    with tempfile.TemporaryDirectory() as scratch:
        document = os.path.join(scratch, "job.json")
        with open(document, "w", encoding="utf-8") as file:
            json.dump(job, file)
        runs.engines.get().run("bundle", {**bundle, "document": document})
    nuke.message(f"Written to {folder}.\nSubmit it with your farm's tool for Open Job Description bundles.")


@said
def track(node: Any) -> threading.Thread | None:
    """Find the face in the plate, and put the track into the node's knob."""
    known = {"plate": _plate_text(node)}
    return _run_asked("track", known, lambda job: node.knob("track").setValue(job["track"]))


@said
def extract(node: Any) -> threading.Thread | None:
    """Make a face set of a performer's footage."""
    return _run_asked("extract", {"plate": _plate_text(node)}, lambda job: None)


@said
def train(node: Any) -> threading.Thread | None:
    """Train a model of two face sets, export it, and put it into the node's knob."""

    def export(job: dict[str, Any]) -> None:
        node.knob("model").setValue(job["model"].rstrip("/\\") + "/export/swap_fp32.onnx")

    return _run_asked("train", {}, export, then="export")


@said
def make_tracker(node: Any) -> None:
    """Paste a Tracker of the face's landmarks."""
    tracking.make(nuke, node, "tracker")


@said
def make_corner_pin(node: Any) -> None:
    """Paste a CornerPin of the face's square."""
    tracking.make(nuke, node, "corner_pin")


@said
def make_transform(node: Any) -> None:
    """Paste a Transform of the head's movement."""
    tracking.make(nuke, node, "transform")


@said
def make_roto(node: Any) -> None:
    """Paste a Roto of the face's outline."""
    tracking.make(nuke, node, "roto")


@said
def take_corrections(node: Any) -> None:
    """Put what was moved in the selected Tracker into the track."""
    chosen = [one for one in nuke.selectedNodes() if one.Class() == "Tracker4"]
    count = tracking.take(node, chosen[0] if chosen else None)
    refresh(node)
    nuke.message(f"{count} frames of the track are now set by hand. Bake again to see them.")


@said
def doctor(node: Any) -> None:
    """Say which engine runs here."""
    engine = runs.engines.get()
    nuke.message(f"Understudy's engine {engine.version} runs here, process {engine.process_id}.")


def _plate_text(node: Any) -> str:
    above = node.input(0)
    return nuke.filename(above) if above is not None and above.Class() == "Read" else ""


def _run_asked(
    verb: str, known: dict[str, Any], done: Callable[[dict[str, Any]], None], then: str = ""
) -> threading.Thread | None:
    """Ask a verb's panel, run it in a thread with progress, and then a second verb on the same model."""
    job = panels.ask(nuke, verb, known)
    if job is None:
        return None
    telling = runs.Telling(nuke, f"Understudy {verb}")

    def work() -> None:
        try:
            workshop.get().run(verb, job, telling.on_event, telling.is_cancelled)
            if then:
                workshop.get().run(then, {"model": job["model"]}, telling.on_event, telling.is_cancelled)
            nuke.executeInMainThread(done, (job,))
        except Cancelled:
            nuke.tprint(f"Understudy: {verb} was cancelled; what is finished is kept.")
        except HostError as error:
            nuke.executeInMainThread(nuke.message, (str(error),))
        finally:
            telling.close()

    thread = threading.Thread(target=work, name=f"understudy-{verb}", daemon=True)
    thread.start()
    return thread


def autolabel() -> str | None:
    """The text on one of our nodes; None leaves other groups to whoever else labels them."""
    node = nuke.thisNode()
    return nodes.drawn_text(node, nuke.value("label")) if nodes.is_understudy(node) else None


def knob_changed() -> None:
    """Mark a node as stale when a knob moved that its files depend on; never makes them."""
    node, knob = nuke.thisNode(), nuke.thisKnob()
    if knob is None or not nodes.is_understudy(node):
        return
    fix = nodes.kind_of(node) is nodes.FIX
    if propagating.needs_run(knob.name()) if fix else nodes.needs_bake(knob.name(), node):
        refresh(node)


def refresh(node: Any) -> str:
    """Say on the node whether its files show what its knobs say; gives the state."""
    kind = nodes.kind_of(node)
    mark = str(node.knob(nodes.MARK).value() or "")
    state = kind.nothing
    if mark:
        try:
            state = (propagating if kind is nodes.FIX else baking).state(nuke, node, mark)
        except HostError:
            state = kind.stale  # a run would say what is missing
    nodes.show_state(node, state)
    return state
