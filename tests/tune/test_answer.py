"""Answers are the same alone and in a batch, in the order of the prompts; a lost photo costs its own prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.tune import tiny, tiny_auto, tiny_blip2, tiny_flamingo
from vlit.data.images import ImageProblem
from vlit.data.scene import Image
from vlit.tune import answer
from vlit.tune.answer import Answer, answers, each_answer, stops_of
from vlit.tune.example import Example
from vlit.tune.models.architecture import Architecture
from vlit.tune.models.auto import Auto

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Architecture:
    return tiny.llava(tmp_path_factory.mktemp("llava"))


def mixed(model: Architecture) -> list[Example]:
    """Text alone, one image and several, of mixed lengths."""
    first, second, third = tiny.photos(3)
    return [
        tiny.prompt(model, "USER: How many? ASSISTANT:", [first]),
        tiny.prompt(model, "USER: Hi ASSISTANT:"),
        tiny.prompt(model, "USER: What is different between these photos? ASSISTANT:", [second, first]),
        tiny.prompt(model, "a"),
        tiny.prompt(model, "USER: Tell me a long story of a dog, a cat and a bench. ASSISTANT:"),
        tiny.prompt(model, "USER: Where? ASSISTANT:", [third, second, first]),
        tiny.prompt(model, "b", [third]),
        tiny.prompt(model, "USER: What is this? ASSISTANT:", [third]),
        tiny.prompt(model, "c", [second]),
    ]


def test_batch_1_and_batch_8_say_the_same(model: Architecture) -> None:
    prompts = mixed(model)
    alone = answers(model, prompts, batch=1, max_new_tokens=12, stops=[1])
    assert len(set(alone)) > 4  # or the model says the same to all, and nothing is shown
    assert answers(model, prompts, batch=8, max_new_tokens=12, stops=[1]) == alone
    assert answers(model, prompts, batch=8, max_new_tokens=12, stops=[1], most_tokens=90) == alone
    assert answers(model, prompts[::-1], batch=3, max_new_tokens=12, stops=[1])[::-1] == alone


def test_an_answer_is_what_the_model_finds_most_likely_token_by_token(model: Architecture) -> None:
    prompt = mixed(model)[0]
    from vlit.data.images import open_rgb

    pixels = model.pixels([open_rgb(prompt.images[0])])
    ids = torch.tensor(prompt.ids[None]).long()
    with torch.no_grad():
        for _ in range(6):
            best = model.model(input_ids=ids, **pixels, use_cache=False).logits[:, -1].argmax(-1, keepdim=True)
            ids = torch.cat([ids, best], 1)
    said = ids[0, len(prompt.ids) :].tolist()
    (found,) = each_answer(model, [prompt], batch=1, max_new_tokens=6, stops=[])
    assert found.text == model.tokenizer.decode(said, skip_special_tokens=True).strip()
    (cut,) = each_answer(model, [prompt], batch=1, max_new_tokens=6, stops=[said[2]])
    place = said.index(said[2])
    assert cut == Answer(
        0, model.tokenizer.decode(said[:place], skip_special_tokens=True).strip(), place + 1, True
    )
    assert not found.ended and found.tokens == 6


def test_sampling_and_penalties_of_the_checkpoint_are_left_out(model: Architecture) -> None:
    prompts = mixed(model)[:2]
    plain = answers(model, prompts, batch=2, max_new_tokens=8, stops=[1])
    own = model.model.generation_config
    model.model.generation_config = type(own)(
        do_sample=True, temperature=5.0, repetition_penalty=3.0, num_beams=2
    )
    try:
        assert answers(model, prompts, batch=2, max_new_tokens=8, stops=[1]) == plain
    finally:
        model.model.generation_config = own


def test_a_lost_photo_costs_its_own_prompt_alone(model: Architecture, tmp_path: Path) -> None:
    prompts = mixed(model)[:4]
    expected = answers(model, prompts, batch=4, max_new_tokens=5, stops=[1])
    gone = Image(uri=str(tmp_path / "gone.jpg"), width=10, height=10)
    swapped = replace_image(prompts[2], 1, gone)
    shrunk = tiny.photos(1)[0]
    other = replace_image(prompts[0], 0, Image(uri=shrunk.uri, width=3, height=3))
    found = sorted(
        each_answer(model, [other, prompts[1], swapped, prompts[3]], batch=4, max_new_tokens=5, stops=[1]),
        key=lambda a: a.index,
    )
    assert [a.asked for a in found] == [False, True, False, True]
    assert "was 3x3" in found[0].problem and "the file is missing" in found[2].problem
    assert [found[1].text, found[3].text] == [expected[1], expected[3]]
    with pytest.raises(ImageProblem, match="prompt 0"):
        answers(model, [other, prompts[1]], batch=2, max_new_tokens=2, stops=[1])


def replace_image(prompt: Example, place: int, image: Image) -> Example:
    images = list(prompt.images)
    images[place] = image
    return replace(prompt, images=tuple(images))


def test_batches_keep_to_the_budget_and_hold_each_prompt_once() -> None:
    lengths = np.random.default_rng(0).integers(1, 60, 300)
    prompts = [Example(str(i), np.zeros(n, np.int32), np.zeros(0, np.int32)) for i, n in enumerate(lengths)]
    found = list(answer.chunks(prompts, 8, 10, 200))
    assert sorted(i for chunk in found for i, _ in chunk) == list(range(300))
    for chunk in found:
        longest = max(len(p.ids) for _, p in chunk)
        assert len(chunk) == 1 or (len(chunk) <= 8 and len(chunk) * (longest + 10) <= 200)
    window = [i for chunk in found for i, _ in chunk][: 8 * answer._WINDOW]
    assert sorted(window) == list(range(8 * answer._WINDOW))


def test_stops_are_those_of_checkpoint_tokenizer_and_template(model: Architecture) -> None:
    own = model.model.generation_config.eos_token_id
    model.model.generation_config.eos_token_id = [7, 1]
    try:
        assert stops_of(model) == (7, 1)  # the template ends turns with the tokenizer's own end, 1
    finally:
        model.model.generation_config.eos_token_id = own


def test_training_goes_on_as_it_was(model: Architecture) -> None:
    model.model.train()
    model.model.model.vision_tower.eval()
    answers(model, mixed(model)[:1], batch=1, max_new_tokens=1, stops=[1])
    assert model.model.training and not model.model.model.vision_tower.training
    model.model.eval()


def test_where_memory_runs_out_batches_are_halved(model: Architecture, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = mixed(model)
    expected = answers(model, prompts, batch=8, max_new_tokens=3, stops=[1])
    sizes: list[int] = []
    whole = answer._generated

    def small(model: Architecture, chunk: Sequence[Any], *rest: Any) -> list[Answer]:
        sizes.append(len(chunk))
        if len(chunk) > 2:
            raise MemoryError
        return whole(model, chunk, *rest)

    monkeypatch.setattr(answer, "_generated", small)
    assert answers(model, prompts, batch=8, max_new_tokens=3, stops=[1]) == expected
    assert max(sizes) == 8 and sizes.count(2) >= 4


def test_nothing_to_answer_is_no_answer(model: Architecture) -> None:
    assert answers(model, [], batch=4, max_new_tokens=3, stops=[1]) == []


@pytest.mark.parametrize("kind", ["blip2 opt", "blip2 t5", "instructblip llama", "flamingo", "gemma3", "qwen"])
def test_every_architecture_says_the_same_alone_and_in_a_batch(kind: str, tmp_path: Path) -> None:
    name, _, llm = kind.partition(" ")
    if name == "flamingo":
        other: Architecture = tiny_flamingo.flamingo(tmp_path)
    elif llm:
        other = getattr(tiny_blip2, name)(tmp_path, llm)
    else:
        other = Auto(*tiny_auto.built(name))
    prompts = [apart(other, prompt) for prompt in mixed(other)]
    alone = answers(other, prompts, batch=1, max_new_tokens=6, stops=[1])
    assert len(set(alone)) > 1
    assert answers(other, prompts, batch=8, max_new_tokens=6, stops=[1]) == alone


def apart(model: Architecture, prompt: Example) -> Example:
    """With a token between images: some models tell images apart by it, as their templates write one."""
    ids: list[int] = []
    slots = []
    for start, end in prompt.slots:
        ids += [5, *prompt.ids[start:end]]
        slots.append((len(ids) - (end - start), len(ids)))
    last = prompt.slots[-1][1] if prompt.slots else 0
    return replace(prompt, ids=np.array([*ids, 5, *prompt.ids[last:]], dtype=np.int32), slots=tuple(slots))
