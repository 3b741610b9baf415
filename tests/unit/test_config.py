"""Configs: from dataclasses to options and back."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer import Argument, Option

from toolkit import config
from toolkit.config import GATE, RUNTIME, Bounds, Config, Input
from toolkit.errors import ToolkitError, did_you_mean


@dataclass(frozen=True, kw_only=True)
class Inner:
    rate: Annotated[float | None, Option(help="x", min=0.0, max=1.0)] = None
    beta: Annotated[float, Bounds(-1, 1)] = 0.9
    shares: Annotated[dict[str, float] | None, Bounds(0)] = None


@dataclass(frozen=True, kw_only=True)
class Outer:
    inner: Inner = field(default_factory=Inner)
    size: Annotated[int, Option(help="x", min=1)] = 8
    workers: Annotated[int, Option(help="x"), RUNTIME] = 1


@dataclass(frozen=True, kw_only=True)
class Example(Config):
    source: Annotated[str, Argument(help="x"), Input("dataset")]
    student: Annotated[str, Option(help="x"), Input("model", literal=r"layers:\d+")] = "layers:3"
    mode: Annotated[Literal["fast", "slow"], Option(help="x")] = "fast"
    names: Annotated[list[str] | None, Option(help="x")] = None
    on: Annotated[bool, Option(help="x")] = True
    least: Annotated[list[str] | None, Option(help="x"), GATE] = None
    outer: Outer = field(default_factory=Outer)


def built(**values: Any) -> Example:
    made = config.build(Example, {"source": "x", **values})
    assert isinstance(made, Example)
    return made


def test_leaves_are_flat_and_in_order() -> None:
    found = {leaf.name: leaf for leaf in config.leaves(Example)}
    names = ["seed", "source", "student", "mode", "names", "on", "least", "rate", "beta", "shares", "size", "workers"]
    assert list(found) == names
    assert found["rate"].path == ("outer", "inner", "rate")
    assert [n for n, leaf in found.items() if leaf.required] == ["source"]
    assert [n for n, leaf in found.items() if not leaf.cli] == ["beta", "shares"]
    assert found["student"].flag == "--student"


def test_what_is_asked_for() -> None:
    assert config.changed(built()) == []
    asked = config.changed(built(beta=0.5, mode="slow", student="m", least=["f1=1"], workers=3))
    assert [leaf.name for leaf in asked] == ["student", "mode", "beta"], "gates and what decides nothing are left out"


def test_what_decides() -> None:
    undecided = {leaf.name for leaf in config.leaves(Example) if not leaf.decides}
    assert undecided == {"source", "student", "least", "workers"}
    assert config.as_dict(built(), only_deciding=True) == {
        "seed": 0,
        "mode": "fast",
        "names": None,
        "on": True,
        "outer": {"inner": {"rate": None, "beta": 0.9, "shares": None}, "size": 8},
    }


def test_as_dict_leaves_out_what_stands_among_the_inputs() -> None:
    assert "source" not in config.as_dict(built())
    assert config.as_dict(built(student="m"))["student"] == "m"


def test_value_of() -> None:
    made = built(rate=0.5, size=3)
    values = {leaf.name: config.value_of(made, leaf) for leaf in config.leaves(Example)}
    assert (values["rate"], values["size"], values["source"]) == (0.5, 3, "x")


def test_what_is_converted() -> None:
    assert built(source=Path("a/b")).source == "a/b"
    assert isinstance(built(rate=1).outer.inner.rate, float)
    assert built(names="one").names == ["one"]
    assert built(names=("a", "b")).names == ["a", "b"]
    assert built(names=[Path("a")]).names == ["a"]
    assert built(rate=None).outer.inner.rate is None
    assert built(shares={"a": 2}).outer.inner.shares == {"a": 2.0}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"siez": 3}, "unknown option 'siez': did you mean size"),
        ({"size": 0}, "--size is 0: it must be at least 1"),
        ({"rate": 1.5}, "--rate is 1.5: it must be at least 0.0 and at most 1.0"),
        ({"rate": -1}, "--rate is -1.0: it must be at least 0.0"),
        ({"rate": float("nan")}, "finite"),
        ({"beta": float("inf")}, "finite"),
        ({"beta": 10**400}, "type float"),
        ({"beta": 1.5}, "inner.beta is 1.5: it must be at least -1 and at most 1"),
        ({"shares": {"a": -1}}, "inner.shares is -1.0: it must be at least 0"),
        ({"shares": {"a": "b"}}, "type float"),
        ({"shares": 3}, "type dict"),
        ({"size": True}, "type int"),
        ({"size": 3.0}, "type int"),
        ({"size": None}, "type int"),
        ({"size": "3"}, "type int"),
        ({"on": 1}, "type bool"),
        ({"mode": "fats"}, "did you mean fast"),
        ({"mode": ["fast"]}, "--mode is"),
        ({"names": [3]}, "type str"),
        ({"names": {"a": 1}}, "type str"),
        ({"outer": {"size": 3}}, "unknown option 'outer'"),
        ({"source": None}, "type str"),
    ],
)
def test_what_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ToolkitError) as e:
        built(**values)
    assert message in str(e.value)


def test_what_is_missing() -> None:
    with pytest.raises(ToolkitError, match="missing: source"):
        config.build(Example, {})


@pytest.mark.parametrize(
    "mapping",
    [
        {"rate": 0.5},
        {"inner": {"rate": 0.5}},
        {"outer": {"inner": {"rate": 0.5}}},
        {"outer": {"rate": 0.5}},
        {"outer.inner.rate": 0.5},
        {"inner.rate": 0.5},
        {"outer.inner": {"rate": 0.5}},
    ],
)
def test_groups_nested_or_not(mapping: dict[str, Any]) -> None:
    assert config.flatten(Example, mapping, "x") == {"rate": 0.5}


@pytest.mark.parametrize(
    "mapping", [{"inner": {"size": 3}}, {"inner.size": 3}, {"nosuch": {"size": 3}}, {"rate.rate": 1}, {3: 1}]
)
def test_a_key_in_the_wrong_group(mapping: dict[str, Any]) -> None:
    with pytest.raises(ToolkitError, match="unknown key"):
        config.flatten(Example, mapping, "x")


def test_load_drops_null_and_takes_over_an_artifact(tmp_path: Path) -> None:
    (tmp_path / "artifact.json").write_text(
        '{"kind": "model", "config": {"seed": 3, "names": null, "outer": {"size": 2}}}'
    )
    assert config.load(Example, str(tmp_path)) == {"seed": 3, "size": 2}
    (tmp_path / "best.json").write_text('{"config": {"size": 5}}')
    assert config.load(Example, str(tmp_path)) == {"size": 5}


def test_the_config_of_another_command_is_named_as_that(tmp_path: Path) -> None:
    (tmp_path / "artifact.json").write_text('{"command": "split", "config": {"group": "a"}}')
    with pytest.raises(ToolkitError, match="was made by 'toolkit split', which has other options"):
        config.load(Example, str(tmp_path))


def test_a_yaml_number_may_be_written_with_an_exponent(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("a: [1e-5, -2.5E+3, 1e, e5, '1e-5', 1.0e-5]")
    told = config.read_mapping(tmp_path / "c.yaml", "it")
    assert told == {"a": [1e-5, -2500.0, "1e", "e5", "1e-5", 1e-5]}


def test_a_secret_is_read_but_not_shown() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Kept(config.Config):
        place: Annotated[str | None, config.SECRET] = None

    made = config.build(Kept, {"place": "mysql://me:word@host/db"})
    assert made.place == "mysql://me:word@host/db"
    assert config.as_dict(made) == {"seed": 0, "place": "mysql://me:***@host/db"}
    assert config.as_dict(Kept()) == {"seed": 0, "place": None}


def test_load_takes_a_mark_of_byte_order(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text('{"seed": 3}', encoding="utf-8-sig")
    assert config.load(Example, str(tmp_path / "c.json")) == {"seed": 3}


@pytest.mark.parametrize(
    ("pair", "value"),
    [
        ("beta=0.98", {"beta": 0.98}),
        ("outer.inner.beta=0.98", {"beta": 0.98}),
        ("student=3", {"student": "3"}),
        ("student=layers:2", {"student": "layers:2"}),
        ("rate=null", {"rate": None}),
        ("names=a=b", {"names": "a=b"}),
        ('names=["a", "b"]', {"names": ["a", "b"]}),
        ("on=false", {"on": False}),
        ("source=", {"source": ""}),
    ],
)
def test_assignments(pair: str, value: dict[str, Any]) -> None:
    assert config.assignments(Example, [pair]) == value


SIMPLE = st.fixed_dictionaries(
    {},
    optional={
        "seed": st.integers(0, 2**31 - 1),
        "mode": st.sampled_from(["fast", "slow"]),
        "names": st.lists(st.text(), max_size=3),
        "on": st.booleans(),
        "rate": st.floats(0, 1),
        "beta": st.floats(-1, 1),
        "size": st.integers(1, 10**6),
    },
)


@given(SIMPLE)
def test_a_configs_dict_gives_the_config_again(values: dict[str, Any]) -> None:
    made = built(**values)
    again = config.flatten(Example, config.as_dict(made), "x")
    assert built(**again) == made


def test_did_you_mean() -> None:
    assert did_you_mean("epoch", ["epochs", "seed"]) == "did you mean epochs?"
    assert did_you_mean("zzz", ["b", "a"]) == "known are a, b"
