"""Tiny image classifiers of transformers and processors, each with the quirks of its kind."""

from importlib import import_module
from typing import Any

import transformers as t

STAGES = {"hidden_sizes": [8, 16], "depths": [1, 1]}
BLOCKS = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
SQUARE = {"size": {"height": 32, "width": 32}}
CUT = {"size": {"shortest_edge": 36}, "crop_size": {"height": 32, "width": 32}}


def processor(kind: str, name: str, **options: Any) -> Any:
    module = import_module(f"transformers.models.{kind}.image_processing_pil_{kind}")
    return getattr(module, f"{name}ImageProcessorPil")(**options)


PROCESSORS = {
    "vit": lambda: processor("vit", "ViT", **SQUARE),
    "not normalised": lambda: processor("vit", "ViT", **SQUARE, do_normalize=False),
    "not scaled": lambda: processor("vit", "ViT", **SQUARE, do_rescale=False, do_normalize=False),
    "deit": lambda: processor("deit", "DeiT", size={"height": 40, "width": 40}, crop_size={"height": 32, "width": 32}),
    "convnext": lambda: processor("convnext", "ConvNext", size={"shortest_edge": 32}, crop_pct=0.875),
    "convnext of 384": lambda: processor("convnext", "ConvNext", size={"shortest_edge": 384}),
    "efficientnet": lambda: processor("efficientnet", "EfficientNet", **SQUARE),
    "efficientnet, offset": lambda: processor(
        "efficientnet", "EfficientNet", **SQUARE, rescale_offset=True, rescale_factor=1 / 127.5, include_top=False
    ),
    "mobilenet_v2": lambda: processor("mobilenet_v2", "MobileNetV2", **CUT),
    "mobilevit": lambda: processor("mobilevit", "MobileViT", **CUT),  # blue first
    "clip": lambda: processor("clip", "CLIP", **CUT),
    "crop beyond the image": lambda: processor(
        "bit", "Bit", size={"shortest_edge": 20}, crop_size={"height": 32, "width": 32}
    ),
}

MODELS = {
    "vit": lambda **c: t.ViTForImageClassification(t.ViTConfig(image_size=32, patch_size=8, **BLOCKS, **c)),
    "deit": lambda **c: t.DeiTForImageClassification(t.DeiTConfig(image_size=32, patch_size=8, **BLOCKS, **c)),
    "convnext": lambda **c: t.ConvNextForImageClassification(t.ConvNextConfig(num_stages=2, **STAGES, **c)),
    "resnet": lambda **c: t.ResNetForImageClassification(
        t.ResNetConfig(**{"embedding_size": 8, "layer_type": "basic"} | STAGES | c)
    ),
    "efficientnet": lambda **c: t.EfficientNetForImageClassification(
        t.EfficientNetConfig(image_size=32, width_coefficient=0.1, depth_coefficient=0.1, hidden_dim=128, **c)
    ),
    "swin": lambda **c: t.SwinForImageClassification(
        t.SwinConfig(image_size=32, patch_size=2, embed_dim=8, depths=[1, 1], num_heads=[1, 2], window_size=4, **c)
    ),
    "mobilenet_v2": lambda **c: t.MobileNetV2ForImageClassification(
        t.MobileNetV2Config(image_size=32, depth_multiplier=0.1, min_depth=4, **c)
    ),
    "beit": lambda **c: t.BeitForImageClassification(
        t.BeitConfig(image_size=32, patch_size=8, use_relative_position_bias=True, **BLOCKS, **c)
    ),
}
# A model's own processor; others read through ViT's or ConvNeXt's, as published.
OWN = {"resnet": "convnext", "swin": "vit", "beit": "vit"}


def tiny(name: str, **config: Any) -> tuple[Any, Any]:
    """A classifier with random weights and its processor."""
    return MODELS[name](**config).eval(), PROCESSORS[OWN.get(name, name)]()
