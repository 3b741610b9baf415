"""AdamW that steps only those rows of embedding tables that a batch reads, and the others when they are next read.

Half of a small encoder's weights are its vocabulary, of which a batch has one row in a hundred. A dense step over the
table (its gradient, its norm, its moments) costs as much as that of all layers, and changes the other rows in a known
way. With no gradient, step j multiplies a weight by 1 - lr_j decay and subtracts

    lr_j * (m b1^(j-s) / (1 - b1^j)) / (sqrt(v b2^(j-s) / (1 - b2^j)) + eps),

m and v being the moments after step s, the row's last one. Put together, the steps since then make of the weight

    weight * prod_j(1 - lr_j decay)
        - m / (sqrt(v) + mean_j(eps_j)) * sum_j(lr_j r^(j-s) sqrt(1 - b2^j) / (1 - b1^j) prod_later(1 - lr decay)),

eps_j = eps sqrt((1 - b2^j) / b2^(j-s)), r = b1 / sqrt(b2): product, sum and mean (weighted by the sum's terms) are the
same for all rows with the same s, and a row is caught up in one go before it is read. This is AdamW (Loshchilov &
Hutter, 2019) but for rounding, and for the mean in the place of each eps_j: an error of second order in eps / sqrt(v),
to be seen only in weights whose gradients are hardly larger than eps (1e-8) itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import Any

import torch

LARGE = 2048  # rows of a table; a smaller one costs little
SPAN = 256  # steps after which every row is caught up, so that what is remembered of past steps stays small
TINY = 1e-40
DECAY, SHIFT, FIRST, SECOND, EPS = range(5)  # columns of `since`: what a row last stepped then has missed up to now


def tables(model: Any) -> list[torch.nn.Embedding]:
    """The vocabulary's table, where it is worth it: large, and of no other use (an output layer tied to it reads all).

    Others are left alone: DeBERTa reads its table of distances as a matrix, where no hook would see which rows.
    """
    try:
        table = model.get_input_embeddings()
    except NotImplementedError:  # how convolutional networks say that they have none
        return []
    uses = Counter(id(p) for _, p in model.named_parameters(remove_duplicate=False))
    worth = type(table) is torch.nn.Embedding and table.num_embeddings >= LARGE and uses[id(table.weight)] == 1
    return [table] if worth else []


class SparseAdamW(torch.optim.AdamW):
    """AdamW; the weights of `embeddings` are stepped by rows, which these read only after they have been caught up."""

    def __init__(
        self, params: Any, lr: float, betas: tuple[float, float], embeddings: Sequence[torch.nn.Embedding]
    ) -> None:
        super().__init__(params, lr, betas, fused=True)
        self.tables = {embedding.weight for embedding in embeddings}
        self.undo = ExitStack()
        for embedding in embeddings:
            embedding.sparse = True
            hook = embedding.register_forward_pre_hook(self._read)
            self.undo.callback(hook.remove)
            self.undo.callback(setattr, embedding, "sparse", False)

    def _read(self, module: torch.nn.Embedding, given: Any) -> None:
        if state := self.state.get(module.weight):
            catch_up(module.weight, state, given[0])

    def close(self) -> None:
        """Leave the embeddings as they were; their rows are current only after `settle`."""
        self.undo.close()

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        loss = closure() if closure else None
        sparse = [(group, p, p.grad) for group in self.param_groups for p in group["params"] if p in self.tables]
        sparse = [(group, p, grad) for group, p, grad in sparse if grad is not None]
        for _, p, _ in sparse:
            p.grad = None
        super().step()
        for group, p, grad in sparse:
            p.grad = grad.coalesce()
            self._step_rows(group, p, p.grad.indices()[0], p.grad.values())
        return loss

    def _step_rows(self, group: dict[str, Any], p: Any, rows: Any, grad: Any) -> None:
        state = self.state[p] or self._begin(p, group["eps"])
        lr, (beta1, beta2), since = float(group["lr"]), group["betas"], state["since"]
        state["step"] += 1
        step = int(state["step"])
        kept, unbias1, unbias2 = 1 - lr * group["weight_decay"], 1 - beta1**step, (1 - beta2**step) ** 0.5

        first = state["exp_avg"][rows].lerp_(grad, 1 - beta1)
        second = state["exp_avg_sq"][rows].mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        update = first.div(second.sqrt().div_(unbias2).add_(group["eps"]))
        p.index_copy_(0, rows, p[rows].mul_(kept).sub_(update, alpha=lr / unbias1))
        state["exp_avg"].index_copy_(0, rows, first)
        state["exp_avg_sq"].index_copy_(0, rows, second)

        past = since[: state["current"] + 1]
        past[:, FIRST] *= beta1
        past[:, SECOND] *= beta2
        past[:, DECAY] *= kept
        shrunk = past[:, SECOND].sqrt()
        moved = past[:, FIRST] / shrunk * (lr * unbias2 / unbias1)
        past[:, SHIFT] = past[:, SHIFT] * kept + moved
        past[:, EPS] = past[:, EPS] * kept + moved / shrunk * (group["eps"] * unbias2)
        state["current"] += 1
        since[state["current"]] = _nothing(group["eps"])
        state["seen"][rows] = state["current"]
        if state["current"] == SPAN:
            settle(p, state)

    def _begin(self, p: Any, eps: float) -> Any:
        since = torch.zeros(SPAN + 1, 5, dtype=torch.float64)
        since[0] = _nothing(eps)
        self.state[p].update(
            step=torch.tensor(0.0), current=0, since=since, seen=torch.zeros(len(p), dtype=torch.int64),
            exp_avg=torch.zeros_like(p), exp_avg_sq=torch.zeros_like(p),
        )  # fmt: skip
        return self.state[p]

    def settle(self) -> None:
        """Make every weight what it is to be, as before the model is judged or its weights are kept."""
        for p in self.tables:
            if state := self.state.get(p):
                settle(p, state)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """The state of a `SparseAdamW`, or of a dense AdamW, of which every row is current."""
        super().load_state_dict(state_dict)
        # The base class brings all to the weights' type, which float64 and counts do not survive.
        own = ((p, group["eps"]) for group in self.param_groups for p in group["params"])
        for number, (p, eps) in enumerate(own):
            if p in self.tables and number in state_dict["state"]:
                given = state_dict["state"][number].items()
                self._begin(p, eps).update({k: v.clone() if isinstance(v, torch.Tensor) else v for k, v in given})


@torch.no_grad()
def catch_up(p: Any, state: dict[str, Any], rows: Any) -> None:
    """Give these rows (ids in any shape, repeated or not) the steps without gradient that they have missed."""
    rows = rows.unique()
    rows = rows[state["seen"][rows] != state["current"]]
    missed = state["since"][state["seen"][rows]]
    missed[:, EPS] /= missed[:, SHIFT]
    decay, shift, beta1, beta2, eps = missed.to(p.dtype).unsqueeze(-1).unbind(1)
    first, second = state["exp_avg"][rows], state["exp_avg_sq"][rows]
    update = first.div(second.sqrt().add_(eps)).mul_(shift)
    p.index_copy_(0, rows, p[rows].mul_(decay).sub_(update))
    state["exp_avg"].index_copy_(0, rows, first.mul_(beta1))
    state["exp_avg_sq"].index_copy_(0, rows, second.mul_(beta2))
    state["seen"][rows] = state["current"]


def settle(p: Any, state: dict[str, Any]) -> None:
    """Catch up the whole table and forget the past."""
    for rows in torch.arange(len(p), device=p.device).split(LARGE):  # part by part, for the memory's sake
        catch_up(p, state, rows)
    state["since"][0] = state["since"][state["current"]]
    state["current"] = 0
    state["seen"].zero_()


def settle_for_dense(optimizer: torch.optim.Optimizer) -> None:
    """Make a dense optimizer of one that took up the state of a `SparseAdamW` (a run goes on at another precision)."""
    for p, state in optimizer.state.items():
        if "since" in state:
            state["seen"] = state["seen"].long()  # loading brings all to the weights' type
            settle(p, state)
            for key in ("since", "seen", "current"):
                del state[key]


def _nothing(eps: float) -> torch.Tensor:
    """What a row has missed that is current; the shift above 0, so that the mean of eps is one."""
    return torch.tensor([1.0, TINY, 1.0, 1.0, TINY * eps], dtype=torch.float64)


def clip(weights: Iterable[torch.nn.Parameter], most: float) -> torch.Tensor:
    """Scale gradients, dense and sparse, to a common norm of at most `most`; returns what it was."""
    grads: list[torch.Tensor] = []
    for p in weights:
        if p.grad is not None and p.grad.is_sparse:
            p.grad = p.grad.coalesce()
            grads.append(p.grad.values())
        elif p.grad is not None:
            grads.append(p.grad)
    norm = torch.nn.utils.get_total_norm(grads)
    if norm > most:
        torch._foreach_mul_(grads, most / (norm + 1e-6))
    return norm
