"""evaluate, error-analysis and predict on models of every runtime."""

import base64
import json
import time

import numpy as np
import pandas as pd
import pytest
from helpers import pictures, write_csv
from unit.artifacts import converted

from toolkit import reading
from toolkit.artifacts import loading
from toolkit.artifacts import model as models
from toolkit.commands import _fresh

ROWS = [{"text": text, "label": converted.NAMES[i % 3]} for i, text in enumerate(converted.TEXTS)]


@pytest.fixture(scope="module", params=["openvino", "onnx", "int8"])
def folder(request, tmp_path_factory):
    model, tokenizer = converted.text()
    out = tmp_path_factory.mktemp("runtimes") / request.param
    if request.param == "int8":
        return converted.as_int8(out, model, tokenizer)
    reader = reading.of("text", tokenizer, model.config)
    return converted.save(out, request.param, model, tokenizer, reader.batch(reader.encode(converted.TEXTS[:2])))


@pytest.fixture(scope="module")
def probabilities(tmp_path_factory):
    """What the float model answers."""
    from toolkit.inference import predictor

    model, tokenizer = converted.text()
    reader = reading.of("text", tokenizer, model.config)
    return predictor.build("torch", model, reader, converted.NAMES, "cpu").probabilities(converted.TEXTS)


def test_the_same_commands_run_them_all(folder, probabilities, tmp_path, call):
    write_csv(tmp_path / "rows.csv", ROWS)
    done = call("predict", folder, "--data", tmp_path / "rows.csv", "--out", tmp_path / "p", "--json")
    assert done.code == 0, done.err
    found = pd.read_parquet(tmp_path / "p" / "predictions.parquet")
    told = found[[column for column in found.columns if column.startswith("p")][-3:]].to_numpy(float)
    np.testing.assert_allclose(told, probabilities, atol=0.1 if folder.name == "int8" else 1e-4)

    (tmp_path / "data").mkdir()
    write_csv(tmp_path / "data" / "test.csv", ROWS)
    done = call("evaluate", folder, "--data", tmp_path / "data", "--out", tmp_path / "e")
    assert done.code == 0, done.err
    figures = json.loads((tmp_path / "e" / "metrics.json").read_text())["efficiency"]
    assert figures["size_bytes"] == models.inference_bytes(folder)
    assert figures["samples_per_second"] > 0
    done = call("error-analysis", tmp_path / "e", "--out", tmp_path / "a")
    assert done.code == 0, done.err


def test_one_row_is_predicted(folder, tmp_path, call):
    write_csv(tmp_path / "row.csv", [{"text": "late parcel"}])
    done = call("predict", folder, "--data", tmp_path / "row.csv", "--out", tmp_path / "p")
    assert done.code == 0, done.err
    assert len(pd.read_parquet(tmp_path / "p" / "predictions.parquet")) == 1


def test_quantized_models_are_not_trained_on(folder, tmp_path, call):
    write_csv(tmp_path / "rows.csv", ROWS)
    done = call("finetune", tmp_path / "rows.csv", "--model", folder, "--out", tmp_path / "f")
    assert done.code == 1
    assert "quantized" in done.err


@pytest.mark.measures_memory
@pytest.mark.parametrize("content", ["text", "image"])
def test_start_up_and_memory_are_those_of_a_process_of_its_own(content, tmp_path):
    loading.save(tmp_path / "m", *getattr(converted, content)())
    ballast = np.ones(2_000_000_000, np.uint8)  # of this process, and none of the model's
    contents = converted.TEXTS
    if content == "image":
        contents = [
            _fresh.Picture(base64.b64encode((toy / "0.png").read_bytes()).decode())
            for toy in [pictures(tmp_path / "i") / "cat"]
        ]
    started = time.monotonic()
    found = _fresh.measure(tmp_path / "m", contents)
    assert 50e6 < found["peak_memory_bytes"] < ballast.nbytes
    assert 0.1 < found["startup_seconds"] < time.monotonic() - started
