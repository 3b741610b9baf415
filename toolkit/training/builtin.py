"""Built-in architectures, trained from scratch: what makes the whole chain run without any network."""

from __future__ import annotations

from typing import Any

from toolkit import console
from toolkit.errors import ToolkitError

# name -> (the contents that it reads, the version of its recipe, which goes into the stamp)
NAMES = {"builtin:text-tiny": ("text", 2), "builtin:image-tiny": ("image", 2), "builtin:vit-tiny": ("image", 1)}
DEFAULT = "builtin"  # stands for the first that reads the contents

VOCABULARY = 4000
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
MAX_POSITIONS = 512
TEXT_DROPOUT = 0.2


def version(name: str) -> Any:
    """What of a built-in decides a result."""
    return NAMES if name == DEFAULT else NAMES[name]


def resolve(name: str, kind: str) -> str:
    """The built-in of that name for contents of this kind.

    Raises:
        ToolkitError: it reads others.
    """
    fitting = [own for own, (reads, _) in NAMES.items() if reads == kind]
    if name == DEFAULT and fitting:
        return fitting[0]
    if name not in fitting:
        raise ToolkitError(f"{name} does not read this data ({kind})", f"use {' or '.join(fitting)}")
    return name


def build(name: str, contents: list[Any], labels: list[str] | None, seed: int) -> tuple[Any, Any]:
    """A randomly initialised model and its processor.

    Args:
        name: one of `NAMES`.
        contents: of train, as its reader takes them.
        labels: class names in the order of a classifier's outputs; None: of texts, the model fills masks.
    """
    classes: dict[str, Any] = {}
    if labels is not None:
        classes = {"id2label": dict(enumerate(labels)), "label2id": {name: i for i, name in enumerate(labels)}}
    makers = {"builtin:text-tiny": _text_tiny, "builtin:image-tiny": _image_tiny, "builtin:vit-tiny": _vit_tiny}
    return makers[name](contents, classes, seed)


def _text_tiny(texts: list[str], classes: dict[str, Any], seed: int) -> tuple[Any, Any]:
    """RoFormer, with BPE merges (Sennrich et al., 2016) learned on the texts."""
    import torch
    from transformers import RoFormerConfig, RoFormerForMaskedLM, RoFormerForSequenceClassification

    name = "builtin:text-tiny"
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
        hidden_dropout_prob=TEXT_DROPOUT,
        attention_probs_dropout_prob=TEXT_DROPOUT,
        max_position_embeddings=MAX_POSITIONS,
        pad_token_id=tokenizer.pad_token_id,
        **classes,
    )
    return (RoFormerForSequenceClassification if classes else RoFormerForMaskedLM)(config), tokenizer


def _image_tiny(images: list[Any], classes: dict[str, Any], seed: int) -> tuple[Any, Any]:
    """ResNet (He et al., 2016) of three stages, for images of 64 pixels."""
    import torch
    from transformers import ResNetConfig, ResNetForImageClassification

    torch.manual_seed(seed)
    # a fourth stage, of 2 x 2 pixels, took half of the time and told nothing more (docs/results.md)
    config = ResNetConfig(
        embedding_size=32, hidden_sizes=[32, 64, 128], depths=[2, 2, 2], layer_type="basic", **classes
    )
    return ResNetForImageClassification(config), _image_processor(64)


def _vit_tiny(images: list[Any], classes: dict[str, Any], seed: int) -> tuple[Any, Any]:
    """A vision transformer (Dosovitskiy et al., 2021) with patches of 8 pixels, for images of 64."""
    import torch
    from transformers import ViTConfig, ViTForImageClassification

    torch.manual_seed(seed)
    config = ViTConfig(
        image_size=64, patch_size=8, hidden_size=128, num_hidden_layers=4, num_attention_heads=4,
        intermediate_size=512, **classes,
    )  # fmt: skip
    return ViTForImageClassification(config), _image_processor(64)


def _image_processor(pixels: int) -> Any:
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    return ViTImageProcessorPil(size={"height": pixels, "width": pixels})


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
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],  # the types tell the texts of a pair apart
    )
