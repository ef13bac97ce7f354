"""Too long: last pairs go first, then the end of the answer, never an image. And encoder-decoders."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tune.chat import talk
from vlit.tune.example import IGNORE, Refused

TALK = ("<image>\nWhat?", "A dog sits there.", "Where <image>?", "On a bench.", "Sure?", "Yes.")


def lengths() -> list[int]:
    made = talk.encoder(talk.byte_level(), "vicuna")
    return [len(made.examples(talk.sample(*TALK[:n], images=1 if n == 2 else 2))[0].ids) for n in (2, 4, 6)]


def test_last_pairs_are_left_out_with_their_images() -> None:
    one, two, three = lengths()
    for longest, kept in ((three, 3), (three - 1, 2), (two, 2), (two - 1, 1), (one, 1)):
        made = talk.encoder(talk.byte_level(), "vicuna", longest=longest)
        (found,) = made.examples(talk.sample(*TALK, images=2))
        assert len(found.ids) == [one, two, three][kept - 1]
        assert len(found.images) == len(found.slots) == min(kept, 2)
        assert len(talk.trained(found)) == kept
        said = f"{3 - kept} of 3 question-answer pairs are left out: more than {longest} tokens"
        assert found.notes == (() if kept == 3 else (said,))


def test_the_end_of_the_last_answer_is_cut_and_its_eos_with_it() -> None:
    known = talk.byte_level()
    whole = talk.encoder(known, "vicuna").examples(talk.sample(*TALK[:2]))[0]
    begin = int((whole.labels == IGNORE).sum())
    for longest in range(begin + 1, len(whole.ids)):
        (found,) = talk.encoder(known, "vicuna", longest=longest).examples(talk.sample(*TALK[:2]))
        assert found.ids.tolist() == whole.ids[:longest].tolist() and found.slots == whole.slots
        assert found.labels.tolist() == whole.labels[:longest].tolist() and found.trained == longest - begin
        assert found.notes == (
            f"the answer is cut after {longest - begin} of {len(whole.ids) - begin} tokens, "
            "so its end is not trained",
        )
    with pytest.raises(Refused, match="what stands before the answer fills max_length") as refused:
        talk.encoder(known, "vicuna", longest=begin).examples(talk.sample(*TALK[:2]))
    assert refused.value.found == f"{begin} tokens before the answer"


def test_what_is_too_long_may_be_refused() -> None:
    *_, three = lengths()
    made = talk.encoder(talk.byte_level(), "vicuna", longest=three - 1, overlong="refuse")
    with pytest.raises(Refused) as refused:
        made.examples(talk.sample(*TALK, images=2))
    assert (str(refused.value), refused.value.found) == (
        f"longer than max_length ({three - 1})",  # alike for all of them: the quarantine counts by reason
        f"{three} tokens",
    )


@settings(max_examples=40, deadline=None)
@given(pairs=st.integers(1, 12), longest=st.integers(8, 200))
def test_as_many_pairs_as_fit_are_kept(pairs: int, longest: int) -> None:
    made = talk.encoder(talk.byte_level(), "chatml", longest=longest)
    sample = talk.sample(*(t for i in range(pairs) for t in (f"Question {i}?", f"Answer {i}.")), images=0)
    free = talk.encoder(talk.byte_level(), "chatml")
    sizes = [len(free.examples(talk.sample(*(x.text for x in sample.turns[: 2 * n + 2]), images=0))[0].ids)
             for n in range(pairs)]  # fmt: skip
    fitting = sum(size <= longest for size in sizes)
    try:
        (found,) = made.examples(sample)
    except Refused:
        assert not fitting
        return
    assert len(found.ids) <= longest and found.trained
    assert not fitting or len(found.ids) == sizes[fitting - 1]


def test_an_encoder_decoder_has_an_example_for_each_answer() -> None:
    known = talk.unigram()
    made = talk.encoder(known, "blip2", seq2seq=True, name="blip2")
    (remark,) = made.remarks
    assert remark.startswith("the tokenizer cannot give back all texts as they were")
    first, second = made.examples(talk.sample("<image>\nWhat is it?", "</s> it is a dog", "Where?", ""))
    assert (first.id, second.id) == ("s#1", "s#2")
    image = "<image>" * talk.PATCHES
    assert known.decode(first.ids.tolist()).replace(" ", "") == f"{image}Question:Whatisit?Answer:</s>"
    assert known.decode(first.labels.tolist()) == "</s> it is a dog</s>"
    assert first.labels.tolist().count(1) == 1  # what the answer says is text, not EOS
    assert second.labels.tolist() == [1]  # an empty answer: its end alone
    assert "it is a dog" in known.decode(second.ids.tolist())
    assert first.instruction == second.instruction == "What is it?"
    assert made.prompt(talk.sample("<image>\nWhat is it?")).ids.tolist() == first.ids.tolist()
    assert made.prompt(talk.sample("<image>\nWhat is it?")).trained == 0


def test_an_encoder_decoder_cuts_answers_and_leaves_out_late_ones() -> None:
    known = talk.unigram()
    sample = talk.sample("<image>\nWhat?", "a dog sits on a bench", "Where?", "there")
    first, second = talk.encoder(known, "blip2", seq2seq=True).examples(sample)
    longest = len(first.ids) + 3
    (cut,) = talk.encoder(known, "blip2", seq2seq=True, longest=longest).examples(sample)
    assert cut.labels.tolist() == first.labels[:3].tolist() and cut.ids.tolist() == first.ids.tolist()
    assert cut.notes[0].startswith(f"the answer is cut after 3 of {len(first.labels)} tokens")
    assert cut.notes[1].startswith("left out: answer 2 with ")
    with pytest.raises(Refused, match="max_length"):
        talk.encoder(known, "blip2", seq2seq=True, longest=longest, overlong="refuse").examples(sample)
    assert second.slots == first.slots
