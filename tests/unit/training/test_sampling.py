import numpy as np

from toolkit.training.sampling import LengthGroupedBatches


def batches(epoch, seed=0, rows=1000, size=32):
    sampler = LengthGroupedBatches(np.arange(rows) % 97 + 1, size, seed)
    sampler.set_epoch(epoch)
    return list(sampler), sampler


def test_every_row_once_an_epoch():
    found, sampler = batches(0)
    assert sorted(i for batch in found for i in batch) == list(range(1000))
    assert len(found) == len(sampler) == 32


def test_order_is_decided_by_seed_and_epoch_alone():
    assert batches(3)[0] == batches(3)[0]
    assert batches(3)[0] != batches(4)[0]
    assert batches(3, seed=1)[0] != batches(3, seed=2)[0]


def test_lengths_within_a_batch_are_alike():
    found, sampler = batches(0)
    spread = [np.ptp(sampler.lengths[batch]) for batch in found]
    assert np.mean(spread) < 10  # of 96 that random batches would show


def test_no_row_is_alone_in_a_batch():
    found, sampler = batches(0, rows=65)
    assert sorted(map(len, found)) == [2, 31, 32]
    assert sorted(i for batch in found for i in batch) == list(range(65))
    assert len(sampler) == 3
    assert [len(batch) for batch in batches(0, rows=3, size=1)[0]] == [1, 1, 1]
