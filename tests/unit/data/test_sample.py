from toolkit.data.sample import spread


def test_places_are_spread_over_all():
    assert spread(10, 4) == [0, 2, 5, 7]
    assert spread(7, 4) == [0, 1, 3, 5], "not the first four"
    assert spread(2, 4) == [0, 1]
    assert spread(0, 4) == []
