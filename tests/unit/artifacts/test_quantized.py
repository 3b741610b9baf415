import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import load_file, save_file
from unit.artifacts import converted

from toolkit import reading
from toolkit.artifacts import loading
from toolkit.artifacts import model as models
from toolkit.errors import ToolkitError
from toolkit.inference import predictor as predictors


def predictor(folder, reader):
    model, _ = loading.load_for_inference(folder)
    return predictors.build(models.backend(folder), model, reader, converted.NAMES, "cpu")


def test_int8_weights_answer_nearly_as_their_floats(tmp_path):
    model, tokenizer = converted.text()
    folder = converted.as_int8(tmp_path / "m", model, tokenizer)
    reader = reading.of("text", tokenizer, model.config)
    found = predictor(folder, reader).probabilities(converted.TEXTS)
    expected = predictors.build("torch", model, reader, converted.NAMES, "cpu").probabilities(converted.TEXTS)
    assert np.ptp(expected, axis=0).max() > 0.1
    assert 0 < np.abs(found - expected).max() < 0.1
    assert models.backend(folder) == "int8"
    loaded, _ = loading.load_for_inference(folder)
    product = loaded.bert.encoder.layer[0].intermediate.dense.weight()
    assert product.dtype == torch.qint8
    stored = load_file(folder / "model.safetensors")["bert.encoder.layer.0.intermediate.dense.weight"]
    assert torch.equal(product.int_repr(), stored)
    size = (folder / "model.safetensors").stat().st_size
    assert size < models.inference_bytes(folder) < 2 * size + 100_000


def test_int8_images(tmp_path):
    model, processor = converted.image("convnext", "resnet")
    folder = converted.as_int8(tmp_path / "m", model, processor)
    loaded, _ = loading.load_for_inference(folder)
    pixels = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        found, expected = loaded(pixel_values=pixels).logits, model(pixel_values=pixels).logits
    assert 0 < (found - expected).abs().mean() < 0.1 * expected.abs().mean()


def test_what_is_quantized_is_so_for_every_command(tmp_path):
    folder = converted.as_int8(tmp_path / "m", *converted.text())
    with pytest.raises(ToolkitError, match="it was made from: 'toolkit prune' comes before"):
        models.demand_classifier(folder, "prune")


@pytest.mark.parametrize("damage", ["missing", "shape", "cut"])
def test_damaged_int8_weights_are_told(tmp_path, damage):
    folder = converted.as_int8(tmp_path / "m", *converted.text())
    state = load_file(folder / "model.safetensors")
    name = "bert.encoder.layer.0.intermediate.dense.weight"
    if damage == "cut":
        path = folder / "model.safetensors"
        path.write_bytes(path.read_bytes()[:-1000])
    else:
        state[name] = state[name][:3]
        save_file({k: v for k, v in state.items() if k != name or damage == "shape"}, folder / "model.safetensors")
    with pytest.raises(ToolkitError, match="does not load"):
        loading.load_for_inference(folder)


@pytest.fixture(scope="module")
def onnx_folder(tmp_path_factory):
    model, tokenizer = converted.text()
    reader = reading.of("text", tokenizer, model.config)
    folder = tmp_path_factory.mktemp("onnx") / "m"
    return converted.save(folder, "onnx", model, tokenizer, reader.batch(reader.encode(converted.TEXTS[:2]))), model


def test_onnx_answers_as_torch_does_with_weights_beside_it_too(onnx_folder, tmp_path):
    folder, model = onnx_folder
    reader = reading.of("text", loading.load_processor(folder), model.config)
    expected = predictors.build("torch", model, reader, converted.NAMES, "cpu").probabilities(converted.TEXTS, 8)
    np.testing.assert_allclose(predictor(folder, reader).probabilities(converted.TEXTS, 8), expected, atol=1e-5)
    beside = tmp_path / "beside"
    beside.mkdir()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (beside / name).write_bytes((folder / name).read_bytes())
    graph = onnx.load(folder / "model.onnx")
    onnx.save_model(
        graph, beside / "model.onnx", save_as_external_data=True, location="model.onnx.data", size_threshold=0
    )
    assert (beside / "model.onnx.data").stat().st_size > (beside / "model.onnx").stat().st_size
    np.testing.assert_allclose(predictor(beside, reader).probabilities(converted.TEXTS, 8), expected, atol=1e-5)
    assert models.inference_bytes(beside) > models.inference_bytes(folder) - 10_000
    (beside / "model.onnx.data").unlink()
    with pytest.raises(ToolkitError, match=r"does not load in ONNX Runtime .*: make it again"):
        predictor(beside, reader)


def test_without_onnx_runtime_one_line_tells_what_to_install(onnx_folder, monkeypatch):
    folder, model = onnx_folder
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(ToolkitError, match=r'ONNX Runtime is not installed: pip install "model-toolkit\[onnx\]"'):
        predictor(folder, reading.of("text", loading.load_processor(folder), model.config))


def test_a_converted_model_that_reads_something_else_is_told(onnx_folder):
    folder, model = onnx_folder
    reader = reading.of("text", loading.load_processor(folder), model.config)
    with pytest.raises(ToolkitError, match="quantized on single texts, the data holds pairs of texts"):
        predictor(folder, reader).probabilities([("late", "parcel")])
