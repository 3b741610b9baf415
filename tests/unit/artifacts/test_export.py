import ast
import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from tokenizers import processors
from unit.artifacts import converted
from unit.image_models import PROCESSORS

from toolkit import reading
from toolkit.artifacts import export, loading
from toolkit.artifacts import model as models
from toolkit.data.images.decode import decode
from toolkit.errors import ToolkitError
from toolkit.evaluation import metrics
from toolkit.inference import predictor as predictors
from toolkit.reading.image import ImageReader

ALONE = (
    "import runpy, sys; sys.modules.update(dict.fromkeys(('toolkit', 'torch', 'transformers', 'datasets')));"
    "sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
)
KINDS = ("openvino", "onnx")


def ran(folder, arguments):
    """What run.py prints where this project, torch and transformers cannot be imported."""
    call = [sys.executable, "-c", ALONE, str(folder / "run.py"), *map(str, arguments)]
    done = subprocess.run(call, capture_output=True, text=True, cwd="/", env={"PATH": ""})
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def loaded(folder, reader, several=False):
    model, _ = loading.load_for_inference(folder)
    return predictors.build(models.backend(folder), model, reader, converted.NAMES, "cpu", several)


@pytest.mark.parametrize(("kind", "several"), [("openvino", False), ("onnx", True)])
def test_an_exported_text_model_answers_without_this_project(tmp_path, kind, several):
    model, tokenizer = converted.text()
    reader = reading.of("text", tokenizer, model.config, wanted=16)
    folder = converted.save(tmp_path / "m", kind, model, tokenizer, reader.batch(reader.encode(converted.TEXTS[:2])))
    lines = export.export(folder, kind, reader, converted.NAMES, several)
    texts = ["late parcel", "where nobody " * 30, "né [SEP] \u3000"]
    told = ran(folder, texts)
    expected = loaded(folder, reader, several).probabilities(texts)
    assert expected.max() - expected.min() > 0.05
    np.testing.assert_allclose([row["probabilities"] for row in told], expected, atol=1e-5)
    likeliest = [converted.NAMES[i] for i in expected.argmax(1)]
    chosen = [[converted.NAMES[i] for i in np.flatnonzero(row)] for row in metrics.chosen(expected)]
    assert [row["label"] for row in told] == (chosen if several else likeliest)
    assert {len(row) for row in chosen} != {1} or not several
    named = (folder / "requirements.txt").read_text().split()
    assert {line.split("==")[0] for line in named} == {
        "numpy",
        "tokenizers",
        {"onnx": "onnxruntime"}.get(kind, kind),
    }
    assert all(line in "\n".join(lines) for line in named)
    script = (folder / "run.py").read_text().strip()
    assert script in "\n".join(lines)
    code = [line for line in ast.unparse(ast.parse(script).body[1:]).splitlines() if line]
    assert len(code) <= 20
    again = reading.of("text", loading.load_processor(folder), model.config, wanted=16)
    for old, new in zip(reader.encode(texts), again.encode(texts), strict=True):
        np.testing.assert_array_equal(new["input_ids"], old["input_ids"])


