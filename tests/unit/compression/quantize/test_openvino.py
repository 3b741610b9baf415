import io
import sys

import nncf
import numpy as np
import pytest
import torch
from tiny_models import IMAGE, SMALL, TEXT, alone, batch, make
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    EfficientNetConfig,
    EfficientNetForImageClassification,
    ResNetConfig,
    ResNetForImageClassification,
)

from toolkit.compression.quantize import openvino
from toolkit.errors import ToolkitError
from toolkit.evaluation import metrics
from toolkit.inference.backends import BACKENDS


def answers(graph, rows):
    return BACKENDS["openvino"](graph, "cpu")(rows)


@pytest.mark.parametrize("kind", TEXT | IMAGE)
def test_openvino_answers_as_torch_does_and_int8_nearly_so(kind, capsys):
    model, rows = make(kind), batch(kind)
    expected = BACKENDS["torch"](model, "cpu")(rows)
    assert np.allclose(answers(openvino.convert(model, rows), rows), expected, atol=1e-3)
    graph = openvino.static(model, alone(rows))
    assert np.abs(answers(graph, rows) - expected).mean() < 0.1 * np.abs(expected).mean()
    assert openvino.float_layers(graph) == []
    assert capsys.readouterr().out == ""  # stdout carries the result alone
    assert not isinstance(sys.stdout, io.StringIO)


def test_roundings_do_not_add_up_over_convolutions():
    """What they shift on average in the logits is less than half of that with each layer corrected for itself."""
    sizes = {"embedding_size": 16, "hidden_sizes": [16, 32], "depths": [2, 2], "layer_type": "basic"}
    shifts = []
    for seed in range(3):
        torch.manual_seed(seed)
        model = ResNetForImageClassification(ResNetConfig(**sizes, num_labels=3)).train()
        pixels = torch.randn(64, 3, 32, 32)
        with torch.inference_mode():
            for _ in range(10):  # batch norms learn what they see
                model(pixels)
        model.eval().classifier[1].weight.data *= 20
        each, rows = [{"pixel_values": row.numpy()} for row in pixels.split(1)], {"pixel_values": pixels.numpy()}
        expected = BACKENDS["torch"](model, "cpu")(rows)
        for_itself = nncf.quantize(openvino.convert(model, each[0]), nncf.Dataset(each), subset_size=len(each))
        graphs = (openvino.static(model, each), for_itself)
        shifts.append([np.abs((answers(graph, rows) - expected).mean(0)).mean() for graph in graphs])
    ours, other = np.sum(shifts, axis=0)
    assert ours < 0.5 * other


@pytest.mark.parametrize(("kind", "alone"), [("bert", 4), ("roberta", 4), ("vit", 0)])
def test_the_last_layer_of_a_text_classifier_is_for_the_first_token_alone(kind, alone):
    """Its query, attention's output and both feed-forward products; keys and values are of all tokens."""
    rows = batch(kind)
    graph = openvino.convert(make(kind), rows)
    graph.reshape({port: values.shape for port, values in zip(graph.inputs, rows.values(), strict=True)})
    shapes = [list(node.get_output_shape(0)) for node in graph.get_ops() if node.get_type_name() == "MatMul"]
    assert sum(len(shape) == 3 and shape[1] == 1 for shape in shapes) == alone


@pytest.mark.parametrize("bits", [8, 4])
def test_weights_alone_take_as_many_bits(bits):
    model, rows = make("bert"), batch("bert")
    graph = openvino.weights(model, alone(rows), bits)
    expected = BACKENDS["torch"](model, "cpu")(rows)
    assert np.abs(answers(graph, rows) - expected).mean() < (0.02 if bits == 8 else 0.3) * np.abs(expected).mean()
    constants = [node for node in graph.get_ops() if node.get_type_name() == "Constant"]
    large = [node for node in constants if np.prod(node.get_output_shape(0)) >= 64 * 64]
    assert {node.get_element_type().bitwidth for node in large} == {bits}


def with_a_loud_neuron():
    model = make("bert")
    for layer in model.bert.encoder.layer:
        layer.intermediate.dense.weight.data[0] *= 300
    return model


def with_a_loud_channel():
    """What reads the channel takes it as much more softly, so that the float answers are as before."""
    model = make("resnet")
    for stage in model.resnet.encoder.stages:
        loud, reads = stage.layers[0].layer
        loud.normalization.weight.data[0] *= 1000
        loud.normalization.bias.data[0] *= 1000
        reads.convolution.weight.data[:, 0] /= 1000
    model.classifier[1].bias.data -= torch.from_numpy(BACKENDS["torch"](model, "cpu")(batch("resnet")).mean(0))
    return model


