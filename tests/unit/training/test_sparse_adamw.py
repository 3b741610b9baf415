import io

import pytest
import torch
from torch.nn.functional import cross_entropy

from toolkit.training import sparse_adamw
from toolkit.training.sparse_adamw import SparseAdamW

STEPS, ROWS = 60, 50


@pytest.fixture(autouse=True)
def _short_spans(monkeypatch):
    monkeypatch.setattr(sparse_adamw, "SPAN", 16)


class Tiny(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.table = torch.nn.Embedding(ROWS, 8, padding_idx=0)
        self.head = torch.nn.Linear(8, 2)

    def get_input_embeddings(self):
        return self.table

    def forward(self, ids):
        return self.head(self.table(ids).mean(1))


def groups(model):
    return [
        {"params": [model.head.bias], "weight_decay": 0.0},
        {"params": [model.table.weight, model.head.weight], "weight_decay": 0.1},
    ]


def made(sparse):
    model = Tiny()
    if sparse:
        return model, SparseAdamW(groups(model), 1e-2, (0.9, 0.999), [model.table])
    return model, torch.optim.AdamW(groups(model), 1e-2)


def run(model, optimizer, steps, accumulate=1, frozen=(), most=None):
    for step in steps:
        generator = torch.Generator().manual_seed(step)
        model.table.weight.requires_grad_(step not in frozen)
        for group in optimizer.param_groups:
            group["lr"] = 1e-2 * (1 - step / STEPS)
        for _ in range(accumulate):
            # A few rows at most steps, any at some: gaps of all lengths.
            ids = torch.randint(0, ROWS if step % 23 == 0 else 8, (4, 3), generator=generator)
            cross_entropy(model(ids), torch.randint(0, 2, (4,), generator=generator)).backward()
        if most is not None:
            sparse_adamw.clip(model.parameters(), most)
        optimizer.step()
        optimizer.zero_grad()


@pytest.mark.parametrize(
    "how", [{}, {"accumulate": 2}, {"frozen": range(10, 30)}, {"most": 0.05}], ids=["plain", "sums", "frozen", "clip"]
)
def test_is_adamw(how):
    ends = []
    for sparse in (True, False):
        model, optimizer = made(sparse)
        start = {name: value.clone() for name, value in model.state_dict().items()}
        run(model, optimizer, range(STEPS), **how)
        if sparse:
            optimizer.settle()
        ends.append(model.state_dict())
    assert (ends[0]["table.weight"] - start["table.weight"]).abs().max() > 0.05
    for name, value in ends[0].items():
        assert torch.allclose(value, ends[1][name], atol=5e-6), name


def test_rows_are_current_when_they_are_read_and_only_then():
    model, optimizer = made(sparse=True)
    dense, usual = made(sparse=False)
    run(model, optimizer, range(10))
    run(dense, usual, range(10))
    far = torch.tensor([[40, 41]])
    before = model.table.weight[40].clone()
    assert not torch.allclose(before, dense.table.weight[40], atol=1e-4)
    model(far)
    assert torch.allclose(model.table.weight[40], dense.table.weight[40], atol=1e-6)


def test_goes_on_bit_by_bit_from_what_was_saved_inside_a_span():
    model, optimizer = made(sparse=True)
    run(model, optimizer, range(21))
    kept = io.BytesIO()
    torch.save([model.state_dict(), optimizer.state_dict()], kept)
    run(model, optimizer, range(21, 45))

    again, resumed = made(sparse=True)
    kept.seek(0)
    weights, state = torch.load(kept, weights_only=True)
    again.load_state_dict(weights)
    resumed.load_state_dict(state)
    run(again, resumed, range(21, 45))
    for whole in (optimizer, resumed):
        whole.settle()
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("first", [True, False], ids=["to dense", "to sparse"])
def test_a_run_may_change_between_dense_and_sparse(first):
    """As one does that goes on at another precision than its checkpoint's."""
    whole, usual = made(sparse=False)
    run(whole, usual, range(45))

    model, optimizer = made(first)
    run(model, optimizer, range(21))
    saved = optimizer.state_dict()
    optimizer.close() if first else None
    again, resumed = made(not first)
    again.load_state_dict(model.state_dict())
    resumed.load_state_dict(saved)
    if first:
        sparse_adamw.settle_for_dense(resumed)
        assert {*resumed.state[again.table.weight]} == {*usual.state[whole.table.weight]}
    run(again, resumed, range(21, 45))
    resumed.settle() if not first else None
    for name, value in whole.state_dict().items():
        assert torch.allclose(value, again.state_dict()[name], atol=5e-6), name


def test_leaves_the_embedding_as_it_was():
    model, optimizer = made(sparse=True)
    assert model.table.sparse
    run(model, optimizer, range(3))
    optimizer.close()
    assert not model.table.sparse
    assert not model.table._forward_pre_hooks


def test_takes_large_tables_of_one_use(monkeypatch):
    monkeypatch.setattr(sparse_adamw, "LARGE", ROWS)
    model = Tiny()
    model.distances = torch.nn.Embedding(ROWS, 8)  # which a model may read as a matrix
    assert sparse_adamw.tables(model) == [model.table]
    model.out = torch.nn.Linear(8, ROWS)
    model.out.weight = model.table.weight
    assert sparse_adamw.tables(model) == []
    monkeypatch.setattr(sparse_adamw, "LARGE", ROWS + 1)
    assert sparse_adamw.tables(Tiny()) == []


def test_clips_as_torch_does():
    norms = []
    for sparse in (True, False):
        model, _ = made(sparse)
        ids = torch.tensor([[3, 3, 5], [5, 7, 0]])
        (model(ids).square().sum() * 100).backward()
        clip = sparse_adamw.clip if sparse else torch.nn.utils.clip_grad_norm_
        norms.append(clip(model.parameters(), 0.5))
        grads = [p.grad.to_dense() for p in model.parameters()]
        assert torch.linalg.vector_norm(torch.stack([g.norm() for g in grads])) == pytest.approx(0.5, rel=1e-4)
    assert norms[0] > 0.5
    assert norms[0] == pytest.approx(float(norms[1]), rel=1e-5)
