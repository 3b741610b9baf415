import numpy as np
import pytest
import torch
from unit.image_models import PROCESSORS

from toolkit.compression.distill import shared
from toolkit.errors import ToolkitError
from toolkit.reading.image import ImageReader
from toolkit.reading.text import TextReader
from toolkit.training.builtin import train_tokenizer

TEXTS = ["the parcel is late again and again", "an invoice that nobody paid, and a refund"] * 4


class Words:
    """A tokenizer of whole words under given numbers."""

    def __init__(self, **vocabulary):
        self.vocabulary = vocabulary

    def get_vocab(self):
        return self.vocabulary


def readers(student, teacher, lengths=(16, 16)):
    return [TextReader(words, length) for words, length in zip((student, teacher), lengths, strict=True)]


def test_the_same_tokenizer_needs_no_translation():
    tokenizer = train_tokenizer(TEXTS)
    inputs = {"input_ids": torch.tensor([[1, 2]])}
    assert shared.translation(*readers(tokenizer, tokenizer), pairs=False)(inputs) is inputs


def test_a_part_of_the_vocabulary_is_read_under_the_teachers_numbers():
    small, large = Words(pad=0, b=1, d=2), Words(pad=3, a=0, b=5, c=2, d=4)
    translate = shared.translation(*readers(small, large), pairs=False)
    inputs = {"input_ids": torch.tensor([[1, 2, 0]]), "attention_mask": torch.tensor([[1, 1, 0]])}
    told = translate(inputs)
    assert told["input_ids"].tolist() == [[5, 4, 3]]
    assert told["attention_mask"].tolist() == [[1, 1, 0]]
    assert inputs["input_ids"].tolist() == [[1, 2, 0]]
    with pytest.raises(ToolkitError, match=r"2 of 5 tokens that the teacher's has not \('a', 'c'\)"):
        shared.translation(*readers(large, small), pairs=False)


def test_what_the_teacher_cannot_read():
    words = Words(pad=0)
    with pytest.raises(ToolkitError, match=r"reads 32 tokens, the teacher 16: add --max-length 16"):
        shared.translation(*readers(words, words, (32, 16)), pairs=False)
    student, teacher = readers(words, words)
    student.types = True
    with pytest.raises(ToolkitError, match="mark the two texts of a pair"):
        shared.translation(student, teacher, pairs=True)
    shared.translation(student, teacher, pairs=False)


def test_pixels_become_those_that_the_teachers_processor_makes():
    pixels = [np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)]
    names = ("vit", "not normalised", "not scaled")
    made = {name: ImageReader(PROCESSORS[name]()) for name in names}
    values = {name: torch.from_numpy(made[name].values(pixels)) for name in names}
    for one, other in (("vit", "not scaled"), ("not scaled", "vit"), ("not normalised", "vit")):
        translate = shared.translation(made[one], made[other], pairs=False)
        assert torch.allclose(translate({"pixel_values": values[one]})["pixel_values"], values[other], atol=1e-3)
    other = ImageReader(PROCESSORS["convnext of 384"]())
    with pytest.raises(ToolkitError, match="384 x 384 pixels, 3 channels, the teacher of 32 x 32"):
        shared.translation(other, made["vit"], pairs=False)
