"""The Python of a model card runs as it stands, and says what vlit says."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.tune import tiny
from vlit.data.images import probe
from vlit.data.sample import Sample, Turn
from vlit.tune.config import TuneConfig

torch = pytest.importorskip("torch")
pytest.importorskip("peft")

from tests.tune.test_result import adapted, made  # noqa: E402
from vlit.tune.answer import answers  # noqa: E402
from vlit.tune.chat.encode import Encoder  # noqa: E402
from vlit.tune.chat.template import Template  # noqa: E402
from vlit.tune.result import open_result, write_result  # noqa: E402
from vlit.tune.usage import serving, vllm_lists  # noqa: E402

#: What each architecture is tuned with.
TEMPLATES = {
    "llava": "vicuna",
    "blip2": "blip2",
    "t5": "blip2",
    "instructblip": "blip2",
    "flamingo": "flamingo",
}


@pytest.mark.parametrize(("name", "merge"), [*((name, True) for name in TEMPLATES), ("llava", False)])
def test_the_lines_of_the_card_say_what_vlit_says(
    name: str, merge: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = tmp_path / "photo.jpg"
    shutil.copy(tiny.photos(1)[0].uri, photo)
    model = made(name, tmp_path)
    config = TuneConfig.model_validate(
        {
            "model": {"checkpoint": str(tmp_path / "somewhere"), "template": TEMPLATES[name]},
            "stages": [{"trainable": {"connector": "full", "llm": "lora"}}],
            "lora": {"rank": 2, "alpha": 4, "dropout": 0.0, "merge": merge},
        }
    )
    adapted(model, config)
    folder = tmp_path / "out"
    write_result(model, folder, config=config, stage=config.stages[0], about={})
    found = re.search(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    assert found is not None
    monkeypatch.chdir(tmp_path)
    code = found[1].replace("FOLDER", str(folder)).replace("max_new_tokens=64", "max_new_tokens=12")
    capsys.readouterr()
    exec(compile(code, "card", "exec"), {})
    said = capsys.readouterr().out.strip().splitlines()

    here = open_result(folder)
    encoder = Encoder(here, Template.of(here.tokenizer), max_length=512)
    asked = Sample(id="a", images=(probe(str(photo)),), turns=(Turn(role="user", text="What is this?"),))
    (want,) = answers(here, [encoder.prompt(asked)], batch=1, max_new_tokens=12)
    assert "\n".join(said).strip() == "\n".join(want.splitlines()).strip()


def test_servers_are_named_that_know_the_class(tmp_path: Path) -> None:
    plain, linear = tiny.llava(tmp_path), tiny.llava(tmp_path, connector={"kind": "linear"})
    assert vllm_lists(plain) and "transformers serve" in serving(plain, adapters=False)
    assert not vllm_lists(linear) and "vllm" not in serving(linear, adapters=False)
    own = tiny.llava(tmp_path, connector={"kind": "mlp3x_gelu"})
    assert "no server lists" in serving(own, adapters=False)
