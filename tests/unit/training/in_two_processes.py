"""Run by torchrun in test_distributed.py: trains the same model as DDP and as FSDP2, and writes what came out."""

import json
import sys
from pathlib import Path

import torch
from accelerate import state
from safetensors.torch import save_file
from test_distributed import config, model_and_task, rows, start_from
from torch.distributed.tensor import DTensor

from toolkit import ranks
from toolkit.training import auto_stages, trainer
from toolkit.training.config import Layers
from toolkit.training.watch import Watch

folder = Path(sys.argv[1])
seen: dict[str, object] = {}


def sharded_on_a_processor() -> None:
    """accelerate shards only over accelerators: let it take two processes of this machine for such."""
    real = state.AcceleratorState.__init__

    def init(self: object, *args: object, cpu: bool = False, **rest: object) -> None:
        state.PartialState(cpu)
        if state.PartialState._shared_state["distributed_type"] == state.DistributedType.MULTI_CPU:
            state.PartialState._shared_state["distributed_type"] = state.DistributedType.MULTI_GPU
        real(self, *args, cpu=cpu, **rest)

    state.AcceleratorState.__init__ = init


def watched(self: Watch, *args: object, **rest: object) -> None:
    """Note what the parameters are when training begins."""
    parameters = list(self.engine.model.parameters())
    seen["dtensors"] = sum(isinstance(p, DTensor) for p in parameters)
    seen["stages"] = self.engine.config.layers.stages
    seen["parameters"] = len(parameters)
    seen["local"] = sum((p.to_local() if isinstance(p, DTensor) else p).numel() for p in parameters)
    real_begin(self, *args, **rest)


real_begin, Watch.on_train_begin = Watch.on_train_begin, watched


def run(name: str, **changes: object) -> None:
    model, task = model_and_task()
    start_from(model, folder / "start.safetensors")
    work = folder / f"{name}.work"
    # the last batch of 45 rows by 14 has 3, the last of validation's is padded
    figures = trainer.train(model, task, rows(45), rows(33, 1), config(batch_size=7, **changes), work, seed=0)
    figures |= {"seen": dict(seen), "whole": not any(isinstance(p, DTensor) for p in model.parameters())}
    (folder / f"{name}.{ranks.rank()}.json").write_text(json.dumps(figures))
    if ranks.leads():
        save_file({k: v.contiguous() for k, v in model.state_dict().items()}, folder / f"{name}.safetensors")


run("ddp")
auto_stages._free = lambda device: 1e12 if ranks.leads() else 1.0
run("auto", layers=Layers(stages="auto"))
sharded_on_a_processor()
run("fsdp", fsdp=True)
torch.distributed.destroy_process_group()
