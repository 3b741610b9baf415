"""The runtimes behind the Predictor. A backend wraps a loaded model; batches and logits (rows, classes) are numpy.

Adding one is a class and a line in `BACKENDS`; a batch is what a reader makes, its keys are the names of the inputs.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from queue import Queue
from statistics import median
from threading import Lock
from typing import Any, Protocol

from toolkit import quiet
from toolkit.errors import ToolkitError
from toolkit.reading import first_token

Batch = dict[str, Any]
LONG = 64  # tokens
IN_PARTS = {"SNIPPETS_MODE": "DISABLE"}  # OpenVINO's attention; undocumented, so done without where it is refused
# Threads that are bound to their cores wait there for those that read.
ALWAYS = {"INFERENCE_PRECISION_HINT": "f32", "ENABLE_CPU_PINNING": False}
FIXED = 8  # lengths of a row alone that OpenVINO compiles a model for
SERVED = 4  # such rows at a time, a core each
WORTH_SHARING = 2e-3  # seconds of a row on one core, from which all on it may be quicker, for all their waiting
TRIES, PAUSE = 5, 2e-3  # by which that is found; seconds between requests
PIECE = 1600  # tokens that PyTorch runs at a time on a processor: what passes between layers stays in its cache


class Backend(Protocol):
    """A model ready to run."""

    @property
    def lanes(self) -> int:
        """Batches that are best run at a time."""

    def multiple(self, length: int, alone: bool) -> int:
        """What texts of this length are best padded to a multiple of, in one of many batches or alone."""

    def __call__(self, batch: Batch) -> Any:
        """Logits of one of many batches; may be called from `lanes` threads at a time."""

    def alone(self, batch: Batch) -> Any:
        """Logits of a batch that nothing else is run beside."""


class Torch:
    """A transformers model in its own precision."""

    lanes = 1

    def __init__(self, model: Any, device: str) -> None:
        self.model, self.device = model.to(device).eval(), device

    def __call__(self, batch: Batch) -> Any:
        import numpy as np

        rows, *sizes = next(iter(batch.values())).shape
        most = max(1, PIECE // sizes[0]) if self.device == "cpu" and "input_ids" in batch else rows
        pieces = [{name: values[at : at + most] for name, values in batch.items()} for at in range(0, rows, most)]
        return np.concatenate([self.run(piece) for piece in pieces])

    alone = __call__

    def run(self, batch: Batch) -> Any:
        import torch

        inputs = {name: torch.from_numpy(values).to(self.device) for name, values in batch.items()}
        with torch.inference_mode(), first_token.alone(self.model):
            return self.model(**inputs).logits.float().cpu().numpy()

    def multiple(self, length: int, alone: bool) -> int:
        return 2

    def gradient(self, batch: Batch, name: str, labels: Any) -> Any:
        """Of each row's cross-entropy by the input of this name, float32 in its shape; not of INT8 weights."""
        import torch

        inputs = {key: torch.from_numpy(values).to(self.device) for key, values in batch.items()}
        inputs[name].requires_grad_()
        with torch.enable_grad():
            loss = torch.nn.functional.cross_entropy(
                self.model(**inputs).logits.float(), torch.as_tensor(labels, device=self.device), reduction="sum"
            )
        return torch.autograd.grad(loss, inputs[name])[0].float().cpu().numpy()


class Inside(Torch):
    """A torch model's logits and, to the right of them, what its last linear layer reads of each row: its features.

    Where that layer runs on every token (decoders), those of the token whose answer the model takes.
    """

    def __init__(self, backend: Torch, head: Any) -> None:
        self.model, self.device, self.head = backend.model, backend.device, head

    def run(self, batch: Batch) -> Any:
        import numpy as np

        seen: list[Any] = []
        hook = self.head.register_forward_hook(lambda layer, read, said: seen.extend([read[0], said]))
        try:
            logits = super().run(batch)
        finally:
            hook.remove()
        features, said = (part.float().cpu().numpy() for part in seen)
        if features.ndim == 3:
            at = np.abs(said - logits[:, None]).sum(-1).argmin(1)
            features = features[np.arange(len(at)), at]
        return np.concatenate([logits, features], axis=1)


