"""The estimate of memory: exact in weights, near to what is measured, of help where it does not fit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.tune import tiny
from vlit.data.errors import VlitError
from vlit.tune.config import TuneConfig
from vlit.tune.models.architecture import Architecture

torch = pytest.importorskip("torch")

from vlit.tune import memory  # noqa: E402

LOAD = memory.Load(np.full(64, 100), np.full(64, 25), images=64)


def config(how: tuple[str, str, str] = ("frozen", "full", "full"), **more: Any) -> TuneConfig:
    stage = {"trainable": dict(zip(("vision", "connector", "llm"), how, strict=True)), "batch": 16}
    return TuneConfig.model_validate({"model": {"checkpoint": "x"}, "stages": [stage], "row": 800, **more})


def found(model: Architecture, given: TuneConfig, *, bf16: bool = False) -> memory.Estimate:
    return memory.estimate(model, given.stages[0], given, LOAD, bf16=bf16, gpu=False)


def test_weights_gradients_and_optimiser_are_counted(tmp_path: Path) -> None:
    model = tiny.llava(tmp_path)
    parts = {"vision": 0, "connector": 0, "llm": 0}
    for name, parameter in model.model.named_parameters():
        parts[model.part_of(name)] += parameter.numel()
    tuned = parts["connector"] + parts["llm"]
    full = found(model, config())
    assert (full.weights, full.gradients, full.optimiser) == (4 * sum(parts.values()), 4 * tuned, 8 * tuned)
    align = found(model, config(("frozen", "full", "frozen")), bf16=True)
    frozen = parts["vision"] + parts["llm"]
    assert align.weights == 2 * frozen + (4 + 2) * parts["connector"]  # with copies to multiply in bfloat16
    assert align.gradients == 4 * parts["connector"]


def test_adapters_are_counted_as_trainable_makes_them(tmp_path: Path) -> None:
    from vlit.tune.trainable import make_trainable

    given = config(("frozen", "frozen", "lora"), lora={"rank": 4, "alpha": 8})
    model = tiny.llava(tmp_path)
    before = found(model, given)
    make_trainable(model, given.stages[0], given.lora)
    tuned = sum(p.numel() for p in model.model.parameters() if p.requires_grad)
    assert before.gradients == 4 * tuned
    assert found(model, given).gradients == before.gradients  # also when they are there already


def test_the_largest_micro_batch_is_a_row_a_step_or_a_sample(tmp_path: Path) -> None:
    model = tiny.llava(tmp_path)
    assert (found(model, config()).tokens, found(model, config()).images) == (800, 8)
    assert found(model, config(row=4000)).tokens == 16 * 100
    assert found(model, config(row=64)).tokens == 100
    assert found(model, config(row=4000, processes=4)).tokens == 4 * 100


def test_it_works_without_weights(tmp_path: Path) -> None:
    from vlit.tune.models.registry import load_model

    model = tiny.llava(tmp_path)
    model.save(tmp_path / "whole")
    bare = load_model(str(tmp_path / "whole"), weights=False)
    assert next(bare.model.parameters()).is_meta
    assert found(bare, config()) == found(model, config())


@pytest.mark.parametrize("more", [{"checkpointing": True}, {"row": 200}, {"processes": 2, "sharding": "fsdp2"}])
def test_every_knob_saves(tmp_path: Path, more: dict[str, Any]) -> None:
    model = tiny.llava(tmp_path)
    assert found(model, config(**more)).total < found(model, config()).total


def test_what_does_not_fit_is_refused_with_what_would_help(tmp_path: Path) -> None:
    model, given = tiny.llava(tmp_path), config()
    need = found(model, given).total

    def asked(free: float) -> str | None:
        return memory.check(model, given.stages[0], given, LOAD, bf16=False, gpu=False, free=free)[1]

    assert asked(2 * need) is None
    assert "may run out" in str(asked(need))
    with pytest.raises(VlitError, match=r"checkpointing: true saves .* GB.*precision: bf16 saves"):
        asked(need / 2)


def test_free_memory_is_told() -> None:
    free = memory.free_memory(torch.device("cpu"))
    assert free is None or free > 1e6
    assert memory.free_memory(torch.device("meta")) is None


def test_the_table_is_in_gigabytes(tmp_path: Path) -> None:
    table = memory.memory_table(found(tiny.llava(tmp_path), config()), 3e9)
    assert list(table.columns[1].cells)[-1] == "3.00"


#: One step of a Llama of six layers of width 256 on 1,500 tokens: what the process grows by, and the estimate.
MEASURED = """
import json, re, sys
from pathlib import Path
import numpy as np, torch, transformers
from tests.tune import tiny
from tests.tune.test_memory import config
from vlit.tune import flops, memory
from vlit.tune.attention import set_attention
from vlit.tune.models.registry import open_model
from vlit.tune.objective import Objective
from vlit.tune.optimiser import adamw
from vlit.tune.trainable import checkpoint_activations, groups_of, make_trainable

def peak():  # of this program alone: ru_maxrss begins with that of the process which started it
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

place, how, checkpointing = Path(sys.argv[1]), sys.argv[2].split("-"), sys.argv[3] == "True"
torch.set_num_threads(1)
given = tiny.llava(place)
wide = transformers.LlamaConfig(
    vocab_size=4000, hidden_size=256, intermediate_size=688, num_hidden_layers=6, num_attention_heads=8,
    max_position_embeddings=8192, bos_token_id=0,
)
transformers.LlamaForCausalLM(wide).save_pretrained(place / "llama")
warm = torch.nn.Linear(64, 64)(torch.ones(64, 64)).sum().backward()
before = peak()
from vlit.tune.config import ModelConfig
model = open_model(
    ModelConfig(architecture="llava", vision=str(place / "clip"), llm=str(place / "llama")), place
)
settings = config(tuple(how), row=4096, checkpointing=checkpointing, lora={"rank": 16, "alpha": 16})
stage = settings.stages[0]
batch = flops._batch(model, 1500, 1, 0, "")
load = memory.Load(np.array([batch.ids.numel()]), np.array([batch.ids.numel() - 1]), 1)
told = memory.estimate(model, stage, settings, load, bf16=False, gpu=False)
make_trainable(model, stage, settings.lora)
set_attention(model, "segments")
if checkpointing:
    checkpoint_activations(model)
optimiser, objective = adamw(groups_of(model, stage), stage), Objective(model, "segments", torch.float32)
for _ in range(2):
    objective(batch).backward()
    optimiser.step()
    optimiser.zero_grad()
after = peak()
print(json.dumps([(after - before) * 1024, told.total]))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is told in other units elsewhere")
@pytest.mark.parametrize(
    ("how", "checkpointing"),
    [("frozen-full-full", True), ("frozen-full-lora", False)],
)
def test_the_estimate_is_near_to_what_a_step_takes(tmp_path: Path, how: str, checkpointing: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(tmp_path), how, str(checkpointing)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_TRIM_THRESHOLD_": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    measured, told = json.loads(done.stdout.splitlines()[-1])
    assert 0.5 < told / measured < 2, (measured, told)
