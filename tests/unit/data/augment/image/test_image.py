import io
import random

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from toolkit.data import images
from toolkit.data.augment import image as augmenting
from toolkit.data.augment import run, strategy
from toolkit.data.augment.grow import Wish, grow
from toolkit.data.augment.image import sheet
from toolkit.data.augment.run import Task
from toolkit.data.images.decode import decode
from toolkit.errors import ToolkitError

CELL = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
ISSUE = {
    "cutmix_alpha": 1.0,
    "mixup_alpha": 0.4,
    "color_jitter": [0.8, 0.8, 0.8, 0.2],
    "rotate": 15,
    "scale": [0.9, 1.1],
}


def picture(seed=0, height=40, width=56):
    rng = np.random.default_rng(seed)
    soft = Image.fromarray(rng.integers(20, 235, (5, 7, 3), dtype=np.uint8))
    return soft.resize((width, height), Image.Resampling.BICUBIC)


def cell(image, form="PNG", path="a/b.png", **options):
    out = io.BytesIO()
    image.save(out, form, **options)
    return {"bytes": out.getvalue(), "path": path}


def table(cells, ids=None, **columns):
    ids = ids or [f"r{i:03}" for i in range(len(cells))]
    return pa.table({"id": ids, "image": pa.array(cells, CELL)} | columns)


def modality(rows, entries, given=None):
    draws = strategy.parse(entries, augmenting.METHODS, augmenting.FIRST, "test")
    return augmenting.MODALITY(rows, None, draws, given or {})


def tasks(count, rows=1, choices=1):
    return [
        Task(i % rows, i // rows, i % choices, seed)
        for i, seed in enumerate(random.Random(0).sample(range(2**62), count))
    ]


def pixels(made):
    return np.asarray(decode(made.value["bytes"]).image).astype(int)


ROWS = table([cell(picture(i)) for i in range(12)])


# --- the strategy -----------------------------------------------------------------------------------------------


def test_the_strategy_of_the_issue_is_understood():
    draws = {d.name: d for d in strategy.parse(ISSUE, augmenting.METHODS, augmenting.FIRST, "file")}
    assert draws["cutmix"].params == {"alpha": 1.0}
    assert draws["mixup"].params == {"alpha": 0.4}
    assert draws["color_jitter"].params == {"brightness": 0.8, "contrast": 0.8, "saturation": 0.8, "hue": 0.2}
    assert draws["rotate"].params == {"limit": 15.0}
    assert draws["scale"].params == {"low": 0.9, "high": 1.1}
    made = modality(ROWS, ISSUE)
    assert made.mixes
    assert list(made.weights) == [1.0, 0.5, 0.5]
    found = made.make(tasks(60, 12, 3))
    assert {name for m in found for name in m.method.split("+")} == {
        "cutmix",
        "mixup",
        "color_jitter",
        "rotate",
        "scale",
    }


@pytest.mark.parametrize("name", augmenting.PRESETS)
def test_presets_work(name):
    found = modality(ROWS, augmenting.PRESETS[name]).make(tasks(40, 12))
    assert sum(m.verdict == "made" for m in found) >= 36


def test_every_method_works_by_its_bare_name():
    for name in augmenting.METHODS:
        bound = modality(ROWS, {name: {"p": 1.0}}, {"references": [np.asarray(picture(99))]})
        assert any(m.verdict == "made" for m in bound.make(tasks(4, 12))), name


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ({"rotat": 15}, "no method 'rotat'"),
        ({"rotate": "far"}, "limit of rotate is 'far'"),
        ({"rotate": 400}, "limit of rotate is 400"),
        ({"scale": [0.0, 1.1]}, "low of scale is 0.0"),
        ({"color_jitter": [0.1] * 5}, "given 5 values"),
        ({"mixup_alpha": 0}, "alpha of mixup is 0"),
        ({"blur": {"p": 1.5}}, "p of blur is 1.5"),
        ({"jpeg": {"low": 0}}, "low of jpeg is 0"),
        ({"histogram_matching": {}}, "needs --references"),
    ],
)
def test_a_wrong_strategy_is_an_error(entries, told):
    with pytest.raises(ToolkitError, match=told):
        modality(ROWS, entries)


def test_bounds_in_the_wrong_order_are_taken_in_the_right_one():
    for name in ("scale", "gamma", "jpeg", "sharpen", "downscale", "solarize"):
        method = augmenting.METHODS[name]
        low, high = (default for default, _ in strategy.parameters(method).values())
        found = modality(ROWS, {name: [high, low]}).make(tasks(4, 12))
        assert {m.verdict for m in found} <= {"made", "unchanged"}, name