def inside(backend: Backend, classes: int) -> Backend | None:
    """The backend with features beside its logits; None where it does not show them."""
    if not isinstance(backend, Torch):
        return None
    layers = (m for m in backend.model.modules() if getattr(m, "out_features", None) == classes)
    *_, head = (None, *layers)
    return Inside(backend, head) if head is not None else None


class OpenVino:
    """An `openvino.Model` on the processor: a core for each of several batches, or all cores on one.

    Threads that share a batch wait for each other after each of its many small operations, so many batches take a core
    each. What is not INT8 stays in float32: OpenVINO's own choice on processors with AMX is bfloat16, whose rounding
    between the quantizers flips predictions (`scripts/bench/int8.py` shows how many).

    Its one kernel for the whole of attention ("snippets") is slow at lengths that 16 does not divide, and gains by less
    copying where texts are long. So of many batches those below `LONG` tokens run without it, at all even lengths
    (`scripts/bench/lengths.py`). Alone a batch has it: each operation more is one more to wait for.

    A row alone, as a server has it, is run by a model that is compiled for its length: planning anew at each change of
    length takes as long as the work itself. Each of these holds the weights once more, so they are few.
    """

    def __init__(self, model: Any, device: str) -> None:
        self.model, self.names = model, {port.get_any_name() for port in model.inputs}
        self.free: dict[tuple[str, bool], Queue[Any]] = {}
        self.fixed: dict[tuple[int, ...], Queue[Any]] = {}
        self.compiling = Lock()

    @property
    def lanes(self) -> int:
        return self._requests("THROUGHPUT", "input_ids" in self.names).maxsize

    def multiple(self, length: int, alone: bool) -> int:
        return 16 if alone or length >= LONG else 2

    def __call__(self, batch: Batch) -> Any:
        demand(self.names, batch)
        return _infer(self._requests("THROUGHPUT", "input_ids" in batch and batch["input_ids"].shape[1] < LONG), batch)

    def alone(self, batch: Batch) -> Any:
        demand(self.names, batch)
        return _infer(self._fixed(batch) or self._requests("LATENCY", False), batch)

    def _requests(self, hint: str, in_parts: bool) -> Queue[Any]:
        """For rows of any length; made when they are first asked for."""
        with self.compiling:
            if (hint, in_parts) not in self.free:
                compiled = _in_parts if in_parts else _compiled
                self.free[hint, in_parts] = compiled(self.model, {"PERFORMANCE_HINT": hint})
            return self.free[hint, in_parts]

    def _fixed(self, batch: Batch) -> Queue[Any] | None:
        """For one row of this length alone: of the first `FIXED` lengths that come."""
        shapes = {name: values.shape for name, values in batch.items()}
        rows, *_ = shape = next(iter(shapes.values()))
        with self.compiling:
            if shape not in self.fixed and rows == 1 and len(self.fixed) < FIXED:
                model = self.model.clone()
                model.reshape({name: list(sizes) for name, sizes in shapes.items()})
                cores = os.cpu_count() or 1
                served = min(cores, SERVED)
                compiled = _in_parts if _has_relu_between_products(model) else _compiled
                self.fixed[shape] = compiled(model, {"NUM_STREAMS": served, "INFERENCE_NUM_THREADS": served})
                if cores > 1 and (one := _seconds(self.fixed[shape], batch)) > WORTH_SHARING:
                    shared = compiled(model, {"PERFORMANCE_HINT": "LATENCY"})
                    if _seconds(shared, batch) < one:
                        self.fixed[shape] = shared
            return self.fixed.get(shape)


