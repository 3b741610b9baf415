import pytest
import torch

from toolkit.training import clipping


def test_each_unit_is_held_to_a_share_of_its_weights():
    """By hand: rows of norm 5 and 13, factor 0.1."""
    weight = torch.nn.Parameter(torch.tensor([[3.0, 4.0], [5.0, 12.0]]))
    weight.grad = torch.tensor(
        [[6.0, 8.0], [0.3, 0.4]]
    )  # norms 10 and 0.5: the first is past 0.5, the second within 1.3
    clipping.adaptive([weight], 0.1)
    assert weight.grad.flatten().tolist() == pytest.approx([0.3, 0.4, 0.3, 0.4])


def test_units_of_filters_and_of_vectors():
    filters = torch.nn.Parameter(torch.ones(2, 3, 2, 2))
    filters.grad = torch.stack([torch.ones(3, 2, 2), torch.full((3, 2, 2), 0.001)])
    bias = torch.nn.Parameter(torch.tensor([3.0, 4.0]))
    bias.grad = torch.tensor([30.0, 40.0])
    clipping.adaptive([filters, bias], 0.5)
    assert filters.grad[0].norm() == pytest.approx(0.5 * 12**0.5)
    assert filters.grad[1].max() == pytest.approx(0.001)
    assert bias.grad.tolist() == pytest.approx([1.5, 2.0])


def test_weights_of_zero_can_grow_and_what_has_no_gradient_is_passed_over():
    zero, frozen = torch.nn.Parameter(torch.zeros(1, 4)), torch.nn.Parameter(torch.ones(2))
    zero.grad = torch.ones(1, 4)
    clipping.adaptive([zero, frozen], 0.5)
    assert zero.grad.norm() == pytest.approx(0.5 * clipping.LEAST)
    assert frozen.grad is None
