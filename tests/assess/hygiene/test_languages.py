import json

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.assess.judging import judged
from tests.assess.small import sample
from vlit.assess.hygiene.languages import Language, LanguageConfig, LanguageRecommended, ScriptConfig, scripts


def of_scripts(*texts, **config):
    indicator = Language(ScriptConfig(**config))
    return judged(indicator, [sample("?", text, id=str(i)) for i, text in enumerate(texts)]), indicator


def test_share_of_latin_letters_by_hand():
    found, indicator = of_scripts("A dog.", "Кот!", "naïve “café” 42", "abc где", "猫がいる", "42, 43.", "")
    assert [s.value for s in found] == [1, 0, 1, 0.5, 0, None, None]
    assert [s.group for s in found][:5] == ["latin", "cyrillic", "latin", "cyrillic", "kana"]
    assert found[1].reason == "mostly cyrillic" and found[5].reason == "the responses have 0 letters"
    whole = indicator.summarise(found)
    assert (whole.value, whole.n) == (0.5, 5)
    assert json.loads(whole.detail)["found"] == {"cyrillic": 2, "latin": 2, "kana": 1}


def test_expected_scripts_are_an_option():
    assert [s.value for s in of_scripts("猫がいる", "A dog.", allow=("han", "kana"))[0]] == [1, 0]
    with pytest.raises(pydantic.ValidationError, match="klingon: no such script; known: arabic"):
        ScriptConfig(allow=("klingon",))


LETTERS = {
    "latin": "éßz",
    "greek": "Ω",
    "cyrillic": "я",
    "hebrew": "ש",
    "arabic": "ع",
    "devanagari": "न",
    "thai": "ก",
    "hangul": "한",
    "kana": "アん",
    "han": "漢𠀀",
    "other": "Ꭰ",
}


@pytest.mark.parametrize("script", LETTERS)
def test_scripts_of_letters(script):
    assert scripts(LETTERS[script]) == {script: len(LETTERS[script])}


@given(st.text(max_size=80))
def test_every_letter_is_counted_once(text):
    assert scripts(text).total() == sum(map(str.isalpha, text))


def test_the_detector_tells_languages_apart():
    pytest.importorskip("py3langid")
    indicator = LanguageRecommended(LanguageConfig())
    texts = (
        "A brown dog lies on a sofa beside a sleeping cat, and both seem to be tired.",
        "Ein brauner Hund liegt auf dem Sofa neben einer Katze, und beide sind müde.",
        "Un chien brun est couché sur le canapé à côté d'un chat qui dort.",
        "Yes.",
    )
    found = judged(indicator, [sample("?", text, id=str(i)) for i, text in enumerate(texts)])
    assert [s.group for s in found] == ["en", "de", "fr", None]
    assert found[0].value > 0.9 > 0.1 > found[1].value
    assert found[1].reason.startswith("de with probability ")
    assert found[3].reason == "the responses have 3 letters"
    german = LanguageRecommended(LanguageConfig(allow=("de", "fr")))
    assert judged(german, [sample("?", texts[1], id="1")])[0].value > 0.9