# --- how a child comes about ----------------------------------------------------------------------------------------


def test_each_transform_has_its_own_share_and_one_is_always_taken():
    bound = modality(ROWS, {"horizontal_flip": 0.8, "rotate": {"p": 0.1}, "blur": {"p": 0.3}})
    methods = [m.method.split("+") for m in bound.make(tasks(300, 12))]
    shares = {name: np.mean([name in drawn for drawn in methods]) for name in ("horizontal_flip", "rotate", "blur")}
    assert all(methods)
    assert shares["horizontal_flip"] == pytest.approx(0.8 + 0.2 * 0.9 * 0.7 * 0.8 / 1.2, abs=0.06)
    assert shares["rotate"] == pytest.approx(0.1, abs=0.05)
    assert shares["blur"] == pytest.approx(0.3, abs=0.06)
    assert ["horizontal_flip", "rotate", "blur"] in methods  # in the strategy's order


def test_a_mixture_is_drawn_beside_the_transforms():
    bound = modality(ROWS, {"rotate": 15, "cutmix": {"p": 0.25}})
    made = [
        child
        for block, _ in run.children(bound, ROWS["id"].to_pylist(), np.full(12, 20), set(), seed=0)
        for child in block
    ]
    assert np.mean([c.made.method == "cutmix" for c in made]) == pytest.approx(0.2, abs=0.07)
    for child in made:
        assert (child.made.partner >= 0) == (child.made.method == "cutmix")
        assert child.made.partner != child.row
    assert not modality(ROWS, {"rotate": 15}).mixes
    alone = modality(ROWS, {"cutmix": {"p": 0.3}})
    assert list(alone.weights) == [0.3]
    assert alone.make([Task(0, 0, 0, 1)])[0].method == "cutmix"


def test_mixtures_are_what_their_shares_say():
    rows = table(
        [cell(Image.new("RGB", size, colour)) for size, colour in (((30, 20), (200, 0, 0)), ((64, 9), (0, 100, 0)))]
    )
    for name in ("mixup", "cutmix"):
        for made in modality(rows, {name: 1.0}).make(tasks(30, 2)):
            if made.verdict == "unchanged":
                continue
            own = 1 - made.partner
            mean = pixels(made).mean(axis=(0, 1))
            expected = [200 * made.share, 100 * (1 - made.share), 0]
            if own == 1:
                expected = [200 * (1 - made.share), 100 * made.share, 0]
            assert mean == pytest.approx(expected, abs=0.6)
            assert pixels(made).shape == ((20, 30, 3), (9, 64, 3))[own]
            assert made.share >= 0.5


def test_partners_are_all_other_originals():
    rows = table([cell(picture(i)) for i in range(5)], parent_id=[None, None, None, None, "r000"])
    found = modality(rows, {"cutmix": 1.0}).make([Task(1, 0, 0, seed) for seed in range(80)])
    assert {m.partner for m in found if m.verdict == "made"} == {0, 2, 3}
    alone = modality(table([cell(picture())]), {"mixup": 1.0}).make(tasks(2))
    assert [m.verdict for m in alone] == ["impossible"] * 2


def test_rows_of_several_classes_are_not_mixed():
    rows = table([cell(picture(i)) for i in range(3)], label=pa.array([[0, 1], [1], [1, 0]]))
    for name in ("mixup", "cutmix"):
        with pytest.raises(ToolkitError, match=f"{name} shares out one class a row"):
            modality(rows, {"rotate": 15, name: 1.0})
    assert modality(rows, {"rotate": 15}).make(tasks(1))[0].verdict == "made"


def child(bound, task):
    made = bound.make([task])[0]
    return made.method, made.verdict, made.value, made.share, made.key


def test_the_order_of_the_rows_plays_no_part():
    ids, cells = ROWS["id"].to_pylist(), ROWS["image"].to_pylist()
    order = random.Random(1).sample(range(12), 12)
    mixed = table([cells[i] for i in order], [ids[i] for i in order])
    here, there = modality(ROWS, ISSUE), modality(mixed, ISSUE)
    for task in tasks(24, 12, 3):
        assert child(here, task) == child(there, task._replace(row=order.index(task.row)))


