from hypothesis import given
from hypothesis import strategies as st

from vlit.language.tokens import (
    _TOKEN,
    _WITHOUT_MARKS,
    _plain,
    sentences,
    speaks,
    spoken,
    words,
    words_and_ends,
)


def test_words_keep_apostrophes_hyphens_and_numbers_whole():
    assert words("The dog’s 3 bowls aren't black-and-white: 0.726, 1,200!") == [
        "the", "dog's", "3", "bowls", "aren't", "black-and-white", ":", "0.726", ",", "1,200", "!",
    ]  # fmt: skip


def test_words_read_other_scripts_and_repeated_marks():
    assert words("Größe… ok???") == ["größe", "…", "ok", "???"]
    assert words("the 3rd mp3 2x4 at 5.") == ["the", "3rd", "mp3", "2x4", "at", "5", "."]
    assert words(" \n\t ") == []


def test_sentences_end_at_marks_and_lines_but_not_at_abbreviations():
    assert sentences("Dr. Smith has 2.5 dogs. He asks: why? Yes!\nB. A cat\n") == [
        "Dr. Smith has 2.5 dogs.", "He asks: why?", "Yes!", "B. A cat",
    ]  # fmt: skip


def test_sentences_take_closing_brackets_and_quotes_along_and_end_at_the_last_of_several_marks():
    assert sentences('He said "Stop!" and left (at 5 p.m. or so.) Why?! Well… Approx. 3.\n\n "Yes."  x') == [
        'He said "Stop!"', "and left (at 5 p.m. or so.)", "Why?!", "Well…", "Approx. 3.", '"Yes."', "x",
    ]  # fmt: skip


@given(st.text())
def test_sentences_lose_nothing_but_white_space(text):
    assert "".join("".join(sentences(text)).split()) == "".join(text.split())


@given(st.text())
def test_words_are_stable_when_joined_again(text):
    once = words(text)
    assert all(once) and [w.lower() for w in once] == once


@given(st.text(st.sampled_from("aB3_é犬’'-–.,:;!? \n(\"…%")))
def test_what_is_spoken_is_all_but_the_marks(text):
    assert spoken(text) == [w for w in words(text) if w[0].isalnum()]
    assert [speaks(text, n) for n in range(4)] == [len(spoken(text)) >= n for n in range(4)]


#: Text in which abbreviations, closing marks, numbers and odd white space are common.
_TRICKY = st.text(
    st.sampled_from("abcMrxetpo.,;:!?…'\"’“)]([-–%& \n\t\r\x1c\u2028 0129éΣσİ中文_"), max_size=60
) | st.lists(
    st.sampled_from(["Mr.", "e.g.", "no.", "3.5", "p.m.)", "etc...", "!?", '."', " ", "\n", "dog"])
).map("".join)


@given(_TRICKY | st.text())
def test_a_text_taken_apart_at_white_space_has_the_tokens_of_the_whole(text):
    assert words(text) == _TOKEN.findall(_plain(text))
    assert spoken(text) == _WITHOUT_MARKS.findall(_plain(text))


@given(_TRICKY | st.text())
def test_words_and_ends_are_the_words_of_each_sentence(text):
    assert words_and_ends(text) == [
        token for sentence in sentences(text) if words(sentence) for token in (*words(sentence), "")
    ]
