import pytest
import torch

from toolkit.training import optimization
from toolkit.training.config import Optim, Schedule, TrainConfig


def curve(steps=100, history=(), **options):
    rate = optimization.rate(Schedule(**({"warmup": 0.0} | options)), steps, lambda: list(history))
    return [rate(step) for step in range(steps + 1)]


def test_warm_up_is_a_share_of_the_steps():
    found = curve(warmup=0.1, scheduler="constant")
    assert found[:11] == pytest.approx([step / 10 for step in range(11)])
    assert set(found[10:]) == {1.0}


def test_linear_and_cosine_fall_to_the_floor():
    assert curve(scheduler="linear")[::25] == pytest.approx([1, 0.75, 0.5, 0.25, 0])
    assert curve(scheduler="cosine")[::50] == pytest.approx([1, 0.5, 0], abs=1e-9)
    assert curve(scheduler="cosine", floor=0.2)[::50] == pytest.approx([1, 0.6, 0.2])
    assert min(curve(scheduler="linear", floor=0.1)) == 0.1


def test_restarts_are_those_of_torch():
    """With T_0, T_mult and eta_min as shares."""
    weight = torch.nn.Parameter(torch.ones(1))
    sgd = torch.optim.SGD([weight], lr=1.0)
    like = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(sgd, T_0=10, T_mult=2, eta_min=0.1)
    expected = []
    for _ in range(70):
        expected.append(sgd.param_groups[0]["lr"])
        sgd.step()
        like.step()
    found = curve(70, scheduler="restarts", cycle=1 / 7, cycle_growth=2.0, floor=0.1)
    # at 10 and 30 a cycle ends and the next begins: float steps may round to either side
    places = [step for step in range(70) if step not in (10, 30)]
    assert [found[step] for step in places] == pytest.approx([expected[step] for step in places])


def test_the_last_cycle_ends_with_the_training():
    assert curve(70, scheduler="restarts")[-2] < 0.01


def test_restarts_grow():
    """Cycles of 1/7, 2/7 and 4/7 of the steps."""
    found = curve(70, scheduler="restarts", cycle=1 / 7, cycle_growth=2.0)
    assert [found[step] for step in (0, 10, 30)] == pytest.approx([1, 1, 1], abs=1e-6)
    assert [found[step] for step in (5, 20, 50)] == pytest.approx([0.5, 0.5, 0.5], abs=1e-6)
    assert max(found[9], found[29], found[70]) < 0.05


@pytest.mark.parametrize(
    ("history", "share"),
    [
        ([], 1),
        ([0.5, 0.6, 0.7], 1),
        ([0.5, 0.4], 1),
        ([0.5, 0.4, 0.4], 0.5),
        ([0.5, 0.4, 0.4, 0.6, 0.5], 0.5),
        ([0.5, 0.4, 0.4, 0.4, 0.4], 0.25),
    ],
)
def test_plateau_cuts_when_validation_gets_no_better(history, share):
    assert curve(history=history, scheduler="plateau", plateau_patience=1)[50] == share


def test_the_defaults():
    """Warm-up over a twentieth of the steps, linear down to nothing; patience of three."""
    rate = optimization.rate(Schedule(), 100, list)
    assert [rate(step) for step in (0, 5, 100)] == pytest.approx([0, 1, 0])
    assert TrainConfig().regularise.patience == 3


def test_norms_and_biases_do_not_decay():
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.LayerNorm(3))
    parts = [list(module.parameters()) for module in model]
    groups = optimization.optimizer(parts, Optim(weight_decay=0.3), 0.1).param_groups
    assert [(group["part"], group["weight_decay"], [p.ndim for p in group["params"]]) for group in groups] == [
        (0, 0.3, [2]),
        (0, 0.0, [1]),
        (1, 0.0, [1, 1]),
    ]


@pytest.mark.parametrize("name", optimization.OPTIMIZERS)
def test_each_optimizer_finds_the_least(name):
    torch.manual_seed(0)
    model, wanted = torch.nn.Linear(4, 4), torch.randn(4, 4)
    stepped = optimization.optimizer([[*model.parameters()]], Optim(optimizer=name, weight_decay=0.0), 0.02)
    losses = []
    for _ in range(300):
        loss = (model.weight - wanted).pow(2).sum() + model.bias.pow(2).sum()
        stepped.zero_grad()
        loss.backward()
        stepped.step()
        losses.append(float(loss))
    assert losses[-1] < 0.05 * losses[0]


@pytest.mark.parametrize("name", optimization.OPTIMIZERS)
def test_weights_may_have_their_first_gradient_late(name):
    """As with layers that thaw, or that LayerDrop leaves out."""
    early, late = (torch.nn.Parameter(torch.ones(2, 2)) for _ in range(2))
    stepped = optimization.optimizer([[early, late]], Optim(optimizer=name), 0.1)
    for late_too in (False, False, True, True):
        early.grad, late.grad = torch.ones(2, 2), torch.ones(2, 2) if late_too else None
        stepped.step()
        assert (late != 1).all() == late_too
    assert (early < late).all()


def test_lion_steps_by_the_sign():
    """By hand (Chen et al., 2023, algorithm 2)."""
    weight = torch.nn.Parameter(torch.tensor([1.0, -2.0, 3.0]))
    lion = optimization.Lion([weight], 0.1, (0.9, 0.99), weight_decay=0.5)
    moment = torch.zeros(3)
    expected = weight.detach().clone()
    for grad in ([1.0, -1.0, 0.0], [-20.0, 0.1, 0.3]):
        weight.grad = torch.tensor(grad)
        update = (0.9 * moment + 0.1 * weight.grad).sign()
        expected = expected - 0.1 * (update + 0.5 * expected)
        moment = 0.99 * moment + 0.01 * weight.grad
        lion.step()
        assert weight.detach().tolist() == pytest.approx(expected.tolist())


@pytest.mark.parametrize(("given", "adamw", "lion"), [(None, 0.999, 0.99), (0.95, 0.95, 0.95)])
def test_each_optimizer_has_its_papers_momentum(given, adamw, lion):
    for name, beta2 in (("adamw", adamw), ("lion", lion)):
        made = optimization.optimizer([[torch.nn.Parameter(torch.ones(1))]], Optim(optimizer=name, beta2=given), 0.1)
        assert made.param_groups[0]["betas"] == (0.9, beta2)