def test_workers_play_no_part():
    ids = ROWS["id"].to_pylist()
    entries = {name: {"p": 0.2} for name in augmenting.METHODS}
    bound = modality(ROWS, entries, {"references": [np.asarray(picture(99))]})
    bound.chunk = 3

    def all_made(workers):
        blocks = run.children(bound, ids, np.full(12, 3), set(), seed=7, workers=workers)
        return [(c.row, c.copy, c.made) for block, _ in blocks for c in block]

    one = all_made(1)
    assert len(one) == 36
    assert one == all_made(3)


# --- what comes in, and what goes out ---------------------------------------------------------------------------------


def test_a_jpeg_stays_a_jpeg_and_a_path_is_its_parents():
    rows = table(
        [
            cell(picture(), "JPEG", "hat/x.y.jpeg", quality=90),
            cell(picture(), "WEBP", "q.webp"),
            cell(picture(), path=None),
        ]
    )
    made = modality(rows, {"rotate": 15}).make([Task(0, 0, 0, 1), Task(1, 4, 0, 1), Task(2, 0, 0, 1)])
    assert [m.value["path"] for m in made] == ["hat/x.y+1.jpg", "q+5.png", "image+1.png"]
    assert [decode(m.value["bytes"]).format for m in made] == ["JPEG", "PNG", "PNG"]
    opened = Image.open(io.BytesIO(made[0].value["bytes"]))
    assert max(opened.quantization[0]) == 12  # that of quality 95


GREY16 = Image.fromarray((np.arange(2400, dtype=np.uint16) * 27).reshape(40, 60))
ODD = {
    "one pixel": Image.new("RGB", (1, 1), (9, 200, 30)),
    "alpha": picture().convert("RGBA"),
    "grey": picture().convert("L"),
    "palette": picture().quantize(16),
    "bilevel": picture().convert("1"),
    "16 bits": GREY16,
    "grey alpha": picture().convert("LA"),
    "one colour": Image.new("RGB", (40, 30), (10, 10, 10)),
    "black": Image.new("L", (3, 2), 0),
    "column": picture(height=60, width=1),
    "strip": picture(height=2, width=300),
}
VERDICTS = {"made", "unchanged", "too different", "impossible"}


@pytest.mark.parametrize("name", ODD)
def test_odd_images_are_worked_on_or_passed_over(name):
    entries = {method: {"p": 0.3} for method in augmenting.METHODS}
    bound = modality(table([cell(ODD[name]), cell(picture())]), entries, {"references": [np.asarray(picture(99))]})
    found = bound.make([Task(0, i, i % 3, seed) for i, seed in enumerate(range(45))])
    assert {m.verdict for m in found} <= VERDICTS
    sizes = {decode(m.value["bytes"]).image.size for m in found if m.verdict == "made"}
    assert sizes <= {ODD[name].size}
    assert bool(sizes) == (name != "strip")


def test_what_is_hidden_under_alpha_stays_hidden():
    hidden = picture().convert("RGBA")
    hidden.paste((255, 0, 0, 0), (0, 0, 28, 40))  # red, but transparent: a viewer shows the white of the page
    made = modality(table([cell(hidden)]), {"horizontal_flip": 1.0}).make(tasks(1))[0]
    assert (pixels(made)[:, 28:] == 255).all()
    assert not (pixels(made)[:, :28] == 255).all()


def test_an_image_that_cannot_be_read_is_impossible():
    rows = table([{"bytes": b"no image", "path": "x"}, {"bytes": None, "path": None}, None, cell(picture())])
    bound = modality(rows, {"rotate": 15, "mixup": 1.0})
    found = bound.make([Task(row, 0, choice, 3) for row in range(3) for choice in (0, 1)])
    assert {m.verdict for m in found} == {"impossible"}
    mixed = bound.make([Task(3, 0, 1, seed) for seed in range(9)])
    assert {m.verdict for m in mixed} == {"impossible"}


def test_the_frame_passes_over_what_cannot_be_made_and_counts_it():
    rows = table([{"bytes": b"no", "path": "x"}, cell(Image.new("RGB", (4, 4))), cell(picture())])
    bound = modality(rows, {"rotate": 15})
    ((made, counts),) = run.children(bound, rows["id"].to_pylist(), np.ones(3, dtype=int), set(), seed=0)
    assert [c.row for c in made] == [2]
    assert counts["rotate", "impossible"] == run.ATTEMPTS
    assert counts["rotate", "unchanged"] == run.ATTEMPTS
    assert counts["", "passed over"] == 2


