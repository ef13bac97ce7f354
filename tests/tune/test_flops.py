"""Operations of a step beside torch's own counter, whatever is frozen or tuned; and peaks of devices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.tune import tiny
from vlit.tune.config import LoraConfig, StageConfig
from vlit.tune.models.architecture import Architecture

torch = pytest.importorskip("torch")

from torch.nn.attention import SDPBackend, sdpa_kernel  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from vlit.tune import flops, peak  # noqa: E402
from vlit.tune.attention import Kind, mask, set_attention  # noqa: E402
from vlit.tune.loss import summed  # noqa: E402
from vlit.tune.trainable import checkpoint_activations, make_trainable  # noqa: E402

PATTERNS = [
    ("frozen", "full", "frozen"),
    ("frozen", "full", "full"),
    ("frozen", "full", "lora"),
    ("full", "full", "frozen"),
    ("frozen", "frozen", "lora"),
    ("full", "full", "full"),
]


def made(name: str, folder: Path) -> Architecture:
    if name == "llava":
        return tiny.llava(folder)
    if name.startswith("flamingo"):
        from tests.tune import tiny_flamingo

        return tiny_flamingo.flamingo(folder, every=2 if name.endswith("2") else 1)
    from tests.tune import tiny_blip2

    if name == "instructblip":
        return tiny_blip2.instructblip(folder)
    return tiny_blip2.blip2(folder, "t5" if name == "t5" else "opt")


def frozen_as(model: Architecture, pattern: tuple[str, ...]) -> Kind:
    parts = dict(zip(("vision", "connector", "llm"), pattern, strict=True))
    stage = StageConfig.model_validate({"trainable": parts})
    make_trainable(model, stage, LoraConfig(rank=4, alpha=8, dropout=0.0))
    kind: Kind = "segments" if model.packs else "padded"
    set_attention(model, kind)
    return kind


def counted(model: Architecture, batch: Any, kind: Kind) -> FlopCounterMode:
    """Torch's count, with attention as plain products, which it counts; the squares of causal ones in full."""
    counter = FlopCounterMode(display=False)
    with counter, sdpa_kernel(SDPBackend.MATH):
        total = summed(model.hidden(batch, mask(batch, kind, torch.float32)), batch, model.head, model.seq2seq)
        total.backward()  # type: ignore[no-untyped-call]
    return counter


@pytest.mark.parametrize(
    ("name", "pattern"),
    [("llava", pattern) for pattern in PATTERNS]
    + [(name, PATTERNS[i]) for name in ("blip2", "t5", "instructblip", "flamingo") for i in (0, 2, 5)]
    + [("flamingo2", PATTERNS[0])],  # a frozen layer stands before the first gate: no gradient reaches it
)
def test_a_step_is_what_torch_counts(tmp_path: Path, name: str, pattern: tuple[str, ...]) -> None:
    model = made(name, tmp_path)
    kind = frozen_as(model, pattern)
    found = flops.flops_of(model, kind, torch.float32)
    images = 1 if name.startswith("flamingo") else 3  # of several it computes what the mask then hides
    batch = flops._batch(model, 40, images, 11, "what is this")
    counts = flops.counts_of(batch, seq2seq=model.seq2seq)
    whole = counts._replace(causal=2 * counts.causal, answered=2 * counts.answered)
    assert found.of(whole) == pytest.approx(counted(model, batch, kind).get_total_flops(), rel=0.03)
    assert found.of(counts) < found.of(whole)


def test_products_of_weights_are_counted_to_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flops, "_attention", lambda *_: iter(()))
    model = tiny.llava(tmp_path)
    kind = frozen_as(model, ("frozen", "full", "full"))
    found = flops.flops_of(model, kind, torch.float32)
    batch = flops._batch(model, 40, 3, 0, "")
    ops = counted(model, batch, kind).get_flop_counts()["Global"]
    products = sum(n for op, n in ops.items() if str(op) in ("aten.mm", "aten.addmm", "aten.convolution"))
    assert found.of(flops.counts_of(batch, seq2seq=False)) == products


