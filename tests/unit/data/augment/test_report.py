from toolkit.commands import _augment_report as report

GAIN = {"value": 0.0123, "low": -0.00449, "high": 0.0291}


def test_the_gain_is_told_in_per_cent_and_points():
    found = {"rows": 40, "without": 0.9501, "with": 0.96239, "gain": GAIN}
    (section,) = report.gain_section({"check": {"all": found, "jitter": found}})
    assert section["table"]["columns"][2:] == ["right without, %", "right with, %", "gain, points (95% interval)"]
    points = {"value": 1.2, "low": -0.4, "high": 2.9}
    assert section["table"]["rows"] == [["all", 40, 95.0, 96.2, points], ["jitter", 40, 95.0, 96.2, points]]
    assert "--model" not in section["text"]
    (section,) = report.gain_section({"check": {"all": found, "model": found}})
    assert "--model" in section["text"]
    assert report.gain_section({}) == []


def test_curves_are_drawn_each_method_once_first():
    wave, short = [[0.0, 1.0, 0.0, 1.0], [5.0]], [[0.0, 1.0]]
    one = ("jitter", "Walking", {"parent": wave, "new": wave})
    mixed = ("linear_mixing", "", {"parent": wave, "new": wave, "partner": short})
    drawn = report._drawn({"curves": [one] * 20 + [mixed]})
    captions = [figure["caption"] for figure in drawn["figures"]]
    assert captions == ["jitter · Walking", "linear mixing", *["jitter · Walking"] * (report.MOST_FIGURES - 2)]
    assert report._drawn({"table": "as it is"}) == {"table": "as it is"}
