import pytest

from toolkit.training.divergence import diverged, sound


def every(step, *losses):
    return [(1, losses[0]), *[(step * (i + 1), loss) for i, loss in enumerate(losses[1:])]]


@pytest.mark.parametrize(
    ("losses", "lost"),
    [
        ([], False),
        ([(1, 900.0)], False),  # nothing to compare it with
        (every(20, 1.8, 1.7, 1.2, 0.4), False),
        (every(20, 1.8, 1.9, 7.0), False),  # it happens
        (every(20, 1.8, 1.9, 7.4), True),
        (every(20, 0.01, 0.02, 0.9), False),  # a model that knew its rows and learns others
        (every(20, 0.01, 0.02, 4.1), True),
        (every(1, 1.8, *[1.7] * 30, 50.0), False),  # one batch
        (every(1, 1.8, *[1.7] * 30, *[9.0] * 10), True),
        (every(1, 1.8, *[9.0] * 9), False),  # too early to tell
        (every(3, 1.8, *[1.7] * 9, 9.0, 9.0, 9.0, 9.0), True),
    ],
)
def test_a_loss_far_above_the_first_for_ten_steps_is_a_divergence(losses, lost):
    assert bool(diverged(losses)) == lost


def test_it_tells_the_recent_and_the_first_loss():
    assert diverged([(1, 2.0), (20, 1.5), (40, 12.0)]) == (12.0, 2.0)
    assert diverged([(1, 2.0), (5, 10.0), (20, 20.0)]) == (20.0, 2.0)
    assert diverged([(1, 2.0), (11, 10.0), (16, 40.0)]) == (pytest.approx(20.0), 2.0)


def test_all_was_well_until_the_loss_left_the_bound():
    assert sound(every(3, 1.8, 1.7, 7.0, 900.0, 900.0)) == 5
    assert sound(every(3, 0.1, 3.9, 4.1)) == 2
    assert sound([(1, 900.0)]) == 0


def test_a_few_heavy_rows_are_no_divergence():
    """8 rows of 1,208 with a weight of 75 each, in batches of 8: a window of 20 steps holds one or two of them."""
    healthy = every(20, 0.35, 0.5, 4.7, 2.0, 6.0, 0.9)
    assert diverged(healthy[:3])
    assert not any(diverged(healthy[:n], heaviest=75, batch=8) for n in range(len(healthy) + 1))
    assert sound(healthy, heaviest=75) == 99
    assert diverged(every(20, 0.35, 0.5, 300.0, 280.0), heaviest=75, batch=8)
    assert not diverged(every(1, 0.35, *[60.0] * 74), heaviest=75, batch=1)  # fewer rows than the heaviest weighs
    assert diverged(every(1, 0.35, *[60.0] * 80), heaviest=75, batch=1)
