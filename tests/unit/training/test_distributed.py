import json
import os
import sys
from pathlib import Path

import pytest
from helpers import token_rows as rows
from helpers import torchrun
from safetensors.torch import load_file, save_file

from toolkit.reading.text import TextReader
from toolkit.training import builtin, dropout, trainer
from toolkit.training.config import Optim, Regularise, Schedule, TrainConfig
from toolkit.training.distributed import Share
from toolkit.training.sampling import LengthGroupedBatches
from toolkit.training.tasks import bind


def model_and_task():
    texts = [f"word{i % 40} and more of it {i % 7}" for i in range(400)]
    made, tokenizer = builtin.build("builtin:text-tiny", texts, ["long", "short"], seed=0)
    made.resize_token_embeddings(128)
    dropout.apply(made, Regularise(dropout=0.0))
    return made, bind("text-classification", TextReader(tokenizer, 128))


def start_from(model, path):
    """The same weights in every process: the new rows of a grown embedding are drawn."""
    model.load_state_dict(load_file(path))


def config(**changes):
    asked = {"epochs": 2.0, "batch_size": 14, "precision": "fp32", "device": "cpu", "metric": "loss"}
    asked |= {"regularise": Regularise(patience=0)}
    optim = Optim(lr=1e-3)
    return TrainConfig(**(asked | {"optim": optim, "schedule": Schedule(warmup=0.0)} | changes))


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A folder with what two ranks gave (batches of 7), and what one process gave (batches of 14)."""
    folder = tmp_path_factory.mktemp("pair")
    model, task = model_and_task()
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, folder / "start.safetensors")
    figures = trainer.train(model, task, rows(45), rows(33, 1), config(), folder / "one", seed=0)
    (folder / "one.json").write_text(json.dumps(figures))
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, folder / "one.safetensors")
    here = Path(__file__).parent
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(here), str(here.parents[1]), *sys.path]))
        called = torchrun(here / "in_two_processes.py", folder)
    assert called.code == 0, called.err
    return folder


@pytest.mark.parametrize("name", ["ddp", "fsdp"])
def test_two_ranks_reach_the_weights_of_one_process_with_twice_the_batch(pair, name):
    start, one, two = (load_file(pair / f"{which}.safetensors") for which in ("start", "one", name))
    assert max(float((one[k] - start[k]).abs().max()) for k in one) > 1e-3, "it learned something"
    assert max(float((one[k] - two[k]).abs().max()) for k in one) < 5e-6


@pytest.mark.parametrize("name", ["ddp", "fsdp"])
def test_all_ranks_tell_the_figures_of_one_process(pair, name):
    one = json.loads((pair / "one.json").read_text())
    for rank in range(2):
        told = json.loads((pair / f"{name}.{rank}.json").read_text())
        assert told["validation"] == pytest.approx(one["validation"], rel=1e-5)
        same = ("epochs", "best_epoch", "steps", "rows")
        assert {key: told["train"][key] for key in same} == {key: one["train"][key] for key in same}
        assert told["train"]["samples_per_second"] == pytest.approx(90 / told["train"]["seconds"], rel=0.05)


def test_fsdp_really_shards(pair):
    """Each parameter is a DTensor, and a rank holds half of the numbers; what the caller gave stays whole."""
    told = [json.loads((pair / f"fsdp.{rank}.json").read_text()) for rank in range(2)]
    total = sum(v.numel() for v in load_file(pair / "one.safetensors").values())
    for one in told:
        assert one["seen"]["dtensors"] == one["seen"]["parameters"] > 0
        assert one["seen"]["local"] == pytest.approx(total / 2, rel=0.02)
        assert one["whole"]
    plain = json.loads((pair / "ddp.0.json").read_text())["seen"]
    assert plain["dtensors"] == 0
    assert plain["local"] == total


def test_one_rank_writes(pair):
    assert len(list((pair / "ddp.work" / "logs").glob("events.*"))) == 1
    logged = [json.loads(line) for line in (pair / "ddp.work" / "logs" / "metrics.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in logged if "eval_loss" in entry] == [4, 8]


@pytest.mark.parametrize("name", ["ddp", "fsdp"])
def test_health_is_that_of_the_weights_in_training(pair, name):
    first = json.loads((pair / f"{name}.work" / "logs" / "metrics.jsonl").read_text().splitlines()[0])
    for group in ("embeddings", "layer.0", "head"):
        assert first[f"grad_norm/{group}"] > 0
        assert first[f"update_ratio/{group}"] > 0


def test_all_ranks_take_the_stages_that_rank_0_chooses(pair):
    """The others have no memory left, and would freeze layers."""
    told = [json.loads((pair / f"auto.{rank}.json").read_text())["seen"]["stages"] for rank in range(2)]
    assert told == ["none", "none"]


@pytest.mark.parametrize("count", [2, 3, 8])
def test_shares_are_the_batches_of_one_process(count):
    lengths = [3 + i * 7 % 11 for i in range(45)]
    whole = list(LengthGroupedBatches(lengths, 14, seed=4))
    shares = [list(Share(LengthGroupedBatches(lengths, 14, seed=4), rank, count)) for rank in range(count)]
    assert {len(share) for share in shares} == {len(whole)}
    for i, batch in enumerate(whole):
        parts = [share[i] for share in shares]
        assert all(parts), "each rank takes part in each step"
        assert set().union(*parts) == set(batch)
        if len(batch) >= count:
            assert sorted(row for part in parts for row in part) == sorted(batch), "no row twice"
            assert max(map(len, parts)) - min(map(len, parts)) <= 1