def test_a_transform_that_fails_is_passed_over(monkeypatch):
    def broken(image, rng):
        raise ValueError("too small")

    monkeypatch.setitem(augmenting.METHODS, "grey", broken)
    both, alone = modality(ROWS, {"grey": 1.0, "rotate": {"p": 1.0}}), modality(ROWS, {"grey": 1.0})
    assert {(m.method, m.verdict) for m in both.make(tasks(5, 12))} == {("rotate", "made")}
    assert {(m.method, m.verdict) for m in alone.make(tasks(5, 12))} == {("grey", "impossible")}


# --- the gate ---------------------------------------------------------------------------------------------------------


def test_detail_that_is_lost_is_seen():
    image = np.asarray(picture(height=90, width=120)).astype(float)
    rng = np.random.default_rng(0)

    def lost(after):
        return augmenting.lost(image.astype(np.uint8), after.clip(0, 255).astype(np.uint8))

    assert lost(image * 0.05)
    assert lost(image * 0 + 77)
    assert lost(image + 240)  # blown out
    assert lost(120 + rng.normal(0, 10, image.shape))  # noise is no detail
    assert not lost(image * 0.15)
    assert not lost(image[::-1])
    assert not lost(image + rng.normal(0, 60, image.shape))
    assert not augmenting.lost(np.full((9, 9, 3), 5, np.uint8), np.full((9, 9, 3), 90, np.uint8))  # there was none


