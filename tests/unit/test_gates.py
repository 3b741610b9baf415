import pytest

from toolkit.errors import ToolkitError
from toolkit.gates import check, figure, judge_bounds, judge_drops, parse

FIGURES = {
    "quality": {"accuracy": {"value": 0.9, "low": 0.8, "high": 0.95}, "auc": {"value": None}, "a=b": 1},
    "per_class": {"v1": {"2": {"f1": None}}, "v1.2": {"f1": {"value": 0.7}}, "v1.2.f1": {"f1": {"value": 0.6}}},
    "efficiency": {"latency_ms": {"p95": 12}, "size_bytes": 100, "fast": True},
}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("0.9", ("quality.accuracy", 0.9)),
        ("=0.9", ("quality.accuracy", 0.9)),
        ("efficiency.latency_ms.p95=20", ("efficiency.latency_ms.p95", 20.0)),
        ("quality.a=b=1e-3", ("quality.a=b", 0.001)),
        (" quality.f1_macro = .5", ("quality.f1_macro", 0.5)),
        ("-1", ("quality.accuracy", -1.0)),
    ],
)
def test_parse(given, expected):
    assert parse(given) == expected


@pytest.mark.parametrize("given", ["", "quality.accuracy", "quality.accuracy=", "x=high", "nan", "x=inf", "0.9=x"])
def test_bounds_that_are_no_numbers(given):
    with pytest.raises(ToolkitError, match="has no number: write PATH=BOUND"):
        parse(given)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("quality.accuracy", 0.9),
        ("quality.accuracy.low", 0.8),
        ("efficiency.latency_ms.p95", 12.0),
        ("efficiency.size_bytes", 100.0),
        ("per_class.v1.2.f1", 0.7),
        ("per_class.v1.2.f1.f1", 0.6),
    ],
)
def test_figure(path, value):
    assert figure(FIGURES, path) == value


@pytest.mark.parametrize(
    "path", ["quality", "quality.f1", "quality.auc", "efficiency.fast", "efficiency.size_bytes.x", "quality."]
)
def test_figures_that_are_not_there(path):
    assert figure(FIGURES, path) is None
    assert not judge_bounds(FIGURES, [f"{path}=0"], [f"{path}=1"])[1]["passed"]


def test_bounds_hold_at_equality():
    gates = judge_bounds(FIGURES, ["0.9", "0.91"], ["efficiency.size_bytes=100", "efficiency.size_bytes=99"])
    assert [gate["passed"] for gate in gates] == [True, False, True, False]
    assert gates[0] == {"name": "quality.accuracy", "bound": 0.9, "value": 0.9, "passed": True}
    assert judge_bounds({}, [], []) == []


KNOWN = {"quality": None, "efficiency": {"latency_ms": {"p50": None, "p95": None}, "size_bytes": None}}


@pytest.mark.parametrize(
    "given", ["0.9", "quality.what.ever=1", "efficiency.latency_ms.p95=20", "efficiency.size_bytes=3"]
)
def test_gates_on_figures_that_will_come(given):
    check([given], KNOWN)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("qualty.accuracy=1", "has no figure 'qualty': did you mean quality?"),
        ("efficiency.latency_ms.p59=1", r"efficiency.latency_ms has no figure 'p59': did you mean p9?5"),
        ("efficiency.speed=1", "efficiency has no figure 'speed': known are latency_ms, size_bytes"),
        ("efficiency.latency_ms=1", "efficiency.latency_ms is no figure itself: it holds p50, p95"),
        ("quality.accuracy=high", "has no number"),
    ],
)
def test_gates_on_figures_that_will_not(given, says):
    with pytest.raises(ToolkitError, match=says):
        check([given], KNOWN)


def test_drops_are_from_each_baseline():
    better, undefined = ({"quality": {"accuracy": {"value": v, "low": v, "high": v}}} for v in (0.95, None))
    gates = judge_drops(
        FIGURES, {"old": better, "new": FIGURES, "odd": undefined}, ["0.02", "quality.accuracy.low=0.2"]
    )
    assert [(gate["name"], gate["passed"]) for gate in gates] == [
        ("drop of quality.accuracy from old", False),
        ("drop of quality.accuracy from new", True),
        ("drop of quality.accuracy from odd", False),
        ("drop of quality.accuracy.low from old", True),
        ("drop of quality.accuracy.low from new", True),
        ("drop of quality.accuracy.low from odd", False),
    ]
    assert gates[0]["value"] == pytest.approx(0.05)
