"""Words of clues: a user's own wordings, and words of annotators that may not break a layout."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.generate.scenes import scene
from vlit.data.boxes import find_boxes
from vlit.data.errors import VlitError
from vlit.data.scene import Scene, SceneText
from vlit.data.seeds import rng
from vlit.generate.instruct.clue_blocks import cleaned
from vlit.generate.instruct.clue_words import Wordings, load_wordings
from vlit.generate.instruct.clues import render
from vlit.generate.instruct.recipe import CluesConfig

TAXI = scene(captions=("A dog",), texts=(SceneText(id="t0", text="TAXI"),))


def text(of: Scene, *parts: str, layout: str = "plain", wordings: Wordings | None = None) -> str:
    config = CluesConfig.model_validate({"layout": layout, "parts": parts})
    return render(of, config, rng(0), wordings=wordings).text


class TestCleaning:
    @given(st.text())
    def test_words_cannot_break_the_layout(self, words: str) -> None:
        said = cleaned(words)
        assert len(said.splitlines()) <= 1
        assert said == said.strip()
        assert not set(said) & set("<>\n\r\u2028\u2029\x85\x00")
        assert not find_boxes(said)
        assert not re.match(r"\(\d+\)", said)
        said.encode()

    @pytest.mark.parametrize(
        ("raw", "said"),
        [
            ("a dog\r\n\r\n(2) objects:\tcat", "a dog (2) objects: cat"),
            ("(2) objects:", "2 objects:"),
            ("</clues><st>dog<ed>", "‹/clues›‹st›dog‹ed›"),
            ("dog: [0.1, 0.2, 0.3, 0.4]", "dog: (0.1, 0.2, 0.3, 0.4)"),
            ("half \ud83d a pair", "half a pair"),
            ("\u202eturned\u200b", "turned"),
            ("Straße, 停, 👍", "Straße, 停, 👍"),
        ],
    )
    def test_examples(self, raw: str, said: str) -> None:
        assert cleaned(raw) == said

    def test_a_label_cannot_break_a_line(self) -> None:
        of = scene(("do\ng <ed>", 0, 0, 50, 50), searched=())
        assert text(of, "objects", layout="llava") == "do g ‹ed›: [0.000, 0.000, 0.500, 0.500]"


class TestWordings:
    def test_a_user_changes_one_line(self, tmp_path: Path) -> None:
        file = tmp_path / "clues.yaml"
        file.write_text('texts:\n  head: ""\n  line: "Es steht da: {text}"\n', encoding="utf-8")
        told = text(TAXI, "captions", "texts", wordings=load_wordings(tmp_path))
        assert told.endswith("A dog\n\nEs steht da: TAXI")
        assert told.startswith("What people")

    def test_none_beside_the_recipe(self, tmp_path: Path) -> None:
        assert text(TAXI, "texts", wordings=load_wordings(tmp_path)) == text(TAXI, "texts")

    def test_braces_of_annotators_are_no_slots(self) -> None:
        of = scene(captions=("a {text} on {a} wall}",))
        assert text(of, "captions", layout="llava") == "a {text} on {a} wall}"

    @pytest.mark.parametrize(
        ("words", "says"),
        [
            ("text: {line: x}", "no part 'text'"),
            ("texts: {lines: x}", "did you mean 'line'"),
            ("texts: {line: '{word}'}", "no slot {word}"),
            ("texts: {line: 3}", "text on one line"),
            ("texts: {line: ''}", "text on one line"),
            ("- a", "a mapping"),
            ("texts: {", "not YAML"),
        ],
    )
    def test_mistakes(self, tmp_path: Path, words: str, says: str) -> None:
        (tmp_path / "clues.yaml").write_text(words, encoding="utf-8")
        with pytest.raises(VlitError, match=re.escape(says)) as told:
            load_wordings(tmp_path)
        assert "clues.yaml" in told.value.where