def test_too_dark_children_are_told_apart(monkeypatch):
    monkeypatch.setitem(augmenting.METHODS, "grey", lambda image, rng: image // 20)
    monkeypatch.setitem(augmenting.METHODS, "to_hsv", lambda image, rng: image.copy())
    assert modality(ROWS, {"grey": 1.0}).make(tasks(1))[0][1:3] == (None, "too different")
    assert modality(ROWS, {"to_hsv": 1.0}).make(tasks(1))[0][1:3] == (None, "unchanged")


def test_equal_children_and_those_of_an_earlier_run_are_duplicates():
    ids = ROWS["id"].to_pylist()
    bound = modality(ROWS, {"horizontal_flip": 1.0})
    ((made, counts),) = run.children(bound, ids, np.full(12, 2), set(), seed=0)
    assert len(made) == counts["horizontal_flip", "made"] == 12
    assert counts["horizontal_flip", "duplicate"] == 12 * run.ATTEMPTS
    taken = augmenting.keys(table([c.made.value for c in made]))
    ((again, _),) = run.children(bound, ids, np.ones(12, dtype=int), taken, seed=1)
    assert not again
    assert augmenting.keys(table([None, {"bytes": None, "path": "x"}])) == set()


# --- tables and the report --------------------------------------------------------------------------------------------


def grown(tmp_path, rows, entries, **wish):
    codes = np.arange(len(rows)) % 2
    return grow(rows, codes, modality(rows, entries), set(), Wish(**wish), tmp_path / "x.arrow", classes=2, seed=0)


def test_children_become_a_table_with_soft_labels(tmp_path):
    rows = ROWS.append_column("label", pa.array([0, 1] * 6)).append_column("note", pa.array(["n"] * 12))
    children, counts = grown(tmp_path, rows, ISSUE, copies=3)
    assert children.num_rows == 36
    assert children.schema.field("image").type == CELL
    assert children.column("note").unique().to_pylist() == ["n"]
    for row in children.to_pylist():
        mixed = row["method"] in ("mixup", "cutmix")
        assert (row["partner_id"] is not None) == mixed
        assert row["label_weights"] is None or mixed  # none for a partner of the same class
        if row["label_weights"]:
            assert sum(row["label_weights"]) == pytest.approx(1)
            assert row["label_weights"][row["label"]] >= 0.5
    assert children.column("label_weights").null_count < 31
    assert sum(found.get("made", 0) for name, found in counts.items() if name in ("mixup", "cutmix")) > 5


def test_the_sheet_shows_every_method_beside_its_original(tmp_path, monkeypatch):
    entries = {"rotate": {"p": 0.9}, "grey": 0.05, "blur": {"p": 0.05}, "cutmix": {"p": 0.2}}
    children, _ = grown(tmp_path, ROWS, entries, copies=8)
    shown = []
    monkeypatch.setattr(sheet, "contact", lambda pairs: shown.extend(pairs) or b"png")
    (figure,) = augmenting.examples(ROWS, children, 3)["figures"]
    assert figure["picture"] == b"png"
    assert 4 <= len(shown) <= sheet.MOST
    assert {name for _, _, method, _ in shown for name in method.split("+")} == {"rotate", "grey", "blur", "cutmix"}
    by_bytes = {row["bytes"]: i for i, row in enumerate(ROWS["image"].to_pylist())}
    for sources, output, method, _ in shown:
        assert len(sources) == 1 + (method == "cutmix")
        assert all(source["bytes"] in by_bytes for source in sources)
        assert output["bytes"] not in by_bytes


def test_the_sheet_tells_classes_and_the_shares_of_mixtures(tmp_path, monkeypatch):
    from datasets import ClassLabel, Dataset

    rows = Dataset(ROWS.append_column("label", pa.array([0, 1] * 6)))
    rows = rows.cast_column("label", ClassLabel(names=["hat", "裙子"])).with_format("arrow")[:]
    children, _ = grown(tmp_path, rows, {"rotate": {"p": 0.9}, "cutmix": {"p": 1.0}}, copies=3)
    shown = []
    monkeypatch.setattr(sheet, "contact", lambda pairs: shown.extend(pairs) or b"png")
    augmenting.examples(rows, children, 6)
    weights = {row["image"]["bytes"]: row["label_weights"] for row in children.to_pylist()}
    for _, output, _, label in shown:
        if shares := weights[output["bytes"]]:
            first, second = label.split(", ")
            assert {first.split()[0], second.split()[0]} == {"hat", "裙子"}
            assert first.endswith(f" {100 * max(shares):.0f}%")
        else:
            assert label in ("hat", "裙子")
    assert {"cutmix", "rotate"} == {method for *_, method, _ in shown}


def test_the_sheet_is_a_picture_with_both_sides():
    pairs = [
        ([cell(Image.new("RGB", (80, 80), "red"))], cell(Image.new("RGB", (30, 30), "blue")), "rotate+scale", "hat")
    ]
    pairs += [([cell(picture()), {"bytes": b"no", "path": "x"}], cell(picture(1)), "cutmix", "裙子" * 60)]
    drawn = np.asarray(Image.open(io.BytesIO(sheet.contact(pairs))).convert("RGB")).astype(int)
    red, blue = ((drawn == colour).all(axis=2) for colour in ((255, 0, 0), (0, 0, 255)))
    assert red.sum() == 80**2
    assert blue.sum() == 90**2  # what is small is enlarged
    assert np.flatnonzero(red.any(axis=0)).max() < np.flatnonzero(blue.any(axis=0)).min()
    assert (drawn[sheet.GAP + sheet.SIDE :] < 90).all(axis=2).any()  # names below
    white = sheet.contact([([cell(Image.new("RGB", (80, 80), "white"))], cell(picture()), "grey", "")])
    left = np.asarray(Image.open(io.BytesIO(white)).convert("L"))[: sheet.SIDE, : sheet.SIDE]
    assert (left < 230).any()  # its edge is seen
    assert augmenting.examples(ROWS, ROWS.append_column("method", pa.array(["x"] * 12))[:0], 3) == {}


def test_a_row_of_the_sheet_is_as_high_as_its_names():
    def height(*methods):
        pairs = [([cell(picture())], cell(picture(1)), method, "a") for method in methods]
        return Image.open(io.BytesIO(sheet.contact(pairs))).height

    one, many = height("grey"), height("+".join(["grey"] * 9))
    assert many == one + 8 * sheet.LINE
    assert height(*["grey"] * 4, "+".join(["grey"] * 9)) == one + many


def test_blocks_follow_the_size_of_the_images():
    small = modality(ROWS, {"rotate": 15}).block
    rng = np.random.default_rng(0)
    noisy = Image.fromarray(rng.integers(0, 256, (300, 400, 3), dtype=np.uint8))
    large = modality(table([cell(noisy)] * 40), {"rotate": 15}).block
    assert 16 <= large < small <= 4096
    assert large * len(cell(noisy)["bytes"]) < 2 * augmenting.BYTES


def test_images_of_the_package_of_images_are_read_as_there():
    turned = cell(picture(), "JPEG", exif=exif(6))
    made = modality(table([turned]), {"grey": 1.0}).make(tasks(1))[0]
    assert decode(made.value["bytes"]).image.size == images.thumbnail(turned, 999).size == (40, 56)
    assert images.repair(made.value["bytes"]) == (None, "")


def exif(orientation):
    out = Image.Exif()
    out[0x0112] = orientation
    return out
