import numpy as np
import pytest
import torch
from tiny_models import IMAGE, TEXT, alone, batch, make

from toolkit.compression.quantize import onnx as quantizing
from toolkit.errors import ToolkitError
from toolkit.inference.backends import BACKENDS

onnxruntime = pytest.importorskip("onnxruntime")


def answers(graph, rows):
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    assert [port.name for port in session.get_inputs()] == list(rows)
    return session.run(["logits"], rows)[0]


@pytest.mark.parametrize("kind", TEXT | IMAGE)
def test_int8_answers_nearly_as_torch_does(kind, tmp_path, capsys):
    model, rows = make(kind), batch(kind)
    expected = BACKENDS["torch"](model, "cpu")(rows)
    make_int8 = quantizing.dynamic if kind in TEXT else quantizing.static
    graph = make_int8(model, alone(rows), tmp_path / "work")
    assert np.abs(answers(graph, rows) - expected).mean() < 0.15 * np.abs(expected).mean()
    small = {name: values[:3, :8] if kind in TEXT else values[:3] for name, values in rows.items()}
    assert answers(graph, small).shape == (3, 3)  # rows and lengths vary
    large = [t for t in graph.graph.initializer if np.prod(t.dims) >= 1024]
    assert large
    assert {t.data_type for t in large} <= {2, 3}  # UINT8, INT8: embeddings too
    told = capsys.readouterr()
    assert (told.out, "WARNING" in told.err) == ("", False)


def test_an_operator_that_cannot_be_converted_is_named(monkeypatch, tmp_path):
    model, rows = make("bert"), batch("bert")
    head = model.classifier.forward
    monkeypatch.setattr(model.classifier, "forward", lambda x: head(x) + torch.linalg.svdvals(x @ x.T).sum())
    with pytest.raises(ToolkitError, match=r"operator aten::linalg_svd.*use --backend torch"):
        quantizing.export(model, rows, tmp_path / "x.onnx")
