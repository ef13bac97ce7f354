"""What a stage leaves behind: loads in a fresh process with equal logits, and is whole or not there."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from tests.tune import fresh, tiny
from vlit.data.errors import VlitError
from vlit.data.scene import Image
from vlit.tune.config import TuneConfig
from vlit.tune.models.architecture import Architecture

torch, peft = pytest.importorskip("torch"), pytest.importorskip("peft")

from vlit.tune import merge, result  # noqa: E402
from vlit.tune.trainable import make_trainable  # noqa: E402


def config_of(folder: Path, **lora: Any) -> TuneConfig:
    return TuneConfig.model_validate(
        {
            "model": {"architecture": "llava", "vision": str(folder / "clip"), "llm": str(folder / "llama")},
            "stages": [{"trainable": {"vision": "frozen", "connector": "full", "llm": "lora"}}],
            "lora": {"rank": 4, "alpha": 8, "dropout": 0.0, **lora},
        }
    )


def adapted(model: Architecture, config: TuneConfig) -> Architecture:
    """Adapters that change what the model says, and a connector that has been tuned."""
    torch.manual_seed(3)
    make_trainable(model, config.stages[-1], config.lora)
    with torch.no_grad():
        for name, parameter in model.model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.2)
            elif "lora_magnitude" in name:
                parameter.mul_(1.3)
            elif parameter.requires_grad and not merge.is_adapter(name):
                parameter.add_(0.05)
    model.model.eval()
    return model


def inputs(model: Architecture) -> dict[str, Any]:
    slot = model.slot(Image(uri="x", width=9, height=5))
    pixels = model.pixels([PIL.Image.new("RGB", (9, 5), (200, 30, 30))])
    ids = torch.tensor([[5, *slot, 9, 12, 20]])
    told: dict[str, Any] = getattr(model, "instruct", lambda texts: {})(["what is this"])
    more = {"decoder_input_ids": torch.tensor([[0, 7, 9]])} if model.seq2seq else {}
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), **pixels, **told, **more}


def logits(model: Architecture) -> Any:
    with torch.no_grad():
        return model.model.eval()(**inputs(model)).logits


def write(model: Architecture, folder: Path, config: TuneConfig, **about: Any) -> None:
    result.write_result(model, folder, config=config, stage=config.stages[-1], about=about)


NAMES = ("llava", "blip2", "t5", "instructblip", "flamingo")


def made(name: str, folder: Path) -> Architecture:
    """A tiny model of that architecture."""
    if name == "llava":
        return tiny.llava(folder)
    if name == "flamingo":
        from tests.tune import tiny_flamingo

        return tiny_flamingo.flamingo(folder)
    from tests.tune import tiny_blip2

    if name == "instructblip":
        return tiny_blip2.instructblip(folder)
    return tiny_blip2.blip2(folder, "t5" if name == "t5" else "opt")


@pytest.mark.slow
def test_what_is_saved_gives_equal_logits_in_a_fresh_process(tmp_path: Path) -> None:
    """Every architecture, tuned whole, with adapters merged, and with adapters beside their base."""
    saved: list[fresh.Saved] = []
    wanted: list[Any] = []
    for name in NAMES:
        place = tmp_path / name
        place.mkdir()
        merged, trust = config_of(place), name == "flamingo"
        full = made(name, place)
        asked = inputs(full)
        write(full, place / "full", merged)
        tuned = adapted(made(name, place), merged)
        want = logits(tuned)
        write(tuned, place / "merged", merged)
        write(tuned, place / "adapters", config_of(place, merge=False))
        assert torch.equal(logits(tuned), want), name  # writing has not changed the model
        assert (want - logits(full)).abs().max() > 0.01, name
        saved += [
            fresh.Saved(place / "full", asked, trust=trust),
            fresh.Saved(place / "merged", asked, trust=trust),
            fresh.Saved(place / "adapters" / "base", asked, trust=trust, adapter=place / "adapters"),
        ]
        wanted += [logits(full), want, want]
    for one, here, there in zip(saved, wanted, fresh.logits(*saved), strict=True):
        assert (torch.from_numpy(there) - here).abs().max() < 1e-4, one.folder


@pytest.mark.parametrize("dora", [False, True])
def test_merging_is_what_peft_makes_of_it(tmp_path: Path, dora: bool) -> None:
    config = config_of(tmp_path, dora=dora)
    model = adapted(tiny.llava(tmp_path), config)
    want, ours = logits(model), merge.merged_state(model.model)
    for layer in merge.adapted(model.model).values():
        layer.merge()
    theirs = merge.base_state(model.model)
    assert ours.keys() == theirs.keys()
    assert max(float((ours[name] - theirs[name]).abs().max()) for name in ours) < 1e-6
    plain = tiny.llava(tmp_path)
    plain.model.load_state_dict(ours)
    assert (logits(plain) - want).abs().max() < 1e-4


@pytest.mark.parametrize("dora", [False, True])
def test_adapters_of_a_checkpoint_of_the_hub_come_alone(tmp_path: Path, dora: bool) -> None:
    tiny.llava(tmp_path).save(tmp_path / "whole")
    given = config_of(tmp_path, merge=False, dora=dora).model_dump()
    given["model"] = {"checkpoint": str(tmp_path / "whole")}
    given["stages"][0]["trainable"]["connector"] = "frozen"
    config = TuneConfig.model_validate(given)
    from vlit.tune.models.registry import load_model

    model = adapted(load_model(str(tmp_path / "whole")), config)
    write(model, tmp_path / "local", config)
    assert (tmp_path / "local" / "base").is_dir()  # others cannot have a folder of this machine
    model.model.name_or_path = "somebody/whole"
    want = logits(model)
    write(model, tmp_path / "out", config)
    assert not (tmp_path / "out" / "base").exists()
    assert not list((tmp_path / "out").glob("model*.safetensors"))
    said = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    assert said["base_model_name_or_path"] == "somebody/whole"
    put = peft.PeftModel.from_pretrained(load_model(str(tmp_path / "whole")).model, str(tmp_path / "out"))
    with torch.no_grad():
        assert (put.eval()(**inputs(model)).logits - want).abs().max() < 1e-5


def test_an_opened_result_has_its_adapters_merged(tmp_path: Path) -> None:
    config = config_of(tmp_path, merge=False)
    model = adapted(tiny.llava(tmp_path), config)
    write(model, tmp_path / "out", config)
    opened = result.open_result(tmp_path / "out")
    assert not merge.adapted(opened.model)
    assert (logits(opened) - logits(model)).abs().max() < 1e-4


@pytest.mark.parametrize("name", ["llava", "blip2", "flamingo"])
def test_opened_adapters_read_as_their_own_stage_did(name: str, tmp_path: Path) -> None:
    """Not as the base does, which keeps the template and the photos' shape of the stage before."""
    config = config_of(tmp_path, merge=False)
    model = made(name, tmp_path)
    model.make_square("pad")
    adapted(model, config)
    write(model, tmp_path / "out", config, chat_template="{{ 'of this stage' }}")
    shape = model.pixels([PIL.Image.new("RGB", (9, 5), (200, 30, 30))])["pixel_values"]
    for file in ("processor_config.json", "preprocessor_config.json"):
        if (path := tmp_path / "out" / "base" / file).is_file():  # what a checkpoint of the hub would say
            path.write_text(path.read_text().replace('"do_pad": true', '"do_pad": false'))
        if (path := tmp_path / "out" / file).is_file():
            assert "Pil" not in path.read_text()
    opened = result.open_result(tmp_path / "out")
    assert opened.tokenizer.chat_template == "{{ 'of this stage' }}"
    again = opened.pixels([PIL.Image.new("RGB", (9, 5), (200, 30, 30))])["pixel_values"]
    assert torch.equal(again, shape)


