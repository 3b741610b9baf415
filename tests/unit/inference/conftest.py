import pytest
from unit.inference import tiny


@pytest.fixture(scope="session")
def masked():
    """(model, tokenizer) of a masked language model."""
    return tiny.masked_lm(tiny.SENTENCES)


@pytest.fixture(scope="session")
def forward():
    """(model, tokenizer) from Chinese to English."""
    return tiny.seq2seq(tiny.FORWARD)


@pytest.fixture(scope="session")
def backward():
    """(model, tokenizer) from English to Chinese, in other words."""
    return tiny.seq2seq(tiny.BACKWARD)
