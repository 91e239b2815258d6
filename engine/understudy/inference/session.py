"""An ONNX model on a device. The only user of onnxruntime.

Model files are untrusted: the size is bounded, the digest can be checked before anything is parsed, and a
file that keeps tensors in other files is refused, because its paths could name any file of the machine. What
a graph may hold and take is bounded by limits.py.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from understudy.core.errors import ModelError
from understudy.core.paths import is_special
from understudy.core.settings import PREDICTION_SECONDS
from understudy.inference import limits

# Protocol buffers end at 2 GiB; a longer file cannot be a model in one piece.
_LARGEST_FILE = 2**31 - 1

# Fastest first: `auto` takes the first that is installed and starts.
_PROVIDERS = {
    "tensorrt": "TensorrtExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
# The settings' name for Apple's device.
_ALIASES = {"mps": "coreml"}


def available_devices() -> tuple[str, ...]:
    """The devices that this onnxruntime was built for, fastest first."""
    built = onnxruntime.get_available_providers()
    return tuple(name for name, provider in _PROVIDERS.items() if provider in built)


class Session:
    """One ONNX model on one device.

    Attributes:
        path: The file.
        providers: Execution providers in use, first choice first.
        provider: The first of them.
        inputs: Shape of every input by name; None for an axis of any length.
        outputs: Likewise of the outputs.
        sha256: Digest of the file's bytes.
    """

    def __init__(
        self,
        path: Path,
        device: str = "auto",
        threads: int = 0,
        *,
        sha256: str = "",
        seconds: float = PREDICTION_SECONDS,
    ) -> None:
        """Read, check and load the model.

        Args:
            path: ONNX file, all tensors inside it.
            device: auto, cpu, cuda, tensorrt, coreml (or mps), directml. Anything but auto must start.
            threads: Threads of one run, 0 for all cores.
            sha256: Digest that the file must have, checked before it is parsed; empty accepts any.
            seconds: Limit of opening it, and of each run.

        Raises:
            ModelError: the file is missing, too large, damaged, not ONNX, refers to other files, holds loops
                or has another digest, the device does not exist, or the time is over.
        """
        self.path = Path(path)
        data = _read(self.path)
        self.sha256 = hashlib.sha256(data).hexdigest()
        if sha256 and self.sha256 != sha256:
            raise ModelError(
                "The model file is not the one its card describes.",
                where=self.path,
                fix="export the model again, or copy the .onnx file and its card together",
            )
        _check_graph(data, self.path)
        self._seconds = seconds
        self._session = limits.within(
            seconds, lambda: _start(data, self.path, device, threads), self.path, stop=lambda: None
        )
        self.providers: tuple[str, ...] = tuple(self._session.get_providers())
        self.inputs = _shapes(self._session.get_inputs())
        self.outputs = _shapes(self._session.get_outputs())

    @property
    def provider(self) -> str:
        """The execution provider that runs the model."""
        return self.providers[0]

    def run(self, only: Sequence[str] | None = None, /, **arrays: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Run the model once.

        Args:
            only: Outputs to return; all when left out.
            arrays: Every input by its name, in the model's dtype and shape.

        Returns:
            The outputs by name.

        Raises:
            ModelError: an input or output name is unknown, a shape or dtype does not fit, the run
                fails, or it takes longer than its limit.
        """
        names = list(self.outputs) if only is None else list(only)
        unknown = [name for name in names if name not in self.outputs]
        unknown += [name for name in arrays if name not in self.inputs]
        missing = [name for name in self.inputs if name not in arrays]
        if unknown or missing:
            raise ModelError(
                f"The model has no {', '.join(unknown)}." if unknown else f"It lacks {', '.join(missing)}.",
                where=self.path,
                fix=f"inputs are {', '.join(self.inputs)}; outputs are {', '.join(self.outputs)}",
            )
        options = onnxruntime.RunOptions()
        options.log_severity_level = 4
        feed = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        with _wrapped("The model failed on this input", self.path, "check the input's shape and type"):
            results = limits.within(
                self._seconds,
                lambda: self._session.run(names, feed, options),
                self.path,
                stop=lambda: setattr(options, "terminate", True),
            )
        return dict(zip(names, results, strict=True))


