from typing import Annotated

import pytest

from toolkit.data.augment import strategy
from toolkit.data.augment.strategy import Between, Count, Draw, Positive, Share
from toolkit.errors import ToolkitError


def swap(text, rng, *, alpha: Share = 0.1, table):
    return alpha, table


def mix(image, rng, *, alpha: Positive = 1.0, size: Count = 3, tint: str = "red", shift: float = 0.0):
    return alpha, size


def turn(image, rng, *, degrees: Annotated[float, Between(0, 180)] = 15.0, fill: bool = False, top: int | None = None):
    return degrees


def flip(image, rng):
    return image


TABLE = {"swap": swap, "mix": mix, "turn": turn, "flip": flip}


def parse(entries, first="p"):
    return strategy.parse(entries, TABLE, first, "here")


def refused(entries, first="p"):
    with pytest.raises(ToolkitError) as caught:
        parse(entries, first)
    return f"{caught.value} | {caught.value.hint}"


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ({"swap": 0.3}, [Draw("swap", 0.3, {})]),
        ({"swap": 1}, [Draw("swap", 1.0, {})]),
        ({"swap": True}, [Draw("swap", 0.5, {})]),
        ({"swap": {}}, [Draw("swap", 0.5, {})]),
        ({"swap": {"p": 0.2, "alpha": 0.4}}, [Draw("swap", 0.2, {"alpha": 0.4})]),
        ({"mix": [2, 4]}, [Draw("mix", 0.5, {"alpha": 2.0, "size": 4})]),
        ({"mix_alpha": 0.4, "mix_size": 2}, [Draw("mix", 0.5, {"alpha": 0.4, "size": 2})]),
        ({"mix": {"p": 0.1}, "mix_tint": "blue"}, [Draw("mix", 0.1, {"tint": "blue"})]),
        ({"turn": {"top": None, "fill": True}}, [Draw("turn", 0.5, {"top": None, "fill": True})]),
        ({"swap": False, "flip": 0.1, "mix": None}, [Draw("flip", 0.1, {})]),
        ({"turn": [], "swap": 0}, [Draw("turn", 0.5, {})]),
    ],
)
def test_what_an_entry_says(entries, expected):
    assert parse(entries) == expected


def test_a_bare_number_of_a_kind_without_weights_is_the_first_parameter():
    assert parse({"turn": 30, "mix": 2.5}, None) == [
        Draw("turn", 0.5, {"degrees": 30.0}),
        Draw("mix", 0.5, {"alpha": 2.5}),
    ]
    assert parse({"flip": 0.2}, None) == [Draw("flip", 0.2, {})]


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ({"swop": 0.3}, "no method 'swop' | did you mean swap?"),
        ({"mix_alpa": 0.3}, "no method 'mix_alpa'"),
        ({"swap": {"alfa": 0.3}}, "swap has no parameter 'alfa' | did you mean alpha?"),
        ({"swap": {"table": 3}}, "swap has no parameter 'table'"),
        ({"swap": 1.5}, "p of swap is 1.5 | it must be between 0 and 1"),
        ({"swap": -0.1}, "p of swap is -0.1 | it must be between 0 and 1"),
        ({"swap": float("nan")}, "p of swap is nan"),
        ({"swap": {"alpha": 2}}, "alpha of swap is 2"),
        ({"swap": {"alpha": "much"}}, "alpha of swap is 'much' | it must be of type float"),
        ({"swap": {"alpha": True}}, "alpha of swap is True"),
        ({"swap": "0.3"}, "p of swap is '0.3'"),
        ({"mix": [-1]}, "alpha of mix is -1.0 | it must be at least 0"),
        ({"mix": [1, 0]}, "size of mix is 0 | it must be at least 1"),
        ({"mix": [1, 1.5]}, "size of mix is 1.5 | it must be of type int"),
        ({"mix": {"shift": float("inf")}}, "shift of mix is inf | it must be finite"),
        ({"swap": [0.1, 0.2]}, "swap is given 2 values | its parameters are alpha"),
        ({"flip": [1]}, "flip is given 1 values | it takes no parameters"),
        ({"turn": {"fill": 1}}, "fill of turn is 1 | it must be of type bool"),
        ({1: 2}, "no method '1'"),  # as YAML reads `1: 2`
        ({True: 2}, "no method 'True'"),
        ({"swap": {1: 2}}, "swap has no parameter '1'"),
        ({"swap": {"alpha": 10**400}}, "alpha of swap is too large"),
        ({"mix": [1, 10**400]}, "size of mix is too large"),
        ({"swap": 0}, "no method has a weight above 0"),
        ({}, "no method has a weight above 0"),
    ],
)
def test_what_is_refused(entries, told):
    out = refused(entries)
    assert told.split(" | ")[0] in out
    assert told.split(" | ")[-1] in out
    assert out.startswith("here: ")


def test_sections():
    kinds = ("text", "image")
    both = {"text": {"swap": 1}, "image": {"mix": 2}}
    assert strategy.section(both, "image", kinds, "here") == {"mix": 2}
    assert strategy.section({"swap": 1}, "text", kinds, "here") == {"swap": 1}
    for mapping, message in (
        ({"text": {}, "imag": {}}, "no kind of content 'imag'"),
        ({"text": {"swap": 1}}, "no section 'image'"),
        ({"text": {}, "image": 3}, "no section 'image'"),
        ({"text": {}, 1: {}}, "no kind of content '1'"),
    ):
        with pytest.raises(ToolkitError, match=message):
            strategy.section(mapping, "image", kinds, "here")


def test_single_options():
    assert strategy.options(["swap", "mix=0.3", ' turn={"p": 1}', "flip=[1, 2]"]) == {
        "swap": {},
        "mix": 0.3,
        "turn": {"p": 1},
        "flip": [1, 2],
    }
    with pytest.raises(ToolkitError, match="--method mix=much"):
        strategy.options(["mix=much"])


def test_a_default_reaches_where_the_strategy_is_silent():
    draws = parse({"swap": {"alpha": 0.3}, "mix": 1.0, "flip": 1.0})
    assert strategy.with_default(draws, TABLE, "alpha", 0.7) == [
        Draw("swap", 1.0 * 0.5, {"alpha": 0.3}),
        Draw("mix", 1.0, {"alpha": 0.7}),
        Draw("flip", 1.0, {}),
    ]


def test_a_method_gets_its_parameters_and_resources():
    bound = strategy.bind(Draw("swap", 1.0, {"alpha": 0.2}), TABLE, {"table": "a table", "other": 1})
    assert bound("text", None) == (0.2, "a table")
    with pytest.raises(ToolkitError, match="swap needs --table"):
        strategy.bind(Draw("swap", 1.0, {}), TABLE, {"other": 1})