def test_an_exported_model_of_pairs_takes_two_texts_each(tmp_path):
    model, tokenizer = converted.text()
    reader = reading.of("text", tokenizer, model.config, wanted=16)
    pairs = [("late parcel", "where nobody"), ("né", "late")]
    folder = converted.save(tmp_path / "m", "openvino", model, tokenizer, reader.batch(reader.encode(pairs)))
    lines = export.export(folder, "openvino", reader, converted.NAMES, pairs=True)
    told = ran(folder, [text for pair in pairs for text in pair])
    assert [row["input"] for row in told] == [list(pair) for pair in pairs]
    expected = loaded(folder, reader).probabilities(pairs)
    np.testing.assert_allclose([row["probabilities"] for row in told], expected, atol=1e-5)
    assert "`python run.py TEXT OTHER...`" in "\n".join(lines)
    for odd in ([], ["late parcel"]):
        done = subprocess.run([sys.executable, folder / "run.py", *odd], capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (1, "")
        assert "python run.py TEXT OTHER..." in done.stderr
        assert "Traceback" not in done.stderr


def test_a_text_without_any_token_is_refused_where_no_special_ones_stand_around(tmp_path):
    model, tokenizer = converted.text()
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(single="$A", special_tokens=[])
    reader = reading.of("text", tokenizer, model.config, wanted=16)
    folder = converted.save(tmp_path / "m", "onnx", model, tokenizer, reader.batch(reader.encode(["late", "parcel"])))
    export.export(folder, "onnx", reader, converted.NAMES)
    expected = loaded(folder, reader).probabilities(["late parcel", "late"])
    told = [row["probabilities"] for row in ran(folder, ["late parcel", "late"])]
    np.testing.assert_allclose(told, expected, atol=1e-5)
    done = subprocess.run([sys.executable, folder / "run.py", "late", ""], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "a text holds nothing that the model reads\n"


@pytest.mark.parametrize("kind", KINDS)
def test_an_exported_image_model_answers_without_this_project(tmp_path, kind):
    model, processor = converted.image("convnext", "vit")
    model.config.image_size = 32
    reader = reading.of("image", processor, model.config)
    rng = np.random.default_rng(0)
    files = []
    for i, shape in enumerate([(40, 60, 3), (90, 33, 3), (50, 50, 4), (50, 50, 2), (30, 40)]):
        files.append(tmp_path / f"{i}.png")
        Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(files[-1])
    pixels = [{"pixels": reader.place(decode(file.read_bytes()).image)} for file in files]
    folder = converted.save(tmp_path / "m", kind, model, processor, reader.batch(pixels))
    export.export(folder, kind, reader, converted.NAMES)
    one = loaded(folder, reader)
    one.reader.encode = lambda contents: pixels
    expected = one.probabilities(files)
    assert np.abs(expected[0] - expected[1]).max() > 1e-4
    np.testing.assert_allclose([row["probabilities"] for row in ran(folder, files)], expected, atol=1e-5)
    deep = tmp_path / "deep.png"
    Image.fromarray(rng.integers(0, 4096, (30, 40), np.uint16)).save(deep)
    done = subprocess.run([sys.executable, folder / "run.py", deep], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"{deep} is of mode I;16: make it RGB first, as 'toolkit clean' does\n"


@pytest.mark.parametrize("name", PROCESSORS)
def test_an_image_processor_is_exported_as_it_is_or_refused(name):
    reader = ImageReader(PROCESSORS[name]())
    if name == "mobilevit":  # blue first
        with pytest.raises(ToolkitError, match="more than an export can"):
            export._image_settings(reader)
        return
    settings = export._image_settings(reader)
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 256, (70, 51, 3), np.uint8))
    values = np.asarray(reader.placed(picture, settings)) * np.float32(settings["factor"]) + np.float32(
        settings["offset"]
    )
    own = PROCESSORS[name]()(picture, return_tensors="np")["pixel_values"][0]
    np.testing.assert_allclose(values.transpose(2, 0, 1), own, atol=1e-4)


def test_what_cannot_be_exported_is_told(tmp_path):
    model, tokenizer = converted.text()
    reader = reading.of("text", tokenizer, model.config)
    loading.save(tmp_path / "m", model, tokenizer)
    with pytest.raises(ToolkitError, match="holds no onnx model: quantize it with --backend onnx"):
        export.export(tmp_path / "m", "onnx", reader, converted.NAMES)
    (tmp_path / "m" / "model.onnx").write_bytes(b"")
    reader.processor = SimpleNamespace(is_fast=False)
    with pytest.raises(ToolkitError, match="written in Python"):
        export.export(tmp_path / "m", "onnx", reader, converted.NAMES)
