"""Options ranked behind one prompt have the loss that each has as a training example of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from tests.tune import tiny, tiny_auto, tiny_blip2, tiny_flamingo
from vlit.data.images import open_rgb
from vlit.data.sample import Sample, Turn
from vlit.data.scene import Image
from vlit.evaluate import likelihood, rank
from vlit.evaluate.answerer import sample_of
from vlit.evaluate.question import Question
from vlit.evaluate.rank import losses
from vlit.tune import pocket as pocket_model
from vlit.tune.attention import mask, set_attention
from vlit.tune.chat.encode import Encoder
from vlit.tune.chat.template import Template
from vlit.tune.collate import collate
from vlit.tune.example import IGNORE, Batch
from vlit.tune.loss import summed
from vlit.tune.models.architecture import Architecture
from vlit.tune.models.auto import Auto
from vlit.tune.models.registry import load_model

torch = pytest.importorskip("torch")


def pocket(folder: Path) -> Architecture:
    """What comes with vlit: real weights, a real tokenizer, and a template of its own."""
    return load_model(str(pocket_model.folder()))


#: Each architecture, and the way that it shares the prompt.
MODELS: dict[str, tuple[Callable[[Path], Architecture], str]] = {
    "llava": (tiny.llava, "together"),
    "pocket": (pocket, "together"),
    "blip2 opt": (tiny_blip2.blip2, "together"),
    "instructblip llama": (tiny_blip2.instructblip, "together"),
    "flamingo": (tiny_flamingo.flamingo, "together"),
    "blip2 t5": (lambda folder: tiny_blip2.blip2(folder, "t5"), "read_once"),
    "llava_next": (lambda folder: Auto(*tiny_auto.built("llava_next")), "cached"),
    "idefics3": (lambda folder: Auto(*tiny_auto.built("idefics3")), "cached"),
    "gemma3": (lambda folder: Auto(*tiny_auto.built("gemma3")), "cached"),
    "qwen": (lambda folder: Auto(*tiny_auto.built("qwen")), "cached"),
}


def encoder(model: Architecture) -> Encoder:
    return Encoder(model, Template.of(model.tokenizer), max_length=4096)


def asked(name: str, text: str, options: Sequence[str], images: Sequence[Image] = ()) -> Question:
    return Question(
        id=name, prompt="<image>\n" * len(images) + text, options=tuple(options), images=tuple(images)
    )


def mixed() -> list[Question]:
    """One image, none and several; options of several lengths, one that begins another, two alone, five."""
    first, second, third = tiny.photos(3)
    return [
        asked("1", "What is it?", ["A dog", "A dog and a cat", "No", "A very old bench in a park"], [first]),
        asked("2", "Which is a colour?", ["red", "Monday"]),
        asked("3", "What differs?", ["a", "b", "c", "d"], [second, first]),
        asked("4", "And here, of all that can be seen?", ["one", "two", "three", "four", " five "], [third]),
    ]


def expected(model: Architecture, question: Question, *, mean: bool = True) -> list[float]:
    """The training loss of each option as an answer."""
    found = []
    for option in question.options:
        turns = (Turn(role="user", text=question.prompt), Turn(role="assistant", text=option))
        (example,) = encoder(model).examples(Sample(id="", turns=turns, images=question.images))
        pixels = {image.uri: model.pixels([open_rgb(image)]) for image in question.images}
        batch = collate([[example]], model, pixels)
        with torch.no_grad():
            states = model.hidden(batch, mask(batch, "padded", torch.float32))
            total = float(summed(states, batch, model.head, model.seq2seq))
        found.append(total / int((example.labels != IGNORE).sum()) if mean else total)
    return found


def close(found: dict[int, Any], other: dict[int, Any]) -> bool:
    return found == {place: pytest.approx(own, abs=1e-5) for place, own in other.items()}


@pytest.fixture(scope="module")
def llava(tmp_path_factory: pytest.TempPathFactory) -> Architecture:
    return tiny.llava(tmp_path_factory.mktemp("llava"))


@pytest.mark.parametrize("kind", MODELS)
def test_every_architecture_gives_the_training_loss_of_each_option(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, way = MODELS[kind]
    model = make(tmp_path)
    used = []
    shared = getattr(likelihood, way)
    monkeypatch.setattr(likelihood, way, lambda *args: used.append(len(args[1])) or shared(*args))
    questions = mixed()
    found = dict(losses(model, encoder(model), questions, batch=3))
    assert sorted(found) == [0, 1, 2, 3]
    assert sum(used) == len(questions) + 1  # all of them in that way, and the first one for proof
    for place, question in enumerate(questions):
        assert found[place] == pytest.approx(expected(model, question), abs=1e-5)
    assert np.ptp(found[0]) > 0.01  # or all options are alike, and nothing is shown
    alone = dict(losses(model, encoder(model), questions, batch=1))
    assert close(alone, found)


def test_sum_and_mean_and_the_end(llava: Architecture) -> None:
    question = mixed()[0]
    own = encoder(llava)
    ((_, means),) = losses(llava, own, [question], batch=1)
    ((_, sums),) = losses(llava, own, [question], batch=1, mean=False)
    ((_, bare),) = losses(llava, own, [question], batch=1, mean=False, end=False)
    assert sums == pytest.approx(expected(llava, question, mean=False), abs=1e-4)
    counts = [len(option.encode()) + 2 for option in question.options]  # bytes, a space in front, the end
    assert [len(ids) for ids in rank.asked_of(own, question).options] == counts
    assert means == pytest.approx([s / n for s, n in zip(sums, counts, strict=True)], abs=1e-5)
    assert all(a < b for a, b in zip(bare, sums, strict=True))
    assert bare[0] < bare[1]  # by the sum without the end, what begins another option never loses to it


def test_what_stands_before_a_question_is_read_as_when_it_is_answered(llava: Architecture) -> None:
    own, question = encoder(llava), msgspec.structs.replace(mixed()[0], extra={"system": "Be brief."})
    prompt = rank.asked_of(own, question).prompt
    assert prompt.ids.tolist() == own.prompt(sample_of(question)).ids.tolist()
    assert "Be brief." in llava.tokenizer.decode(prompt.ids)


def test_options_are_read_as_answers_of_the_template(llava: Architecture) -> None:
    found = rank.asked_of(encoder(llava), mixed()[3], end=False)
    texts = [llava.tokenizer.decode(list(ids)) for ids in found.options]
    assert texts == [" one", " two", " three", " four", " five"]
    assert llava.tokenizer.decode(found.prompt.ids).endswith(" ASSISTANT:")


@pytest.mark.parametrize("letter, options", [("B", ("yes", "")), ("A", (" \n", "no"))])
def test_an_empty_option_is_refused_by_its_letter(
    llava: Architecture, letter: str, options: Sequence[str]
) -> None:
    questions = [asked("1", "Is it?", options), asked("2", "Is it?", ("yes", "no"))]
    found = dict(losses(llava, encoder(llava), questions, batch=2))
    assert found[0] == f"option {letter} is empty"
    assert found[1] == pytest.approx(expected(llava, questions[1]), abs=1e-5)


def test_a_question_that_cannot_be_asked_says_why(llava: Architecture, tmp_path: Path) -> None:
    photo = tiny.photos(1)[0]
    gone = Image(uri=str(tmp_path / "gone.jpg"), width=10, height=10)
    questions = [
        asked("1", "What?", ()),
        asked("2", "What?", ("a", "b"), [gone]),
        Question(id="3", prompt="<image> <image> What?", options=("a", "b"), images=(photo,)),
        asked("4", "What? " * 1000, ("a", "b")),
        asked("5", "What?", ("a", "b"), [photo]),
    ]
    found = dict(losses(llava, encoder(llava), questions, batch=8))
    assert found[0] == "there are no options to rank"
    assert "the file is missing" in str(found[1])
    assert "2 <image>" in str(found[2])
    assert "positions for 4096" in str(found[3])
    assert isinstance(found[4], tuple)


def test_attention_and_training_are_as_they_were(llava: Architecture) -> None:
    set_attention(llava, "segments", 100)
    llava.model.train()
    try:
        found = dict(losses(llava, encoder(llava), mixed(), batch=2))
        assert llava.decoder.config._attn_implementation == "vlit_segments" and llava.model.training
    finally:
        llava.model.eval()
        set_attention(llava, "dense")
    assert close(found, dict(losses(llava, encoder(llava), mixed(), batch=2)))


def test_a_way_that_is_wrong_is_not_used(llava: Architecture, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = llava.hidden

    def leaking(batch: Batch, own: Any) -> Any:
        """Options see one another."""
        return whole(batch, own if own.ndim == 2 else (batch.documents > 0).long())

    monkeypatch.setattr(llava, "hidden", leaking)
    questions = mixed()
    found = dict(losses(llava, encoder(llava), questions, batch=4))
    for place, question in enumerate(questions):
        assert found[place] == pytest.approx(expected(llava, question), abs=1e-5)


@pytest.mark.parametrize("kind", ["llava", "blip2 t5", "gemma3"])
def test_half_precision_is_near_and_shares_the_prompt(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, way = MODELS[kind]
    model = make(tmp_path)
    whole = dict(losses(model, encoder(model), mixed(), batch=4))
    model.model.to(torch.bfloat16)
    used = []
    shared = getattr(likelihood, way)
    monkeypatch.setattr(likelihood, way, lambda *args: used.append(args) or shared(*args))
    found = dict(losses(model, encoder(model), mixed(), batch=4))
    assert len(used) == 2
    assert all(found[place] == pytest.approx(whole[place], rel=0.1) for place in whole)


def test_a_window_is_kept_by_one_pass_for_each_option(llava: Architecture) -> None:
    config = llava.decoder.config
    config.sliding_window = 8
    try:
        assert dict(losses(llava, encoder(llava), mixed(), batch=4))[1] == pytest.approx(
            expected(llava, mixed()[1]), abs=1e-5
        )
        with likelihood.sharing(llava, 100) as way:
            assert way is likelihood.apart
    finally:
        config.sliding_window = None


def test_where_memory_runs_out_batches_are_halved(llava: Architecture, monkeypatch: pytest.MonkeyPatch) -> None:
    questions = mixed()
    whole, sizes = likelihood.together, []

    def small(model: Architecture, chunk: Sequence[Any]) -> list[list[float]]:
        sizes.append(len(chunk))
        if len(chunk) > 1:
            raise MemoryError
        return whole(model, chunk)

    right = dict(losses(llava, encoder(llava), questions, batch=4))
    monkeypatch.setattr(likelihood, "together", small)
    found = dict(losses(llava, encoder(llava), questions, batch=4))
    assert max(sizes) == 4 and close(found, right)


def test_nothing_to_rank_is_nothing(llava: Architecture) -> None:
    assert list(losses(llava, encoder(llava), [], batch=4)) == []
