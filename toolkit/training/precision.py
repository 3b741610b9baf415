"""The number format, the attention and the compiler of a training: what was asked for against what the machine has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from toolkit import cpu
from toolkit.errors import ToolkitError

if TYPE_CHECKING:
    from toolkit.training.config import TrainConfig

SCALE = 2.0**15  # what fp16 multiplies the loss by at first
GROWTH = 2000  # steps without overflow after which it doubles
NO_SCALE = 1e-4  # fp16 cannot hold this model's gradients: fairseq's limit (Ott et al., 2019)
FLASH = "flash_attention_2"


class Precision(NamedTuple):
    """What a training computes with."""

    device: str
    format: str  # fp32, bf16 or fp16
    unit: str  # what makes bf16 fast here, "" where nothing does
    tf32: bool
    attention: str  # as transformers names it, "" where the model has none
    compile: bool
    hooked: bool = False  # something hangs on the model's operations

    @property
    def quick(self) -> bool:
        """Whether a processor's own ways of training apply (`processor`, `sparse_adamw`)."""
        return self.device == "cpu" and self.format != "fp16" and not self.compile and not self.hooked

    def __str__(self) -> str:
        unit = f" ({self.unit})" if self.unit and self.format == "bf16" else ""
        others = ["tf32"] * self.tf32 + [f"{self.attention} attention"] * bool(self.attention)
        return ", ".join([self.device, self.format + unit, *others, *["compiled"] * self.compile])


def resolve(model: Any, config: TrainConfig, hooked: bool = False) -> Precision:
    """What a training of `model` computes with on this machine; the attention is set in the model.

    Raises:
        ToolkitError: something was asked for that is not here.
    """
    device, chosen, unit, tf32 = check(config)
    attention = _set_attention(model, config.attention)
    if config.compile:
        _demand_compiler(device)
    return Precision(device, chosen, unit, tf32, attention, config.compile, hooked)


def check(config: TrainConfig) -> tuple[str, str, str, bool]:
    """What this machine computes with, whatever the model: device, format, what makes bf16 fast, whether TF32.

    Raises:
        ToolkitError: something was asked for that is not here.
    """
    device = resolve_device(config.device)
    unit = bf16_unit(device)
    chosen = config.precision if config.precision != "auto" else "bf16" if unit else "fp32"
    _check_format(device, chosen)
    if config.attention == "flash":
        from transformers.utils import is_flash_attn_2_available

        if device != "cuda" or chosen == "fp32":
            raise ToolkitError("--attention flash needs a GPU and bf16 or fp16", "use --attention sdpa")
        if not is_flash_attn_2_available():
            raise ToolkitError("--attention flash: flash-attn is not installed", "install it, or use --attention sdpa")
    return device, chosen, unit, _tf32(device, config.tf32)


def resolve_device(wanted: str) -> str:
    """ "auto" becomes cuda, mps or cpu; what is asked for and not there is an error."""
    import torch

    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if there[name])
    if not there[wanted]:
        raise ToolkitError(f"--device {wanted}: this machine has none", "use --device auto")
    return wanted


def bf16_unit(device: str) -> str:
    """What makes bf16 fast: a processor's matrix unit, a GPU from the Ampere generation on; "" for none."""
    import torch

    if device == "cuda":
        return str(torch.cuda.get_device_name()) if torch.cuda.is_bf16_supported(including_emulation=False) else ""
    return cpu.bf16_unit() if device == "cpu" else ""


def _check_format(device: str, chosen: str) -> None:
    import torch

    if chosen == "bf16" and device == "cuda" and not torch.cuda.is_bf16_supported():
        raise ToolkitError("--precision bf16: this GPU computes none", "use --precision fp16")
    if chosen == "fp16" and device == "cpu":
        try:
            torch.ones(2, 2, dtype=torch.float16) @ torch.ones(2, 2, dtype=torch.float16)
            torch.amp.GradScaler("cpu").scale(torch.ones(()))
        except RuntimeError as e:
            raise ToolkitError("--precision fp16: this torch has none on a processor", "use --precision auto") from e


def _tf32(device: str, wanted: bool | None) -> bool:
    """Whether fp32 products are computed as TF32: on a GPU that has it, unless told otherwise."""
    import torch

    there = device == "cuda" and torch.cuda.get_device_capability() >= (8, 0)
    if wanted and not there:
        raise ToolkitError("tf32 is true: it needs a GPU of the Ampere generation or later", "leave it out")
    return there if wanted is None else wanted


def _set_attention(model: Any, wanted: str) -> str:
    """Give the model the attention that was asked for, and say which it has; auto keeps transformers' choice."""
    has = bool(getattr(model.config, "num_attention_heads", None))
    if wanted != "auto":
        name = FLASH if wanted == "flash" else wanted
        with suppress(ValueError, ImportError):  # told below
            model.set_attn_implementation(name)
        if not has or model.config._attn_implementation != name:
            raise ToolkitError(f"--attention {wanted}: {type(model).__name__} has none", "use --attention auto")
    return str(model.config._attn_implementation) if has else ""


def _demand_compiler(device: str) -> None:
    """Compile a trifle, which tells before the training whether this machine can."""
    import torch

    try:
        torch.compile(lambda x: torch.sin(x) + 1)(torch.ones(8, device=device))
    except Exception as e:  # whatever a compiler, its headers or its cache may raise
        what = " ".join(str(e).split())[:100]
        raise ToolkitError(f"--compile: torch.compile does not work here ({what})", "leave --compile out") from e


@contextmanager
def compiled(model: Any, wanted: bool) -> Iterator[None]:
    """The model computes compiled inside; its weights keep their names, and outside it is as it was."""
    if wanted:
        model.compile(dynamic=True)
    try:
        yield
    finally:
        model._compiled_call_impl = None


@contextmanager
def plainly(model: Any) -> Iterator[None]:
    """The model computes uncompiled inside, so that hooks are called."""
    kept, model._compiled_call_impl = model._compiled_call_impl, None
    try:
        yield
    finally:
        model._compiled_call_impl = kept


def scaler(device: str) -> Any:
    """The scaler of fp16 losses (Micikevicius et al., 2018)."""
    import torch

    return torch.amp.GradScaler(device, init_scale=SCALE, growth_interval=GROWTH)
