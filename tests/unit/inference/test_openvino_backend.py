import numpy as np
import pytest
from tiny_models import TEXT, alone, batch, make
from unit.image_models import MODELS, PROCESSORS

from toolkit.compression.quantize import openvino
from toolkit.inference import backends
from toolkit.inference.backends import BACKENDS, LONG
from toolkit.inference.predictor import build
from toolkit.reading.image import ImageReader


def padded(rows, length):
    out = {name: np.zeros((len(values), length), values.dtype) for name, values in rows.items()}
    for name, values in rows.items():
        out[name][:, : values.shape[1]] = values
    return out


@pytest.fixture(scope="module")
def graph():
    return openvino.convert(make("bert"), batch("bert"))


def test_short_and_long_texts_run_in_their_own_ways_and_answer_alike(graph):
    backend, rows = BACKENDS["openvino"](graph, "cpu"), batch("bert")
    short, long = backend(rows), backend(padded(rows, LONG))
    assert np.allclose(short, long, atol=1e-4)
    assert np.allclose(backend.alone(rows), short, atol=1e-4)
    assert backend.free.keys() == {("THROUGHPUT", True), ("THROUGHPUT", False), ("LATENCY", False)}


def test_a_runtime_that_refuses_the_setting_runs_without_it(graph, monkeypatch):
    expected = BACKENDS["openvino"](graph, "cpu")(batch("bert"))
    monkeypatch.setattr(backends, "IN_PARTS", {"NO_SUCH_SETTING": "DISABLE"})
    assert np.allclose(BACKENDS["openvino"](graph, "cpu")(batch("bert")), expected, atol=1e-4)


def test_the_setting_is_one_that_openvino_takes(graph):
    from toolkit import quiet

    quiet.openvino().Core().compile_model(graph, "CPU", backends.IN_PARTS)


def test_images_are_compiled_once():
    backend = BACKENDS["openvino"](openvino.convert(make("vit"), batch("vit")), "cpu")
    backend(batch("vit"))
    assert (backend.lanes > 0, [*backend.free]) == (True, [("THROUGHPUT", False)])


@pytest.mark.parametrize(
    ("kind", "mode"), [("vit", "RGB"), ("mobilevit", "RGB"), ("not scaled", "RGB"), ("not normalised", "L")]
)
def test_pixels_are_scaled_by_the_model_as_the_reader_would(kind, mode):
    reader, rng = ImageReader(PROCESSORS[kind](), mode), np.random.default_rng(0)
    images = [rng.integers(0, 256, reader.shape, np.uint8) for _ in range(5)]
    model = MODELS["vit"](num_labels=3, num_channels=reader.shape[-1]).eval()
    graph = openvino.convert(model, {"pixel_values": np.ascontiguousarray(reader.values(images))})
    stock, own = (
        build(name, given, reader, [*"abc"], "cpu") for name, given in (("torch", model), ("openvino", graph))
    )
    for some in (images, images[:1]):
        assert np.allclose(own.logits(some), stock.logits(some), atol=1e-3)
    assert own.reader.batch(own.reader.encode(images))["pixel_values"].dtype == np.uint8
    assert not reader.raw


def test_lengths_are_what_its_kernels_like():
    multiple = BACKENDS["openvino"](openvino.convert(make("bert"), batch("bert")), "cpu").multiple
    assert [multiple(n, alone) for n in (10, LONG - 1, LONG) for alone in (False, True)] == [2, 16, 2, 16, 16, 16]


@pytest.mark.parametrize("kind", TEXT)
def test_a_row_alone_is_answered_as_among_others(kind):
    """In INT8 too: OpenVINO 2026.4 fuses DistilBERT's head where shapes are fixed, and then gives other numbers."""
    rows = batch(kind)
    backend = BACKENDS["openvino"](openvino.static(make(kind), alone(rows)), "cpu")
    together = backend(rows)
    for i, row in enumerate(alone(rows)):
        assert np.abs(backend.alone(row) - together[i]).max() < 0.1 * np.abs(together).max()


@pytest.mark.parametrize("worth_sharing", [backends.WORTH_SHARING, 0.0])
def test_a_row_alone_has_a_model_of_its_length_of_few_lengths(graph, monkeypatch, worth_sharing):
    monkeypatch.setattr(backends, "WORTH_SHARING", worth_sharing)
    monkeypatch.setattr(backends, "FIXED", 2)
    backend = BACKENDS["openvino"](graph, "cpu")
    row = {name: values[:1] for name, values in batch("bert").items()}
    expected = backend(row)
    for length in (16, 32, 48, 32):
        assert np.allclose(backend.alone(padded(row, length)), expected, atol=1e-4)
    assert [*backend.fixed] == [(1, 16), (1, 32)]
    assert ("LATENCY", False) in backend.free  # the third


@pytest.mark.parametrize(("seconds", "kept"), [([2.0, 1.0], "LATENCY"), ([1.0, 2.0], None)])
def test_a_row_alone_runs_on_all_cores_where_that_is_quicker(graph, monkeypatch, seconds, kept):
    monkeypatch.setattr(backends, "WORTH_SHARING", 0.0)
    monkeypatch.setattr(backends.os, "cpu_count", lambda: 2)
    told, made, compiled = iter(seconds), {}, backends._compiled

    def compile(model, settings):
        made[settings.get("PERFORMANCE_HINT")] = compiled(model, settings)
        return made[settings.get("PERFORMANCE_HINT")]

    monkeypatch.setattr(backends, "_seconds", lambda free, batch: next(told))
    monkeypatch.setattr(backends, "_compiled", compile)
    backend = BACKENDS["openvino"](graph, "cpu")
    backend.alone({name: values[:1] for name, values in batch("bert").items()})
    assert [*made] == [None, "LATENCY"]
    assert [*backend.fixed.values()] == [made[kept]]
