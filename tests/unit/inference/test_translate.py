import random
from types import SimpleNamespace

import pytest
from unit.inference import tiny

from toolkit.artifacts import language_model, loading
from toolkit.errors import ToolkitError
from toolkit.inference.translate import Model, Translator, reads


@pytest.fixture(scope="module")
def there(forward):
    return Model(*forward)


@pytest.fixture(scope="module")
def back(backward):
    return Model(*backward)


def test_what_was_learnt_is_translated(there, back):
    assert [t[0] for t in there.translate([a for a, _ in tiny.FORWARD], 2, 1, "")] == [b for _, b in tiny.FORWARD]
    assert [t[0] for t in back.translate([a for a, _ in tiny.BACKWARD], 2, 1, "")] == [b for _, b in tiny.BACKWARD]


def test_there_and_back_says_it_otherwise(there, back):
    found = Translator(there, back, "zh")(["我喜欢猫", "我爱猫", "今天天气好"], rounds=1, beams=3)
    assert [beams[0] for beams in found] == ["猫我很喜欢", "猫我很喜欢", "今天是个好天气"]
    assert all(1 <= len(beams) <= 3 for beams in found)


def test_rounds_are_round_trips():
    trips = []

    def model(name):
        def translate(texts, beams, best, label):
            trips.append((name, beams, best))
            return [[f"{text}{name}{k}" for k in range(best)] if text else [] for text in texts]

        return SimpleNamespace(translate=translate, tokenizer=None)

    found = Translator(model("f"), model("b"))(["x", ""], 3, 2)
    assert found == [["xf0b0f0b0f0b0", "xf0b0f0b0f0b1"], []]
    assert trips == [("f", 2, 1), ("b", 2, 1), ("f", 2, 1), ("b", 2, 1), ("f", 2, 1), ("b", 2, 2)]


def test_neither_order_nor_company_nor_batches_play_a_part(forward, backward):
    texts = ["我喜欢猫", "今天天气好", "我爱猫", "猫", "好天气", "我今天喜欢"]
    alone = [Translator(Model(*forward), Model(*backward))([text], 2, 3)[0] for text in texts]
    many = random.Random(0).sample(range(len(texts)), len(texts)) * 3
    for size in (1, 2, 32):
        translator = Translator(Model(*forward, batch_size=size), Model(*backward, batch_size=size))
        assert translator([texts[i] for i in many], 2, 3) == [alone[i] for i in many]


@pytest.mark.parametrize("text", ["", " \n", "👍👍", "hello world", "我" * 600, "我" * 100_000, "word " * 100_000])
def test_what_can_not_be_translated_gives_nothing(there, back, text):
    assert Translator(there, back, "zh")([text], 1, 2) == [[]]


def test_other_languages_are_left_alone(there, back):
    assert Translator(there, back, "en")(["我喜欢猫"], 1, 2) == [[]]
    assert Translator(there, back, None)(["我喜欢猫"], 1, 2) != [[]]


def test_lengths_are_bounded(there, monkeypatch):
    asked = []
    generate = there.model.generate
    monkeypatch.setattr(
        there.model, "generate", lambda **given: asked.append(given["max_new_tokens"]) or generate(**given)
    )
    there.translate(["我喜欢猫", "我" * 60], 1, 1, "")
    assert asked == [2 * 5 + 16, 63]  # tokens with the end sign; the longest that the tokenizer says it may be
    assert there.translate(["我" * 64], 1, 1, "") == [[]]


def test_what_was_found_is_remembered(there, back, monkeypatch):
    translator = Translator(there, back)
    one = translator(["我喜欢猫"], 1, 2)
    monkeypatch.setattr(translator.forward, "translate", lambda texts, *rest: [pytest.fail("again") for _ in texts])
    assert translator(["我喜欢猫", "我喜欢猫"], 1, 2) == one * 2


@pytest.mark.parametrize(
    ("named", "language"), [("zho", "zh"), ("zh_CN", "zh"), ("eng", "en"), ("de", None), (None, None)]
)
def test_the_language_that_a_model_reads(named, language):
    assert reads(SimpleNamespace(source_lang=named)) == language


def test_a_model_comes_from_its_folder(tmp_path, forward, masked):
    loading.save(tmp_path / "m", *forward)
    found = Model(*language_model.load_seq2seq(tmp_path / "m"))
    assert found.translate(["我喜欢猫"], 2, 1, "") == [["i like cats"]]
    loading.save(tmp_path / "bert", *masked)
    with pytest.raises(ToolkitError, match="no model that translates"):
        language_model.load_seq2seq(tmp_path / "bert")
    with pytest.raises(ToolkitError, match=r"holds no model\.safetensors"):
        language_model.load_seq2seq(tmp_path)
