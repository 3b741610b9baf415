"""Built-in architectures, trained from scratch: what makes the whole chain run without any network."""

from __future__ import annotations

from typing import Any

from toolkit import console

# name -> version of its recipe (it goes into the stamp)
NAMES = {"builtin:text-tiny": 1}

VOCABULARY = 4000
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
MAX_POSITIONS = 512


def build(name: str, texts: list[str], labels: list[str], seed: int) -> tuple[Any, Any]:
    """A randomly initialised model and a tokenizer trained on `texts`.

    Args:
        name: one of `NAMES`.
        texts: the rows of train; the BPE merges (Sennrich et al., 2016) are learned on them alone.
        labels: class names in the order of the model's outputs.
    """
    import torch
    from transformers import RoFormerConfig, RoFormerForSequenceClassification

    assert name in NAMES
    console.note(f"{name}: learning a BPE vocabulary from {len(texts)} texts")
    tokenizer = train_tokenizer(texts)
    torch.manual_seed(seed)
    # RoFormer is BERT with rotary positions (Su et al., 2021): from scratch on few rows it learns word order where
    # learned positions do not.
    config = RoFormerConfig(
        vocab_size=len(tokenizer),
        embedding_size=128,
        hidden_size=128,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=512,
        hidden_dropout_prob=0.2,
        attention_probs_dropout_prob=0.2,
        max_position_embeddings=MAX_POSITIONS,
        pad_token_id=tokenizer.pad_token_id,
        id2label=dict(enumerate(labels)),
        label2id={name: i for i, name in enumerate(labels)},
    )
    return RoFormerForSequenceClassification(config), tokenizer


def train_tokenizer(texts: list[str]) -> Any:
    """A BPE tokenizer for both languages: Latin words fall into pieces that the texts repeat, Chinese by character."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    from toolkit.data.text import CJK

    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Punctuation(),
            pre_tokenizers.Split(Regex(f"[{CJK}]"), "isolated"),
        ]
    )
    # A piece must be seen a few times, or its vector is never trained.
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, min_frequency=4, special_tokens=SPECIAL, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    cls, sep = (SPECIAL.index(t) for t in ("[CLS]", "[SEP]"))  # the trainer numbers them first
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", sep), ("[CLS]", cls))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=MAX_POSITIONS,
    )