@pytest.mark.parametrize(("kind", "loud"), [("bert", with_a_loud_neuron), ("resnet", with_a_loud_channel)])
def test_layers_stay_in_float_where_they_cost_accuracy(kind, loud):
    """One neuron's activations are hundreds of times the others', which one range cannot carry."""
    model, rows = loud(), batch(kind)
    labels = BACKENDS["torch"](model, "cpu")(rows).argmax(1)
    chosen = [(row, labels[i : i + 1]) for i, row in enumerate(alone(rows))]
    lost = (answers(openvino.static(model, alone(rows), -1), rows).argmax(1) != labels).mean()
    graph = openvino.static_within(model, alone(rows), chosen, 0.0, -1)
    assert lost > 0
    assert openvino.float_layers(graph)
    assert (answers(graph, rows).argmax(1) == labels).all()


def test_no_layer_stays_in_float_where_smoothquant_is_enough():
    model, rows = with_a_loud_neuron(), batch("bert")
    labels = BACKENDS["torch"](model, "cpu")(rows).argmax(1)
    chosen = [(row, labels[i : i + 1]) for i, row in enumerate(alone(rows))]
    graph = openvino.static_within(model, alone(rows), chosen, 0.0)
    assert openvino.float_layers(graph) == []
    assert np.array_equal(answers(graph, rows), answers(openvino.static(model, alone(rows)), rows))


def test_layers_that_are_given_back_read_what_they_did_before(monkeypatch):
    """SmoothQuant has scaled it for the weights in INT8."""
    model, rows = make("bert"), batch("bert")
    expected = BACKENDS["torch"](model, "cpu")(rows)
    monkeypatch.setattr(openvino, "_predicted", lambda logits, several: logits)
    monkeypatch.setattr(metrics, "agree", lambda logits, row: 1 - abs(logits - expected[row]).max(1))
    chosen = [(row, np.array([i])) for i, row in enumerate(alone(rows))]
    graph = openvino.static_within(model, alone(rows), chosen, 0.001)
    assert openvino.float_layers(graph)
    assert np.allclose(answers(graph, rows), expected, atol=5e-3)


def test_outliers_of_activations_move_to_the_weights_unless_this_is_left_out():
    """One channel that all tokens carry is twenty times the others', and what reads it takes it as much more softly."""
    model, rows = make("bert"), batch("bert")
    del model.bert.encoder.layer[1:]
    model.bert.encoder.layer[0].attention.output.LayerNorm.weight.data[0] *= 20
    model.bert.encoder.layer[0].intermediate.dense.weight.data[:, 0] /= 20
    expected = BACKENDS["torch"](model, "cpu")(rows)
    smoothed, plain = (
        np.abs(answers(openvino.static(model, alone(rows)[:4], alpha), rows) - expected).mean() for alpha in (None, -1)
    )
    assert smoothed < 0.5 * plain


def test_openvino_takes_the_types_of_pairs():
    torch.manual_seed(0)
    model = BertForSequenceClassification(BertConfig(**SMALL)).eval()
    model.bert.embeddings.token_type_embeddings.weight.data *= 50
    model.classifier.weight.data *= 20
    ids = np.random.default_rng(0).integers(5, 80, (4, 12))
    types = (np.arange(12) > 5).astype(np.int64)[None].repeat(4, 0)
    rows = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": types}
    converted = BACKENDS["openvino"](openvino.convert(model, rows), "cpu")
    expected = BACKENDS["torch"](model, "cpu")(rows)
    assert np.allclose(converted(rows), expected, atol=1e-3)
    assert not np.allclose(converted(rows | {"token_type_ids": 0 * types}), expected, atol=1e-2)
    with pytest.raises(ToolkitError, match="quantized on pairs of texts, the data holds single texts"):
        converted({name: rows[name] for name in ("input_ids", "attention_mask")})


def test_an_operator_that_cannot_be_converted_is_named(monkeypatch):
    model, rows = make("bert"), batch("bert")
    head = model.classifier.forward
    monkeypatch.setattr(model.classifier, "forward", lambda x: head(x) + torch.linalg.svdvals(x @ x.T).sum())
    with pytest.raises(ToolkitError, match=r"operator aten::linalg_svdvals.*use --backend torch"):
        openvino.convert(model, rows)


def test_an_operator_that_is_refused_once_sizes_are_open_is_named():
    """EfficientNet pools over a kernel that is larger than its map."""
    config = EfficientNetConfig(
        image_size=32, hidden_dim=320, depth_coefficient=0.3, width_coefficient=0.25, num_labels=3
    )
    model = EfficientNetForImageClassification(config).eval()
    says = r"EfficientNet.* cannot be converted for OpenVINO \(operator aten::avg_pool2d\): use --backend torch"
    with pytest.raises(ToolkitError, match=says):
        openvino.convert(model, {"pixel_values": np.zeros((2, 3, 32, 32), np.float32)})
