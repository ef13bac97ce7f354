"""The loop: a loss that falls, lines that tell, and a stop before harm is done."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.tune import tiny, tiny_blip2, tiny_flamingo
from tests.tune.photos import example, examples, photos
from vlit.data.errors import VlitError
from vlit.tune.config import StageConfig, TuneConfig
from vlit.tune.example import Example
from vlit.tune.loop import Outcome, train
from vlit.tune.metrics import Lines
from vlit.tune.models.architecture import Architecture
from vlit.tune.source import Source

torch = pytest.importorskip("torch")


def run(
    folder: Path,
    own: list[Example] | None = None,
    *,
    model: Architecture | None = None,
    stage: dict[str, Any] | None = None,
    measured: int = 4,
    **settings: Any,
) -> tuple[Outcome, list[dict[str, Any]], Architecture]:
    model = model or tiny.llava(folder)
    given = {"trainable": {"connector": "full", "llm": "full"}, "lr": 1e-2, "batch": 8, "epochs": 2}
    config = TuneConfig(
        stages=(StageConfig.model_validate(given | (stage or {})),),
        **{"max_length": 256, "row": 256, **settings},
    )
    source = Source.of(own if own is not None else examples(model, 20))
    held = Source.of([example(model, 100 + i) for i in range(measured)])
    told: list[dict[str, Any]] = []
    outcome = train(
        model,
        source,
        held,
        config.stages[0],
        config,
        folder / "stage",
        seed=3,
        tell=lambda r: told.append(dict(r)),
    )
    return outcome, told, model


def weights(model: Architecture) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in model.model.named_parameters()}


def test_the_loss_falls_and_every_line_tells_it(tmp_path: Path) -> None:
    before = weights(tiny.llava(tmp_path))
    outcome, told, model = run(tmp_path, held_out={"every": 2})
    assert told == [json.loads(line) for line in (tmp_path / "stage/metrics.jsonl").read_text().splitlines()]
    steps = [row for row in told if "loss" in row]
    assert [row["step"] for row in steps] == [1, 2, 3, 4, 5, 6]
    assert sum(row["samples"] for row in steps) == outcome.samples == 40
    assert steps[0].keys() >= {
        "step", "epoch", "loss", "lr", "grad_norm", "tokens", "label_tokens", "samples", "seconds",
        "label_tokens_per_second", "tokens_per_second", "waited", "memory_gb",
    }  # fmt: skip
    assert steps[-1]["loss"] < steps[0]["loss"] - 1
    measured = [(row["step"], row["held_out_loss"]) for row in told if "held_out_loss" in row]
    assert [step for step, _ in measured] == [0, 2, 4, 6]
    assert (outcome.held_out_before, outcome.held_out_after) == (measured[0][1], measured[-1][1])
    assert outcome.held_out_after < outcome.held_out_before
    after = weights(model)
    changed = {model.part_of(n) for n in before if not torch.equal(before[n], after[n])}
    assert changed == {"connector", "llm"}


def test_lines_of_a_run_that_was_killed_before_its_first_checkpoint_are_dropped(tmp_path: Path) -> None:
    (tmp_path / "stage").mkdir()
    (tmp_path / "stage/metrics.jsonl").write_text(
        '{"step": 0, "held_out_loss": 9}\n{"step": 1, "loss": 9}\n{"st'
    )
    _, told, _ = run(tmp_path)
    assert told == [json.loads(line) for line in (tmp_path / "stage/metrics.jsonl").read_text().splitlines()]


def test_what_a_power_cut_left_behind_the_last_checkpoint_is_no_line(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_bytes(b'{"step": 1}\n{"step": 2}\n\x00\x00\x00\n{"step": 3}\n')
    lines = Lines(tmp_path / "metrics.jsonl")
    assert lines.read() == [{"step": 1}, {"step": 2}]
    lines.cut(1)
    lines.append({"step": 2})
    assert lines.read() == [{"step": 1}, {"step": 2}]


def test_the_same_again_gives_the_same_weights(tmp_path: Path) -> None:
    found = [weights(run(tmp_path / name, readers=readers)[2]) for name, readers in (("a", 0), ("b", 3))]
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


@pytest.mark.parametrize(
    "settings",
    [
        {"row": 512},
        {"pack": False},
        {"checkpointing": True},
        {"attention": "dense"},
    ],
)
def test_how_the_work_is_done_changes_no_loss(settings: dict[str, Any], tmp_path: Path) -> None:
    def curve(rows: list[dict[str, Any]]) -> list[float]:
        return [row.get("loss", row.get("held_out_loss")) for row in rows]

    # One step of all samples: what row lengths do to the order in which an epoch begins does not show.
    plain = run(tmp_path / "plain", stage={"batch": 20, "epochs": 3})[1]
    other = run(tmp_path / "other", stage={"batch": 20, "epochs": 3}, **settings)[1]
    assert curve(plain) == pytest.approx(curve(other), rel=2e-5)


def test_fractions_of_epochs_and_steps(tmp_path: Path) -> None:
    assert run(tmp_path / "a", stage={"epochs": 0.5})[0].steps == 2  # half of 3, rounded up
    assert run(tmp_path / "b", stage={"steps": 4})[0].epochs == pytest.approx(4 / 3, abs=1e-3)


def test_only_rows_of_new_tokens_move(tmp_path: Path) -> None:
    model = tiny.llava(tmp_path)
    model.new_tokens = (model.tokenizer.eos_token_id,)  # type: ignore[misc]
    before = model.model.get_input_embeddings().weight.detach().clone()
    own = {"trainable": {"connector": "frozen", "llm": "full"}, "train_embeddings": "new", "weight_decay": 0.1}
    rows = [example(model, i) for i in range(8)]
    rows = [msgspec_replace(e) for e in rows]
    run(tmp_path, rows, model=model, stage=own)
    moved = (model.model.get_input_embeddings().weight.detach() != before).any(1).nonzero().squeeze(1).tolist()
    assert moved == [model.tokenizer.eos_token_id]


def msgspec_replace(found: Example) -> Example:
    """With an end of text inside, so that its row has a gradient."""
    import dataclasses

    ids = found.ids.copy()
    ids[-3] = ids[-1]
    return dataclasses.replace(found, ids=ids)


def test_corrupt_photos_are_skipped_told_and_counted(tmp_path: Path) -> None:
    model = tiny.llava(tmp_path)
    own = [*examples(model, 19), example(model, 50, images=[missing(tmp_path)])]
    outcome, _, _ = run(tmp_path, own, model=model, unreadable=0.1)
    lines = [json.loads(line) for line in (tmp_path / "stage/skipped.jsonl").read_text().splitlines()]
    assert [(row["id"], row["uri"], row["reason"]) for row in lines] == [
        ("s50", str(tmp_path / "gone.jpg"), "the file is missing")
    ]  # once, though each epoch came upon it
    assert (outcome.skipped, outcome.samples) == (1, 38)


def test_too_many_corrupt_photos_stop_the_run(tmp_path: Path) -> None:
    model = tiny.llava(tmp_path)
    own = [*examples(model, 19), example(model, 50, images=[missing(tmp_path)])]
    with pytest.raises(VlitError, match=r"1 of \d+ images cannot be read") as error:
        run(tmp_path, own, model=model, unreadable=0.01)
    assert "gone.jpg: the file is missing" in error.value.where


@pytest.mark.parametrize("name", ["llava", "blip2-opt", "blip2-t5", "instructblip", "flamingo"])
def test_text_alone_teaches_nothing_to_a_connector_that_is_tuned_alone(name: str, tmp_path: Path) -> None:
    model = MODELS[name](tmp_path)
    own = [example(model, i, images=()) for i in range(4)] + [example(model, 4)]
    stage = {"trainable": {"connector": "full"}, "batch": 1, "epochs": 1}
    outcome, told, _ = run(tmp_path, own, model=model, stage=stage)
    assert outcome.samples == 5 and all(row["loss"] > 0 for row in told if "samples" in row)
    assert sum(row["grad_norm"] > 0 for row in told if "samples" in row) in (1, 5)  # 5: Flamingo's gates


def test_steps_whose_samples_were_all_skipped_are_saved_and_gone_on_from(tmp_path: Path) -> None:
    model = tiny.llava(tmp_path)
    own = [example(model, i, images=[missing(tmp_path)]) for i in range(4)]
    stage = {"batch": 2, "steps": 2}
    before = weights(model)
    outcome, told, _ = run(tmp_path, own, model=model, stage=stage, save_every=1, unreadable=0.9)
    assert [row["loss"] for row in told if "samples" in row] == [None, None]
    assert (outcome.samples, outcome.loss) == (0, None)
    again = tiny.llava(tmp_path)
    assert run(tmp_path, own, model=again, stage=stage, unreadable=0.9)[0].resumed_at == 2
    assert all(torch.equal(tensor, before[name]) for name, tensor in weights(again).items())


def missing(folder: Path) -> Any:
    return msgspec.structs.replace(photos()[0], uri=str(folder / "gone.jpg"))


def test_a_loss_that_is_no_number_stops_before_the_weights_change(tmp_path: Path) -> None:
    model = tiny.llava(tmp_path)
    run(tmp_path, model=model, stage={"steps": 4}, save_every=2)
    kept = (tmp_path / "stage/checkpoints/step-00000004/state.safetensors").read_bytes()
    bad = tiny.llava(tmp_path / "bad")
    with torch.no_grad():
        bad.model.model.vision_tower.embeddings.patch_embedding.weight[0] = float("nan")
    before = weights(bad)
    with pytest.raises(VlitError, match="the loss of this step is nan") as error:
        run(tmp_path / "bad", model=bad, measured=0)
    assert "samples s" in error.value.where
    after = weights(bad)
    assert all(torch.equal(before[n].nan_to_num(), after[n].nan_to_num()) for n in before)
    assert (tmp_path / "stage/checkpoints/step-00000004/state.safetensors").read_bytes() == kept
    assert not list((tmp_path / "bad/stage").glob("checkpoints/*"))


def test_a_held_out_loss_that_is_no_number_stops_too(tmp_path: Path) -> None:
    model = tiny.llava(tmp_path)
    with torch.no_grad():
        model.model.model.vision_tower.embeddings.patch_embedding.weight[0] = float("nan")
    with pytest.raises(VlitError, match="the loss of held-out samples is nan") as error:
        run(tmp_path, model=model)
    assert "s100" in error.value.where


def test_a_tracker_that_is_not_installed_is_an_error(tmp_path: Path) -> None:
    if importlib.util.find_spec("tensorboard") is not None:
        pytest.skip("it is")
    with pytest.raises(VlitError, match="tensorboard is not installed"):
        run(tmp_path, trackers=("tensorboard",))


def test_a_line_on_a_full_disk_says_so(tmp_path: Path) -> None:
    """``/dev/full`` refuses every byte, as a full disk does."""
    (tmp_path / "metrics.jsonl").symlink_to("/dev/full")
    with pytest.raises(VlitError, match="the disk is full"):
        Lines(tmp_path / "metrics.jsonl").append({"step": 1})


MODELS: dict[str, Callable[[Path], Architecture]] = {
    "llava": tiny.llava,
    "blip2-opt": tiny_blip2.blip2,
    "blip2-t5": lambda folder: tiny_blip2.blip2(folder, "t5"),
    "instructblip": tiny_blip2.instructblip,
    "flamingo": tiny_flamingo.flamingo,
}


@pytest.mark.parametrize("name", list(MODELS))
@pytest.mark.parametrize(
    "trainable",
    [
        {"vision": "frozen", "connector": "full", "llm": "frozen"},
        {"vision": "lora", "connector": "lora", "llm": "lora"},
        {"vision": "full", "connector": "full", "llm": "full"},
    ],
)
def test_every_architecture_goes_through_it(name: str, trainable: dict[str, str], tmp_path: Path) -> None:
    model = MODELS[name](tmp_path)
    before = weights(model)
    settings = {"trainable": trainable, "steps": 6, "batch": 20, "warmup": 0}
    _, told, _ = run(tmp_path, examples(model, 20), model=model, stage=settings, lora={"rank": 4, "alpha": 8})
    losses = [row["loss"] for row in told if "loss" in row]
    assert losses[-1] < losses[0]
    after = weights(model)
    changed = {model.part_of(n) for n in after if n not in before or not torch.equal(before[n], after[n])}
    assert changed == {part for part, how in trainable.items() if how != "frozen"}


def test_bf16_holds_no_casts_of_weights_between_layers(tmp_path: Path) -> None:
    model, cached = tiny.llava(tmp_path), []
    model.head.register_forward_hook(lambda *_: cached.append(torch.is_autocast_cache_enabled()))
    run(tmp_path, model=model, stage={"steps": 1}, precision="bf16", measured=0, checkpointing=True)
    assert cached and not any(cached)


def test_bf16_learns_too(tmp_path: Path) -> None:
    outcome, _, model = run(tmp_path, precision="bf16")
    assert {p.dtype for p in model.model.model.language_model.parameters()} == {torch.float32}
    assert {p.dtype for p in model.model.model.vision_tower.parameters()} == {torch.bfloat16}
    assert outcome.held_out_after < outcome.held_out_before - 1
