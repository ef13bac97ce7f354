"""Our instruction recipes: complete, their slots filled, and with examples that keep their own contract."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
import yaml

from tests.generate.scenes import shipped
from vlit.data.boxes import find_boxes
from vlit.data.errors import VlitError
from vlit.data.scene import Caption, Scene
from vlit.generate.instruct.clue_words import FILE
from vlit.generate.instruct.clues import check
from vlit.generate.instruct.pools import Example, load_examples, load_instructions
from vlit.generate.instruct.recipe import PROMPTS, SLOTS, Prompt, load_prompt, prompt_names
from vlit.generate.instruct.replies import Parsed, parse, wording
from vlit.generate.instruct.unit import Asker
from vlit.teacher.config import TeacherConfig
from vlit.teacher.message import Message, Picture

LLAVA = ("llava_conversation", "llava_detail", "llava_complex")
SVIT = ("svit_conversation", "svit_complex", "svit_detail", "svit_referring")
REVIEW = ("review_conversation", "review_negative", "review_region", "review_knowledge", "review_multiround")
VISION = tuple(name for name in prompt_names() if name.startswith("vision_"))
WITH_EXAMPLES = (*LLAVA, *REVIEW)

#: Words that give away that the picture was not in view; stricter than what replies are judged by.
GIVEN_AWAY = re.compile(
    r"caption|descri(?:be|ption)|bounding|coordinate|annotat|\bsentences?\b|\bclues?\b"
    r"|\bthe (?:given|provided)\b|\bpeople (?:answered|wrote|said)\b|\bvotes?\b|\blist(?:ed)?\b"
    r"|\bmentioned\b|<st>|\[\d",
    re.IGNORECASE,
)


def prompt(name: str) -> Prompt:
    return load_prompt(name, Path())


def examples(name: str) -> list[Example]:
    found = prompt(name)
    assert found.recipe.examples is not None
    return load_examples(found.find(found.recipe.examples.pool))


def asker(name: str) -> Asker:
    return Asker(
        prompt(name),
        TeacherConfig.model_validate({"model": "m", "endpoints": [{"url": "http://localhost:1/v1"}]}),
        seed=5,
    )


@pytest.fixture(scope="module")
def scenes(demo: Path) -> list[Scene]:
    return shipped(demo)


class TestRecipes:
    def test_all_published_ones_are_there(self) -> None:
        assert {*LLAVA, *SVIT, *REVIEW} <= set(prompt_names())
        assert len(VISION) >= 5
        assert {"rewrite_instructions", "expand_answers"} <= set(prompt_names())

    @pytest.mark.parametrize("name", prompt_names())
    def test_complete(self, name: str) -> None:
        found = prompt(name)
        recipe = found.recipe
        check(recipe.clues)
        assert all(file.is_file() and file.parent.name == "examples" for file in found.files())
        assert (recipe.system + recipe.ask).count("{format}") == 1
        assert recipe.rounds == 3
        shown = {"name"} if name == "rewrite_instructions" else set()  # as an example of a slot
        assert set(re.findall(r"\{(\w*)\}", recipe.system + recipe.ask)) <= {*SLOTS, *shown}
        if recipe.reply.form != "topics":  # a hint of another form would confuse
            assert "Topic:" not in recipe.system + recipe.ask
        assert "Question:" not in recipe.system + recipe.ask

    @pytest.mark.parametrize("name", prompt_names())
    def test_the_first_lines_of_its_file_say_what_it_is(self, name: str) -> None:
        text = (PROMPTS / f"{name}.yaml").read_text(encoding="utf-8")
        assert text.startswith("# ")
        assert list(yaml.safe_load(text))[:2] == ["task", "about"]
        assert re.search(r"LLaVA|SVIT|review", prompt(name).recipe.about)

    def test_llava(self) -> None:
        assert prompt("llava_conversation").recipe.clues.parts == ("captions",)
        assert [len(examples(name)) for name in LLAVA] == [2, 3, 3]
        assert prompt("llava_complex").recipe.reply.count == 1

    def test_svit(self) -> None:
        recipes = {name: prompt(name).recipe for name in SVIT}
        conversation = recipes["svit_conversation"].reply
        assert (conversation.topics, conversation.count, conversation.least) == (3, 5, None)
        assert recipes["svit_complex"].reply.count == 15
        assert recipes["svit_referring"].reply.count == 10
        assert recipes["svit_referring"].reply.boxes == "tagged"
        assert all(recipe.examples is None for recipe in recipes.values())
        assert [name for name in SVIT if recipes[name].clues.region_boxes] == ["svit_referring"]

    @pytest.mark.parametrize("name", REVIEW)
    def test_review(self, name: str) -> None:
        recipe = prompt(name).recipe
        assert recipe.examples is not None
        assert (recipe.examples.draw, recipe.generations, recipe.sampling.temperature) == (2, 5, 0.8)
        assert len(examples(name)) == 10
        assert "Three points matter:" in recipe.system.partition("\n1. ")[0]
        assert "Remember: " in recipe.ask  # said again at the very end

    def test_negative_questions_are_at_least_half(self) -> None:
        reply = prompt("review_negative").recipe.reply
        assert reply.negative * 2 >= reply.count


class TestMessages:
    @pytest.mark.parametrize("name", prompt_names())
    def test_slots_are_filled_and_nothing_else(self, name: str, scenes: list[Scene]) -> None:
        one = asker(name)
        recipe, asked = one.recipe, 0
        for of in scenes:
            for unit in one.units(of):
                told = one.clues(unit)
                if told.missing:
                    continue
                messages = one.messages(unit, 0, told)
                text = "\n".join(message.text for message in messages)
                assert not re.search(r"\{(?:clues|format|instruction|count)\}", text)
                assert text.count(wording(recipe.reply)) == 1
                assert told.text in messages[-1].text
                assert messages[-1].text.strip()
                assert [m.role for m in messages[:1]] == ["system"]
                assert [m.role for m in messages[1:]] == ["user", "assistant"] * (len(messages) // 2 - 1) + [
                    "user"
                ]
                assert _pictures(messages) == (recipe.picture != "none")
                asked += 1
        assert asked >= 5

    @pytest.mark.parametrize("name", WITH_EXAMPLES)
    def test_examples_are_shown_but_none_about_the_same_image(self, name: str, scenes: list[Scene]) -> None:
        one = asker(name)
        recipe = one.recipe
        assert recipe.examples is not None
        for of in scenes:
            own = {caption.text.strip() for caption in of.captions}
            for unit in one.units(of):
                messages = one.messages(unit, 0, one.clues(unit))
                shown = [message.text for message in messages[1:-1:2]]
                pool = examples(name)
                about = [e for e in pool if own & set(e.clues.splitlines())]
                assert len(shown) == (recipe.examples.draw or len(pool) - len(about))
                assert not any(e.clues in text for e in about for text in shown)

    @pytest.mark.parametrize("name", ["vision_conversation", "vision_detail", "vision_complex", "vision_clues"])
    def test_a_teacher_that_sees_needs_no_annotations(self, name: str, scenes: list[Scene]) -> None:
        bare = msgspec.structs.replace(
            scenes[0], captions=(), objects=(), regions=(), texts=(), questions=(), searched=()
        )
        one = asker(name)
        (unit,) = one.units(bare)
        told = one.clues(unit)
        assert (told.text, told.missing) == ("", ())
        messages = one.messages(unit, 0, told)
        assert _pictures(messages) == 1
        assert messages[-1].text.strip()

    @pytest.mark.parametrize("name", [n for n in prompt_names() if not n.startswith("vision_")])
    def test_a_teacher_that_reads_is_not_asked_about_nothing(self, name: str, scenes: list[Scene]) -> None:
        bare = msgspec.structs.replace(
            scenes[0], captions=(), objects=(), regions=(), texts=(), questions=(), searched=()
        )
        one = asker(name)
        assert all(one.clues(unit).missing for unit in one.units(bare))

    def test_an_instruction_to_rewrite_stands_alone(self, scenes: list[Scene]) -> None:
        one = asker("rewrite_instructions")
        told = "Name {count} things in the picture."
        of = msgspec.structs.replace(scenes[0], captions=(Caption(id="c", text=told),))
        (unit,) = one.units(of)
        assert one.messages(unit, 0, one.clues(unit))[-1].text == told

    def test_the_instruction_of_a_detail_is_asked(self, scenes: list[Scene]) -> None:
        one = asker("svit_detail")
        (unit,) = one.units(scenes[0])
        text = one.messages(unit, 0, one.clues(unit))[-1].text
        assert text.endswith(f"Now do this: {one.instruction(unit, 0)}")


def _pictures(messages: tuple[Message, ...]) -> int:
    return sum(isinstance(part, Picture) for message in messages for part in message.parts)


class TestExamples:
    @pytest.mark.parametrize("name", WITH_EXAMPLES)
    def test_replies_keep_the_contract_without_repair(self, name: str) -> None:
        recipe = prompt(name).recipe
        for number, example in enumerate(examples(name), 1):
            got = parse(example.reply, "stop", recipe.reply, find_boxes(example.clues))
            assert isinstance(got, Parsed), (number, got)
            assert got.repairs == ()
            if recipe.reply.form == "pairs":
                assert [len(c.pairs) for c in got.conversations] == [recipe.reply.count]

    @pytest.mark.parametrize("name", WITH_EXAMPLES)
    def test_replies_give_nothing_away(self, name: str) -> None:
        for example in examples(name):
            assert not GIVEN_AWAY.search(example.reply), example.reply

    @pytest.mark.parametrize("name", WITH_EXAMPLES)
    def test_replies_fit_what_is_reserved_for_them(self, name: str) -> None:
        recipe = prompt(name).recipe
        longest = max(len(example.reply.split()) for example in examples(name))
        assert 1.6 * longest < recipe.sampling.max_tokens  # words to tokens, with some to spare

    @pytest.mark.parametrize("name", WITH_EXAMPLES)
    def test_clues_are_worded_as_clues_are(self, name: str) -> None:
        recipe = prompt(name).recipe
        for example in examples(name):
            if recipe.clues.layout == "llava":
                sentences, _, boxes = example.clues.partition("\n\n")
                assert sentences and not find_boxes(sentences)
                assert bool(boxes) == ("objects" in recipe.clues.parts)
                assert len(find_boxes(boxes)) == len(boxes.splitlines())
            else:
                assert [_part_of(block) for block in example.clues.split("\n\n")] == [
                    part for part in recipe.clues.parts if part in map(_part_of, example.clues.split("\n\n"))
                ]
                assert len(example.clues) < recipe.clues.most

    @pytest.mark.parametrize("name", REVIEW)
    def test_examples_differ(self, name: str) -> None:
        replies = [example.reply for example in examples(name)]
        firsts = [reply.splitlines()[0] for reply in replies]
        assert len(set(firsts)) == len(firsts)
        starts = [line.split()[1] for reply in replies for line in reply.splitlines() if line[:2] == "Qu"]
        assert len(set(starts)) >= 8  # not every question begins with What

    def test_negative_ones_mix_yes_and_no(self) -> None:
        for example in examples("review_negative"):
            answers = re.findall(r"^Answer: (\w+)", example.reply, re.MULTILINE)
            assert 3 <= answers.count("No") < len(answers)

    def test_words_in_the_square_are_not_told_before_an_answer(self) -> None:
        for example in examples("review_region"):
            first = example.reply.splitlines()[0]
            marked = re.search(r"The square marks (?:an?|some) (.+)\.", example.clues)
            assert marked is None or marked[1] not in first
            assert re.search(r"square|marked|here", first)


WORDS = yaml.safe_load((PROMPTS.parent / FILE).read_text(encoding="utf-8"))


def _part_of(block: str) -> str:
    """The part that a block tells, each line of which has to be one of its wordings."""
    head, *lines = block.splitlines()
    part = next(part for part, texts in WORDS.items() if texts["head"] == head)
    patterns = [
        re.sub(r"\\\{\w+\\\}", ".+", re.escape(text)) for name, text in WORDS[part].items() if name != "head"
    ]
    for line in lines:
        assert any(re.match(pattern, line) for pattern in patterns), line
    return str(part)


class TestInstructions:
    def test_at_least_as_many_as_were_published(self) -> None:
        found = load_instructions(PROMPTS.parent / "examples" / "detail_instructions.yaml")
        assert len(found) >= 34
        asked = sum(text.endswith("?") for text in found)
        assert len(found) / 4 <= asked <= len(found) * 3 / 4
        assert all(text[-1] in ".?" for text in found)
        assert len({text.split()[0] for text in found}) >= 20


class TestPools:
    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("", "at least one entry"),
            ("a: b", "at least one entry"),
            ("- {clues: a}", "clues and reply, not clues"),
            ("- {clues: a, reply: b}\n- {clues: c, replies: d}", "clues and reply, not clues, replies"),
            ("- a", "clues and reply, not 'a'"),
            ("- {clues: a, reply: 3}", "'reply' has to be a text"),
            ("- {clues: ' ', reply: b}", "'clues' has to be a text"),
            ("- {clues: a, reply: b}\n- {clues: a, reply: c}", "of entry 2 is that of entry 1"),
            ("- {", "not YAML"),
        ],
    )
    def test_mistakes_of_examples(self, tmp_path: Path, text: str, says: str) -> None:
        self.check(tmp_path, text, says, load_examples)

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("- Describe: it", "one line, not {'Describe': 'it'}"),
            ("- |\n  a\n  b", "on one line"),
            ("- ''", "on one line"),
            ("- a\n- b\n- a", "of entry 3 is that of entry 1"),
            ("[]", "at least one entry"),
        ],
    )
    def test_mistakes_of_instructions(self, tmp_path: Path, text: str, says: str) -> None:
        self.check(tmp_path, text, says, load_instructions)

    def check(self, folder: Path, text: str, says: str, load: object) -> None:
        path = folder / "pool.yaml"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(VlitError, match=re.escape(says)) as told:
            load(path)  # type: ignore[operator]
        assert "pool.yaml" in told.value.where

    def test_not_utf8(self, tmp_path: Path) -> None:
        (tmp_path / "pool.yaml").write_bytes(b"- caf\xe9")
        with pytest.raises(VlitError, match="UTF-8"):
            load_instructions(tmp_path / "pool.yaml")
