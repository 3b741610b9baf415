from toolkit.reports import canvas, side_by_side


def told(accuracy, **more):
    return {"accuracy": accuracy, "samples_per_second": 1234.5, "latency_ms": {"p50": 2.0, "p95": 3.456}} | more


def test_a_row_a_figure_that_all_models_have():
    rows = side_by_side.rows(told(0.91234, parameters=1_000_000), told(0.9, parameters=500_000, startup_seconds=2.0))
    assert rows == [
        ["accuracy", "0.9123", "0.9000"],
        ["samples a second", "1,234", "1,234"],
        ["latency p50, ms", "2.00", "2.00"],
        ["latency p95, ms", "3.46", "3.46"],
        ["parameters", "1,000,000", "500,000"],
    ]
    assert side_by_side.rows(told(1, peak_memory_bytes=123_456_789))[-1] == ["peak memory, MB", "123"]


def test_evaluations_as_dots():
    quality = {"accuracy": {"value": 0.9, "low": 0.8, "high": 0.95}}
    efficiency = told(0) | {"parameters": None, "size_bytes": 5}
    metrics = {"quality": quality, "efficiency": efficiency}
    assert side_by_side.evaluated(metrics) == [None, 5, 1234.5, 2.0, quality["accuracy"]]
    assert "评估" in canvas.svg(side_by_side.trade({"评估": metrics}, xlabel="x", ylabel="y"))
