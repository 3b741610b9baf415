import numpy as np
import pytest
import torch
from helpers import token_rows
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

from toolkit.compression.distill import answers
from toolkit.errors import ToolkitError
from toolkit.reading.text import TextReader
from toolkit.training.builtin import train_tokenizer
from toolkit.training.tasks import bind


@pytest.fixture(scope="module")
def task():
    tokenizer: PreTrainedTokenizerFast = train_tokenizer(["a text of some words"])
    return bind("text-classification", TextReader(tokenizer, 64))


def bert(classes=2, **config):
    torch.manual_seed(0)
    size = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    return BertForSequenceClassification(BertConfig(vocab_size=120, num_labels=classes, **size | config))


def rows(count=150):
    return [{"input_ids": np.array(row["input_ids"], np.int32)} for row in token_rows(count)]


def test_each_row_is_asked_once_and_a_second_call_asks_nobody(task, tmp_path):
    model, asked = bert(), []
    model.register_forward_hook(lambda m, args, kwargs, out: asked.append(len(out.logits)), with_kwargs=True)
    first = answers.teacher_logits(model, task, rows(), "cpu", kept=tmp_path / "answers-0.f32")
    assert (sum(asked), len(asked)) == (150, 3)
    again = answers.teacher_logits(model, task, rows(), "cpu", kept=tmp_path / "answers-0.f32")
    assert len(asked) == 3
    assert torch.equal(first, again)
    assert torch.equal(first, answers.teacher_logits(model, task, rows(), "cpu"))


@pytest.mark.parametrize("number_format", ["fp32", "bf16"])
def test_an_interrupted_run_ends_with_the_same_bits(task, tmp_path, number_format):
    whole = answers.teacher_logits(bert(), task, rows(), "cpu", number_format=number_format)
    model, seen = bert(), []

    def dies(*_):
        seen.append(1)
        if len(seen) == 3:
            raise KeyboardInterrupt

    hook = model.register_forward_hook(dies)
    options = {"number_format": number_format, "kept": tmp_path / "answers-0.f32"}
    with pytest.raises(KeyboardInterrupt):
        answers.teacher_logits(model, task, rows(), "cpu", **options)
    hook.remove()
    counted = model.register_forward_hook(lambda *_: seen.append(1))
    assert torch.equal(answers.teacher_logits(model, task, rows(), "cpu", **options), whole)
    counted.remove()
    assert len(seen) == 4, "one batch of three was left"


def test_the_teacher_answers_as_it_does_alone(task):
    model = bert().eval()
    told = answers.teacher_logits(model, task, rows(9), "cpu")
    one = model(torch.tensor(rows(9)[4]["input_ids"][None].astype(np.int64))).logits
    assert torch.allclose(told[4], one[0], atol=1e-5)


def test_answers_that_are_not_finite(task):
    model = bert()
    model.classifier.weight.data[:] = torch.inf
    with pytest.raises(ToolkitError, match="not finite"):
        answers.teacher_logits(model, task, rows(9), "cpu")


def test_teachers_are_averaged_in_probabilities():
    one, other = torch.randn(2, 5, 4)
    found = answers.combined([one, other], [1.0, 3.0], 2.0, several=False)
    wanted = 0.25 * (one / 2).softmax(-1) + 0.75 * (other / 2).softmax(-1)
    assert torch.allclose((found / 2).softmax(-1), wanted, atol=1e-6)
    found = answers.combined([one, other], [1.0, 3.0], 2.0, several=True)
    assert torch.allclose((found / 2).sigmoid(), 0.25 * (one / 2).sigmoid() + 0.75 * (other / 2).sigmoid(), atol=1e-6)
    assert answers.combined([one], [5.0], 2.0, several=False) is one
    unheard = answers.combined([one, other], [1.0, 0.0], 2.0, several=False)
    assert torch.allclose((unheard / 2).softmax(-1), (one / 2).softmax(-1), atol=1e-6)