def _read(path: Path) -> bytes:
    try:
        if is_special(path):
            raise ModelError("A pipe or a device is not a model file.", where=path, fix="name an .onnx file")
        size = path.stat().st_size
        if size > _LARGEST_FILE:
            raise ModelError(f"The model file is {size} bytes, more than ONNX allows.", where=path)
        return path.read_bytes()
    except OSError as exc:
        raise ModelError(
            f"The model file cannot be read: {exc.strerror}.",
            where=path,
            fix="check the path to the .onnx file",
        ) from exc


def _check_graph(data: bytes, path: Path) -> None:
    """Refuse a graph that is not a model, reads other files, or can loop."""
    with _wrapped("The file is not a readable ONNX model", path, "export the model again"):
        model = onnx.load_model_from_string(data)
        external = any(
            tensor.external_data or tensor.data_location == onnx.TensorProto.EXTERNAL
            for tensor in _messages(model, "TensorProto")
        )
    if external:
        raise ModelError(
            "The model keeps tensors in other files, which is refused.",
            where=path,
            fix="export it as one file, without external data",
        )
    limits.refuse_control_flow(model, path)


def _messages(message: Any, kind: str) -> Iterator[Any]:
    """Every message of a kind inside a message, at any depth: graphs nest in attributes and functions."""
    pending = [message]
    while pending:
        one = pending.pop()
        if one.DESCRIPTOR.name == kind:
            yield one
            continue
        for field, value in one.ListFields():
            if field.message_type is not None:
                pending.extend([value] if hasattr(value, "DESCRIPTOR") else value)


def _start(data: bytes, path: Path, device: str, threads: int) -> Any:
    """A session on the given device; for auto, on the fastest device that starts."""
    wanted = _ALIASES.get(device, device)
    available = available_devices()
    if wanted != "auto" and wanted not in available:
        raise ModelError(
            f"There is no device {device!r}.",
            where=path,
            fix=f"use auto or one of {', '.join(available)}",
        )
    choices = list(available if wanted == "auto" else (wanted,))
    while True:
        providers = [_PROVIDERS[name] for name in choices]
        if providers[-1] != _PROVIDERS["cpu"]:
            providers.append(_PROVIDERS["cpu"])
        try:
            session = _open(data, path, providers, threads)
        except ModelError:
            if len(choices) == 1:
                raise
            choices.pop(0)
            continue
        if wanted not in ("auto", "cpu") and session.get_providers()[0] != _PROVIDERS[wanted]:
            raise ModelError(
                f"The device {device!r} did not start.",
                where=path,
                fix="run `understudy doctor`, or set the device to auto",
            )
        return session


def _open(data: bytes, path: Path, providers: list[str], threads: int) -> Any:
    if _PROVIDERS["cuda"] in providers and hasattr(onnxruntime, "preload_dlls"):
        # It prints the libraries that it misses; a worker's stdout carries messages.
        with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(Exception):
            onnxruntime.preload_dlls()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = max(0, threads)
    if limits.limit_memory(onnxruntime):
        options.add_session_config_entry("session.use_env_allocators", "1")
    with _wrapped("The model cannot be prepared", path, "export the model again, or set the device to cpu"):
        return onnxruntime.InferenceSession(data, options, providers=providers, enable_fallback=0)


def _shapes(arguments: Sequence[Any]) -> dict[str, tuple[int | None, ...]]:
    return {
        one.name: tuple(axis if isinstance(axis, int) else None for axis in one.shape) for one in arguments
    }


@contextlib.contextmanager
def _wrapped(what: str, where: Path, fix: str) -> Iterator[None]:
    """Turn what the libraries raise, which has no common base class, into a ModelError of one line."""
    try:
        yield
    except ModelError:
        raise
    except Exception as exc:
        reason = next(iter(str(exc).strip().splitlines()), type(exc).__name__)
        raise ModelError(f"{what}: {reason[:300]}", where=where, fix=fix) from exc