def test_a_frozen_llm_costs_four_operations_and_a_tuned_one_six(tmp_path: Path) -> None:
    model = tiny.llava(tmp_path)
    matrices = sum(p.numel() for n, p in model.decoder.named_parameters() if p.ndim == 2 and "embed" not in n)
    head = model.model.get_parameter("lm_head.weight").numel()
    each = {}
    for how in ("frozen", "full"):
        kind = frozen_as(model, ("frozen", "full", how))
        each[how] = flops.flops_of(model, kind, torch.float32).by_part["llm"]
    assert (each["frozen"].tokens, each["full"].tokens) == (4 * matrices, 6 * matrices)
    assert (each["frozen"].labels, each["full"].labels) == (4 * head, 6 * head)
    layers, width = 2, 32  # of the tiny Llama; scores and values, forward once and backward twice
    assert each["full"].causal == 3 * 4 * width * layers


def test_probing_changes_nothing(tmp_path: Path) -> None:
    model = tiny.llava(tmp_path)
    kind = frozen_as(model, ("frozen", "full", "lora"))
    checkpoint_activations(model)
    modes = [module.training for module in model.model.modules()]
    before = torch.get_rng_state()
    flops.flops_of(model, kind, torch.float32)
    assert torch.equal(torch.get_rng_state(), before)
    assert [module.training for module in model.model.modules()] == modes
    assert all(p.grad is None for p in model.model.parameters())
    assert not any(module._forward_hooks for module in model.model.modules() if hasattr(module, "in_features"))


def test_checkpointing_and_padding_do_not_count(tmp_path: Path) -> None:
    model = tiny.llava(tmp_path)
    kind = frozen_as(model, ("frozen", "full", "full"))
    plain = flops.flops_of(model, kind, torch.float32)
    checkpoint_activations(model)
    again = flops.flops_of(model, kind, torch.float32)
    assert {k: tuple(v) for k, v in plain.by_part.items()} == {k: tuple(v) for k, v in again.by_part.items()}
    from dataclasses import replace

    batch = flops._batch(model, 10, 1, 0, "")
    zeros = torch.zeros_like(batch.ids)
    padded = replace(
        batch,
        ids=torch.cat([batch.ids, zeros], 1),
        labels=torch.cat([batch.labels, zeros - 100], 1),
        documents=torch.cat([batch.documents, zeros.int()], 1),
    )
    assert flops.counts_of(padded, seq2seq=False) == flops.counts_of(batch, seq2seq=False)


def test_counts_add_up() -> None:
    one = flops.Counts(*map(float, range(len(flops.Counts._fields))))
    assert one + one == flops.Counts(*(2 * x for x in one))
    assert flops.NOTHING + one == one


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("NVIDIA H200", "bf16", 989.4e12),
        ("NVIDIA H100 80GB HBM3", "bf16", 989.4e12),
        ("NVIDIA H100 PCIe", "tf32", 378e12),
        ("NVIDIA A100-SXM4-80GB", "fp32", 19.5e12),
        ("NVIDIA L4", "bf16", 121e12),
        ("NVIDIA L40S", "bf16", 362e12),
        ("NVIDIA GeForce RTX 4090", "bf16", 165.2e12),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", "bf16", None),
        ("Tesla V100-SXM2-32GB", "bf16", None),
        ("Tesla V100-PCIE-16GB", "fp32", 14e12),
        ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", "bf16", None),
        ("NVIDIA H2000", "bf16", None),
        ("Something new", "bf16", None),
    ],
)
def test_peaks_are_published_ones_or_none(name: str, kind: str, expected: float | None) -> None:
    assert peak.published(name, kind) == expected


def test_a_cpu_is_measured() -> None:
    found = peak.peak_flops(torch.device("cpu"), "fp32")
    assert found is not None and 1e8 < found < 1e14
    assert peak.peak_flops(torch.device("meta"), "fp32") is None


def test_a_share_above_one_is_left_out(tmp_path: Path) -> None:
    from vlit.tune.config import TuneConfig
    from vlit.tune.flops import NOTHING
    from vlit.tune.metrics import Meter
    from vlit.tune.team import Team

    class Cost:
        def of(self, counts: object) -> float:
            return 3e6

    team = Team(TuneConfig(device="cpu"), tmp_path)
    told = [Meter(Cost(), peak).mfu(NOTHING, 2.0, team) for peak in (3e6, 1.5e6, 1e6, None)]  # type: ignore[arg-type]
    assert told == [0.5, 1.0, None, None]
