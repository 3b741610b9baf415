import numpy as np
import pytest
import torch
from tiny_models import TEXT, batch, make

from toolkit.inference.backends import BACKENDS
from toolkit.reading import first_token


@pytest.mark.parametrize("kind", TEXT)
def test_answers_are_the_models_own_and_it_stays_as_it_was(kind):
    model, rows = make(kind), batch(kind)
    with torch.inference_mode():
        expected = model(**{name: torch.from_numpy(values) for name, values in rows.items()}).logits.numpy()
    assert np.allclose(BACKENDS["torch"](model, "cpu")(rows), expected, atol=1e-5)
    assert not any("forward" in vars(module) for module in model.modules())


@pytest.mark.parametrize(("kind", "eager"), [("bert", False), ("roberta", False), ("bert", True)])
def test_the_last_layer_runs_for_one_token(kind, eager):
    model, rows = make(kind), batch(kind)
    if eager:  # masks of another shape: left alone
        model.set_attn_implementation("eager")
    seen = []
    model.base_model.encoder.layer[-1].output.register_forward_hook(lambda layer, read, out: seen.append(out.shape[1]))
    BACKENDS["torch"](model, "cpu")(rows)
    assert seen == [rows["input_ids"].shape[1] if eager else 1]


def test_a_model_that_is_read_whole_is_left_alone():
    base = make("bert").bert
    with first_token.alone(base):
        assert not any("forward" in vars(module) for module in base.modules())
