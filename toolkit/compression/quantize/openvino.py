"""OpenVINO graphs, quantized by NNCF."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from toolkit import console, quiet
from toolkit.compression.quantize.tracing import DYNAMIC, TEXT_AXES, Logits, example, traceable
from toolkit.evaluation import metrics

GROUP = 64  # INT4 weights that share a scale
LAYERS = ("MatMul", "Convolution", "GroupConvolution", "Gather")  # what has weights
RANKED = 300  # batches by which layers are ranked


def convert(model: Any, batch: dict[str, Any]) -> Any:
    """A transformers classifier as an `openvino.Model` with dynamic batch (and length, of texts).

    Args:
        batch: inputs as the reader makes them; only names and shapes count.

    Raises:
        ToolkitError: OpenVINO has no form for one of its operators.
    """
    openvino = quiet.openvino()
    inputs = example(batch)
    with traceable(model, "OpenVINO"):
        graph = openvino.convert_model(Logits(model, list(inputs)).eval(), example_input=tuple(inputs.values()))
        for port, (name, values) in zip(graph.inputs, inputs.items(), strict=True):
            axes = DYNAMIC.get(name, TEXT_AXES)
            port.get_node().set_friendly_name(name)
            port.get_tensor().set_names({name})
            port.get_node().set_partial_shape(
                openvino.PartialShape([-1 if i in axes else size for i, size in enumerate(values.shape)])
            )
            port.get_node().set_element_type(openvino.Type.f32 if values.is_floating_point() else openvino.Type.i64)
        graph.outputs[0].get_tensor().set_names({"logits"})
        graph.validate_nodes_and_infer_types()  # some operators are refused here only
    return graph


def static(model: Any, batches: list[dict[str, Any]], smooth_quant: float | None = None) -> Any:
    """INT8 weights and activations, their ranges taken from `batches` (Krishnamoorthi, 2018).

    What rounding shifts on average in a layer's output is taken from its bias (Nagel et al., 2019). Without attention
    NNCF does so layer after layer, each measured behind those that are corrected already: in convolutions that are
    corrected all at once, what is left adds up.

    Args:
        smooth_quant: how much of the activations' range moves to the weights (SmoothQuant's alpha, Xiao et al., 2023);
            -1: none; None: NNCF's 0.95 of matrix products.
    """
    nncf = quiet.nncf()
    console.note(f"calibrating on {len(batches)} rows")
    with contextlib.redirect_stdout(io.StringIO()):  # its progress bars would go where the result goes
        return nncf.quantize(
            convert(model, batches[0]),
            nncf.Dataset(batches),
            fast_bias_correction=_attends(model),
            advanced_parameters=smoothing(smooth_quant),
            **settings(model, batches),
        )


def static_within(
    model: Any,
    batches: list[dict[str, Any]],
    chosen: Sequence[tuple[dict[str, Any], Any]],
    max_drop: float,
    smooth_quant: float | None = None,
) -> Any:
    """The same, but layers stay in float until no more than `max_drop` of the accuracy is lost on `chosen`.

    Layers are ranked by what quantizing each alone of them does to the logits, and given back worst first: without
    SmoothQuant, since NNCF (3.4) gives them the weights that they had before it and leaves their inputs scaled.

    Args:
        chosen: batches with the labels of their rows, as `metrics.coded` gives them; their accuracy is fitted to, so
            report it on others.
    """
    nncf = quiet.nncf()

    def accuracy(compiled: Any, items: Iterable[tuple[dict[str, Any], Any]]) -> tuple[float, None]:
        right = [metrics.agree(_predicted(compiled(batch)[0], labels.ndim > 1), labels) for batch, labels in items]
        return float(np.concatenate(right).mean()), None

    if _attends(model) and smooth_quant != -1:
        core, whole = quiet.openvino().Core(), static(model, batches, smooth_quant)
        before, after = (
            accuracy(core.compile_model(graph, "CPU"), chosen)[0] for graph in (convert(model, batches[0]), whole)
        )
        if before - after <= max_drop:
            return whole
        console.note("more is lost: layers are given back, and none has SmoothQuant")
    console.note(f"calibrating on {len(batches)} rows, choosing layers on {sum(len(y) for _, y in chosen)}")
    with contextlib.redirect_stdout(io.StringIO()):
        return nncf.quantize_with_accuracy_control(
            convert(model, batches[0]),
            nncf.Dataset(batches),
            nncf.Dataset(chosen, lambda item: item[0]),
            accuracy,
            max_drop=max_drop,
            fast_bias_correction=_attends(model),
            advanced_accuracy_restorer_parameters=nncf.AdvancedAccuracyRestorerParameters(ranking_subset_size=RANKED),
            advanced_quantization_parameters=smoothing(-1),
            **settings(model, batches),
        )


def _predicted(logits: Any, several: bool) -> Any:
    return metrics.predicted(metrics.sigmoid(logits) if several else logits, several)


def weights(model: Any, batches: list[dict[str, Any]], bits: int) -> Any:
    """INT8 or INT4 weights, embeddings too; what is computed stays in float."""
    nncf = quiet.nncf()
    graph = convert(model, batches[0])
    with contextlib.redirect_stdout(io.StringIO()):
        if bits == 8:
            return nncf.compress_weights(graph, mode=nncf.CompressWeightsMode.INT8_ASYM)
        return nncf.compress_weights(
            graph,
            mode=nncf.CompressWeightsMode.INT4_ASYM,
            group_size=GROUP,
            all_layers=True,
            dataset=nncf.Dataset(batches),
            scale_estimation=True,
            subset_size=len(batches),
            advanced_parameters=nncf.AdvancedCompressionParameters(
                group_size_fallback_mode=nncf.GroupSizeFallbackMode.ADJUST  # of widths that GROUP does not divide
            ),
        )


def float_layers(graph: Any) -> list[str]:
    """Names of the layers whose weights are floating-point numbers still."""
    return sorted(
        node.get_friendly_name()
        for node in graph.get_ops()
        if node.get_type_name() in LAYERS
        and any(_is_float(port.get_source_output().get_node()) for port in node.inputs())
    )


def _is_float(node: Any) -> bool:
    """Whether a layer's input is a matrix of float constants."""
    return (
        node.get_type_name() == "Constant" and node.get_element_type().is_real() and len(node.get_output_shape(0)) > 1
    )


def settings(model: Any, batches: list[dict[str, Any]]) -> dict[str, Any]:
    """What NNCF is told of every model."""
    nncf = quiet.nncf()
    return {"subset_size": len(batches), "model_type": nncf.ModelType.TRANSFORMER if _attends(model) else None}


def _attends(model: Any) -> bool:
    return bool(getattr(model.config, "num_attention_heads", None))


def smoothing(alpha: float | None) -> Any:
    """NNCF's parameters with SmoothQuant's alpha of matrix products; None: as NNCF has it."""
    nncf = quiet.nncf()
    given = {} if alpha is None else {"matmul": alpha}
    return nncf.AdvancedQuantizationParameters(smooth_quant_alphas=nncf.AdvancedSmoothQuantParameters(**given))
