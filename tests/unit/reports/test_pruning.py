from toolkit.reports import pruning

NAMES = {"ffn": "neurons", "layers": "layers"}


def test_each_part_is_a_line_from_the_whole_model():
    found = [("ffn", 0.9, 1.2), ("ffn", 0.7, 1.5), ("layers", 0.6, 2.0)]
    figure = pruning.trade(
        [{"part": part, "accuracy": accuracy, "speedup": speedup} for part, accuracy, speedup in found], 0.95, NAMES
    )
    drawn = [line.get_xydata().tolist() for line in figure.axes[0].get_lines()]
    assert [[1.0, 0.95], [1.2, 0.9], [1.5, 0.7]] in drawn
    assert [[1.0, 0.95], [2.0, 0.6]] in drawn
    assert {"neurons", "layers"} <= {text.get_text() for text in figure.findobj(match=lambda a: hasattr(a, "get_text"))}


def test_layers_are_told_by_part_and_amount_with_gaps_where_none_may_go():
    found = [("ffn", 0, 0.5, 0.9), ("ffn", 1, 0.5, 0.8), ("layers", 1, 1.0, 0.4)]
    keys = ("part", "layer", "amount", "accuracy")
    figure = pruning.by_layer([dict(zip(keys, values, strict=True)) for values in found], 0.95, NAMES)
    drawn = [line.get_xydata().tolist() for line in figure.axes[0].get_lines()]
    assert [[0, 0.95], [1, 0.95]] in drawn
    assert [[0, 0.9], [1, 0.8]] in drawn
    assert [[1, 0.4]] in drawn