def scaling(model: Any, factor: Any, offset: Any) -> Any:
    """The same `openvino.Model` reading uint8 (images, height, width, channels), each channel scaled inside of it."""
    openvino = quiet.openvino()
    made = openvino.preprocess.PrePostProcessor(model.clone())
    port = made.input()
    port.tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    port.model().set_layout(openvino.Layout("NCHW"))
    steps = port.preprocess().convert_element_type(openvino.Type.f32)
    steps.mean((-offset / factor).tolist()).scale((1 / factor).tolist())
    return made.build()


def _in_parts(model: Any, settings: dict[str, Any]) -> Queue[Any]:
    """Without "snippets", where OpenVINO lets them be left out."""
    try:
        return _compiled(model, settings | IN_PARTS)
    except RuntimeError:
        return _compiled(model, settings)


def _has_relu_between_products(model: Any) -> bool:
    """Such as the head of DistilBERT: where shapes are fixed, OpenVINO 2026.4 has one kernel for all of it, which in
    INT8 gives wrong numbers at 256 neurons or fewer."""
    ahead = [node for node in model.get_ops() if node.get_type_name() == "Relu"]
    while ahead:
        for target in ahead.pop().output(0).get_target_inputs():
            node = target.get_node()
            if node.get_type_name() == "MatMul":
                return True
            if node.get_type_name() in ("FakeQuantize", "Convert", "Multiply", "Reshape"):
                ahead.append(node)
    return False


def _compiled(model: Any, settings: dict[str, Any]) -> Queue[Any]:
    """Requests that are free, as many as OpenVINO finds best."""
    compiled = quiet.openvino().Core().compile_model(model, "CPU", ALWAYS | settings)
    requests: Queue[Any] = Queue(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
    for _ in range(requests.maxsize):
        requests.put(compiled.create_infer_request())
    return requests


def _infer(free: Queue[Any], batch: Batch) -> Any:
    request = free.get()
    try:
        return request.infer(batch, share_inputs=True)[0].copy()
    finally:
        free.put(request)


def _seconds(free: Queue[Any], batch: Batch) -> float:
    """Of a run after a pause, when its threads sleep as they do between the rows of a server."""
    taken = []
    for _ in range(TRIES):
        time.sleep(PAUSE)
        started = time.perf_counter()
        _infer(free, batch)
        taken.append(time.perf_counter() - started)
    return median(taken)


class Onnx:
    """A `model.onnx` file in ONNX Runtime, on all cores.

    Raises:
        ToolkitError: onnxruntime is not installed, or does not load the model.
    """

    lanes = 1

    def __init__(self, model: Path, device: str) -> None:
        try:
            onnxruntime = quiet.onnxruntime()
        except ImportError as e:
            raise ToolkitError("ONNX Runtime is not installed", 'pip install "model-toolkit[onnx]"') from e
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        try:
            self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as e:  # its exceptions have no class in common but this
            what = " ".join(str(e).split())[:160]
            raise ToolkitError(f"{model} does not load in ONNX Runtime ({what})", "make it again") from e
        self.names = {port.name for port in self.session.get_inputs()}

    def __call__(self, batch: Batch) -> Any:
        demand(self.names, batch)
        return self.session.run(["logits"], batch)[0]

    alone = __call__

    def multiple(self, length: int, alone: bool) -> int:
        return 2


def demand(names: set[str], batch: Iterable[str]) -> None:
    """The inputs that a converted model was made for.

    Raises:
        ToolkitError: the batch has others.
    """
    given = set(batch)
    if names == given:
        return
    if "input_ids" in names & given:  # only the types of the tokens come and go
        one, two = "single texts", "pairs of texts"
        made, held = (two, one) if len(names) > len(given) else (one, two)
        raise ToolkitError(f"the model was quantized on {made}, the data holds {held}", "quantize it on such data")
    raise ToolkitError(
        f"the model reads {', '.join(sorted(names))}, the data gives {', '.join(sorted(given))}",
        "give a model for this data",
    )


BACKENDS: dict[str, Callable[[Any, str], Backend]] = {"torch": Torch, "openvino": OpenVino, "onnx": Onnx, "int8": Torch}