def test_weights_are_written_in_one_format(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    config = config_of(tmp_path)
    model = tiny.llava(tmp_path)
    make_trainable(model, config.stages[0], config.lora, bf16=True)
    assert len({p.dtype for p in model.model.parameters()}) == 2
    write(model, tmp_path / "out", config)
    stored = load_file(tmp_path / "out" / "model.safetensors")
    assert {t.dtype for t in stored.values()} == {torch.bfloat16}
    said = json.loads((tmp_path / "out" / "config.json").read_text())
    assert {said["dtype"], said["text_config"]["dtype"], said["vision_config"]["dtype"]} == {"bfloat16"}


def test_notes_tell_what_the_model_went_through(tmp_path: Path) -> None:
    config = config_of(tmp_path)
    data = {"fingerprint": "ab12", "samples": 3}
    write(tiny.llava(tmp_path), tmp_path / "out", config, data=data)
    notes = json.loads((tmp_path / "out" / "vlit.json").read_text())
    assert (notes["format"], notes["architecture"], notes["data"]) == (1, "llava", data)
    assert [own["name"] for own in notes["stages"]] == ["instruct"]
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert files == {*notes["files"], "vlit.json"}
    assert {"generation_config.json", "chat_template.jinja", "tokenizer.json", "README.md"} <= files
    assert all(stat.S_IMODE((tmp_path / "out" / name).stat().st_mode) & 0o044 for name in files)


def test_no_path_of_the_machine_is_written(tmp_path: Path) -> None:
    write(tiny.llava(tmp_path), tmp_path / "out", config_of(tmp_path))
    for path in (tmp_path / "out").iterdir():
        if path.suffix in (".json", ".md", ".jinja"):
            assert str(tmp_path) not in path.read_text(), path.name


def test_a_generation_config_that_hub_models_bring_is_mended(tmp_path: Path) -> None:
    model = tiny.llava(tmp_path)
    model.model.generation_config.temperature = 0.6  # as Llama 2 and Vicuna ship it: no do_sample
    write(model, tmp_path / "out", config_of(tmp_path))
    said = json.loads((tmp_path / "out" / "generation_config.json").read_text())
    assert said["do_sample"] is True
    assert not model.model.generation_config.do_sample  # that of the model is not touched


def test_a_new_result_takes_the_place_of_an_older_one(tmp_path: Path) -> None:
    config, model = config_of(tmp_path), tiny.llava(tmp_path)
    write(model, tmp_path / "out", config)
    (tmp_path / "out" / "stale").touch()
    write(model, tmp_path / "out", config)
    assert not (tmp_path / "out" / "stale").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"clip", "llama", "out"}


