from toolkit.reports import canvas
from toolkit.reports.pareto import front, pareto


def test_front_holds_what_no_other_beats_in_both():
    points = [(1.0, 0.9), (2.0, 0.8), (1.5, 0.7), (3.0, 0.8), (4.0, 0.5)]
    assert front(points) == [0, 3, 4]


def test_of_equal_points_one_is_on_the_front():
    assert len(front([(1.0, 0.9), (1.0, 0.9)])) == 1


def test_figure_names_its_models_and_leaves_out_what_has_no_speed():
    drawn = canvas.svg(
        pareto(
            {"small": (100.0, (0.8, 0.7, 0.9)), "模型": (10.0, (0.9, 0.8, 1.0)), "absent": (0.0, (1, 1, 1))}, xlabel="x"
        )
    )
    assert "small" in drawn
    assert "模型" in drawn
    assert "absent" not in drawn


def test_speeds_close_together_can_be_read_from_the_axis():
    figure = pareto({"a": (65.0, (0.8, 0.7, 0.9)), "b": (79.0, (0.9, 0.8, 1.0))}, xlabel="x")
    axis = figure.axes[0].xaxis
    low, high = axis.get_view_interval()
    assert sum(low <= place <= high for place in axis.get_majorticklocs()) >= 3
    assert len(axis.get_minorticklocs()) == 0
