import copy

import numpy as np
import pytest
import torch
from tiny_models import IMAGE, TEXT, batch, make

from toolkit.compression.quantize import torch as quantizing
from toolkit.inference.backends import BACKENDS


@pytest.mark.parametrize("kind", TEXT | IMAGE)
def test_int8_weights_are_those_of_the_model_to_half_a_step(kind):
    model, rows = make(kind), batch(kind)
    state = quantizing.dynamic(model)
    back = copy.deepcopy(model)
    floats = {}
    for name, values in model.state_dict().items():
        scale = state.get(name + quantizing.SCALE)
        floats[name] = state[name] if scale is None else state[name] * scale
        assert values.ndim < 2 or scale is not None or values.numel() < 2048, name
        if scale is not None:
            assert state[name].dtype == torch.int8
            assert ((floats[name] - values).abs() <= 0.5001 * scale).all()
    back.load_state_dict(floats)
    expected, found = (BACKENDS["torch"](m, "cpu")(rows) for m in (model, back))
    assert 0 < np.abs(found - expected).mean() < 0.05 * np.abs(expected).mean()
    assert sum(t.numel() * t.element_size() for t in state.values()) < 0.35 * sum(
        t.numel() * t.element_size() for t in model.state_dict().values()
    )