def test_what_a_killed_process_has_left_is_cleared_away(tmp_path: Path) -> None:
    config, model = config_of(tmp_path), tiny.llava(tmp_path)
    write(model, tmp_path / "out", config)
    (tmp_path / "out").rename(tmp_path / ".out.old")  # killed between two renames
    (tmp_path / ".out.tmp").mkdir()
    (tmp_path / ".out.tmp" / "half").touch()
    with pytest.raises(RuntimeError), result._replacing(tmp_path / "out"):
        raise RuntimeError("and the next one fails")
    assert (tmp_path / "out" / "vlit.json").is_file()
    assert {path.name for path in tmp_path.iterdir()} == {"clip", "llama", "out"}


FULL = """
import resource, signal, sys
from pathlib import Path
from tests.tune import tiny
from tests.tune.test_result import config_of, write
from vlit.data.errors import VlitError
place = Path(sys.argv[1])
model = tiny.llava(place)
write(model, place / "again", config_of(place))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
for name in ("once", "again"):
    try:
        write(model, place / name, config_of(place))
    except VlitError as error:
        print("stopped:", error.what)
"""


@pytest.mark.slow
def test_a_disk_that_is_full_leaves_nothing_half_written(tmp_path: Path) -> None:
    """No room for a file of 50 kB stands for a full disk: writing stops in the middle of the weights."""
    found = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.count("stopped: ") == 2, found.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"clip", "llama", "again"}
    assert (tmp_path / "again" / "vlit.json").is_file()  # the older result survives


def test_a_full_disk_is_told_as_such_whichever_library_meets_it(tmp_path: Path) -> None:
    for error in (OSError(28, "x"), Exception("No space left on device (os error 28)")):
        with pytest.raises(VlitError, match="the disk is full"), result._replacing(tmp_path / "result"):
            raise error
    with pytest.raises(KeyError), result._replacing(tmp_path / "result"):
        raise KeyError("a mistake of ours")
    assert not list(tmp_path.iterdir())


def test_publishing_keeps_what_else_lies_there(tmp_path: Path) -> None:
    config, model = config_of(tmp_path), tiny.llava(tmp_path)
    there = tmp_path / "model"
    write(model, there / "stages" / "instruct" / "result", config)
    result.publish(there / "stages" / "instruct" / "result", there)
    assert (there / "vlit.json").is_file() and (there / "model.safetensors").is_file()
    from vlit.tune.models.registry import load_model

    assert torch.equal(logits(load_model(str(there))), logits(model))
    lora = adapted(model, config_of(tmp_path, merge=False))
    write(lora, there / "stages" / "instruct" / "result", config_of(tmp_path, merge=False))
    result.publish(there / "stages" / "instruct" / "result", there)
    assert not (there / "model.safetensors").exists()  # of the earlier result
    assert (there / "base" / "model.safetensors").is_file()
    assert (there / "stages" / "instruct" / "result" / "adapter_model.safetensors").is_file()


def test_a_publishing_that_was_killed_leaves_no_weights_of_an_earlier_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, place = tmp_path / "model", tmp_path / "model" / "stages" / "instruct" / "result"
    model = tiny.llava(tmp_path)
    write(model, place, config_of(tmp_path))
    (there / "mine.txt").touch()

    def killed(*given: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("os.link", lambda a, b: killed() if "token" in str(a) else shutil.copy2(a, b))
        result.publish(place, there)
    assert (there / "model.safetensors").exists() and not (there / "vlit.json").exists()
    write(adapted(model, config_of(tmp_path, merge=False)), place, config_of(tmp_path, merge=False))
    result.publish(place, there)
    found = {path.relative_to(there).as_posix() for path in there.rglob("*") if path.is_file()}
    assert not (there / "model.safetensors").exists() and (there / "base" / "model.safetensors").exists()
    notes = json.loads((there / "vlit.json").read_text())
    assert {name for name in found if not name.startswith("stages")} == {
        *notes["files"],
        "vlit.json",
        "mine.txt",
    }
