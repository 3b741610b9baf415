"""What the last layer of a model reads, told beside its answers; and the gradient by its input."""

import numpy as np
import pytest
import tiny_models
import torch

from toolkit.inference import backends

GPT = {"vocab_size": 80, "n_positions": 32, "n_embd": 32, "n_layer": 1, "n_head": 2, "num_labels": 3, "pad_token_id": 0}


def head(model):
    return [m for m in model.modules() if getattr(m, "out_features", None) == 3][-1]


@pytest.mark.parametrize("kind", ["bert", "distilbert", "roberta", "roformer", "vit", "resnet"])
def test_the_last_layer_makes_the_logits_of_the_features(kind):
    model, rows = tiny_models.make(kind), tiny_models.batch(kind)
    plain = backends.Torch(model, "cpu")
    seen = backends.inside(plain, 3)
    both = seen(rows)
    logits, features = both[:, :3], both[:, 3:]
    assert (logits == plain(rows)).all()
    made = torch.nn.functional.linear(torch.from_numpy(features), head(model).weight, head(model).bias)
    assert made.detach().numpy() == pytest.approx(logits, abs=1e-4)
    assert (seen(rows) == both).all()  # nothing is left hanging on the model


def test_of_a_decoder_those_of_the_token_that_answers():
    from transformers import GPT2Config, GPT2ForSequenceClassification

    torch.manual_seed(0)
    model = GPT2ForSequenceClassification(GPT2Config(**GPT)).eval()
    ids = np.random.default_rng(0).integers(5, 80, (4, 10))
    ids[2, 6:] = 0
    both = backends.inside(backends.Torch(model, "cpu"), 3)({"input_ids": ids, "attention_mask": (ids > 0) * 1})
    made = both[:, 3:] @ head(model).weight.detach().numpy().T
    assert made == pytest.approx(both[:, :3], abs=1e-4)


def test_other_runtimes_show_nothing():
    class Other:
        lanes = 1

    assert backends.inside(Other(), 3) is None


def test_the_gradient_says_where_the_loss_grows():
    model, rows = tiny_models.make("vit"), tiny_models.batch("vit")
    backend = backends.Torch(model, "cpu")
    labels = backend(rows).argmax(1)
    slope = backend.gradient(rows, "pixel_values", labels)
    assert slope.shape == rows["pixel_values"].shape

    def losses(moved):
        found = torch.from_numpy(backend({"pixel_values": rows["pixel_values"] + moved}))
        return torch.nn.functional.cross_entropy(found, torch.from_numpy(labels), reduction="none").numpy()

    step = 1e-3 * slope / np.linalg.norm(slope.reshape(16, -1), axis=1)[:, None, None, None]
    grown = losses(step.astype(np.float32)) - losses(-step.astype(np.float32))
    assert (grown > -1e-5).all()
    assert grown.max() > 1e-4


@pytest.mark.parametrize("kind", ["bert", "distilbert"])
def test_a_batch_in_pieces_says_what_it_says_as_a_whole(kind, monkeypatch):
    backend, rows = backends.inside(backends.Torch(tiny_models.make(kind), "cpu"), 3), tiny_models.batch(kind)
    whole, sizes = backend(rows), []
    run = type(backend).run
    monkeypatch.setattr(backends, "PIECE", 2 * rows["input_ids"].shape[1])
    monkeypatch.setattr(
        type(backend), "run", lambda self, piece: sizes.append(len(piece["input_ids"])) or run(self, piece)
    )
    np.testing.assert_allclose(backend(rows), whole, atol=1e-5)
    assert (max(sizes), sum(sizes)) == (2, len(whole))
