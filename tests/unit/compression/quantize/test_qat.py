import numpy as np
import pytest
import torch
from tiny_models import alone, batch, make

from toolkit.compression.quantize import openvino, qat, tracing
from toolkit.inference.backends import BACKENDS
from toolkit.training.config import Optim, TrainConfig

RANGES = (torch.tensor([[-1.0], [-0.5]]), torch.tensor([[2.0], [1.0]]))  # low and span of two channels


def test_rounding_is_torchs_own():
    x = torch.randn(2, 400, generator=torch.Generator().manual_seed(0))
    scale = RANGES[1].flatten() / 255
    zero = (-RANGES[0].flatten() / scale).round()
    low = -zero[:, None] * scale[:, None]
    expected = torch.fake_quantize_per_channel_affine(x, scale, zero.int(), 0, 0, 255)
    assert torch.allclose(qat.rounded(x, low, RANGES[1], 256), expected, atol=1e-5)


def test_gradients_pass_inside_and_pull_the_range_outside():
    x = torch.tensor([[-3.0, 0.301, 3.0], [0.1, 0.2, 0.3]])
    low, span = torch.tensor([[-128 / 127], [-128 / 127]]), torch.tensor([[255 / 127], [255 / 127]])
    grad = torch.tensor([[1.0, 2.0, 4.0], [1.0, 1.0, 1.0]])
    of_x, of_low, of_span = qat.gradients(grad, x, low, span, 256, -128, 127)
    assert of_x.tolist() == [[0.0, 2.0, 0.0], [1.0, 1.0, 1.0]]
    assert of_low.flatten().tolist() == [5.0, 0.0]
    assert of_span[0].item() == pytest.approx(4 - 128 / 127, abs=0.02)
    assert abs(of_span[1].item()) < 0.01


def test_what_is_not_asked_for_is_short_gentle_and_in_float32():
    config = qat.settled(TrainConfig())
    assert (config.epochs, config.optim.lr, config.precision) == (qat.EPOCHS, qat.LR, "fp32")
    asked = TrainConfig(epochs=3, precision="bf16", optim=Optim(lr=1e-3))
    assert qat.settled(asked) == asked


SLOW = [pytest.param(kind, marks=pytest.mark.slow) for kind in ("distilbert", "roberta", "roformer", "vit", "deit")]


@pytest.mark.parametrize("kind", ["bert", "resnet", *SLOW])
def test_a_model_learns_rounded_and_answers_so_in_openvino(kind, monkeypatch):
    monkeypatch.setenv("PATH", "")  # no compiler
    model, rows = make(kind), batch(kind)
    expected = BACKENDS["torch"](model, "cpu")(rows)
    student = qat.prepare(model, alone(rows)[:4])
    inputs = {name: torch.from_numpy(values) for name, values in rows.items()}
    with tracing.in_fast_forms(student):
        weights = [p for p in student.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(weights, 1e-3)
        target, losses = torch.arange(16) % 3, []
        for _ in range(6):
            loss = torch.nn.functional.cross_entropy(student(**inputs).logits, target)
            losses.append(loss.item())
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        told = BACKENDS["torch"](student, "cpu")(rows)
    assert losses[-1] < losses[0]
    graph = qat.finish(student, rows)
    answered = BACKENDS["openvino"](graph, "cpu")(rows)
    assert np.abs(answered - told).mean() < 0.1 * np.abs(told).mean()
    assert np.abs(told - expected).mean() > 0.01 * np.abs(expected).mean()
    assert any(node.get_type_name() == "FakeQuantize" for node in graph.get_ops())
    assert openvino.float_layers(graph) == []
