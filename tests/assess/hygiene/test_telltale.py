from tests.assess.judging import judged
from tests.assess.small import sample
from vlit.assess.hygiene.leaks import LeakPhrase, LeakPhraseConfig
from vlit.assess.hygiene.refusals import Refusal
from vlit.assess.indicator import NoConfig


def leaks(*samples, **config):
    return judged(LeakPhrase(LeakPhraseConfig(**config)), samples)


def refusals(*samples):
    return judged(Refusal(NoConfig()), samples)


def test_the_share_of_turns_that_name_the_input():
    found = leaks(
        sample("?", "As mentioned in the caption, he wears a hat.", "?", "A red bus.", id="a"),
        sample("?", "The caption on the sign reads 'Do not feed the birds'.", id="b"),
        sample("?", 'The poster says "see the description of the given text".', id="c"),
        sample("?", id="d"),
        sample("?", "<image>", id="e"),
    )
    assert [s.value for s in found] == [0.5, 0, 0, None, None]
    assert found[0].reason == 'says "the caption"'
    assert found[3].reason == "there is no response"


def test_instructions_are_searched_on_demand():
    row = sample("What is mentioned in the caption?", "A bus.")
    assert leaks(row)[0].value == 0
    assert leaks(row, instructions=True)[0].value == 0.5


def test_what_was_asked_for_is_no_leak():
    asked = sample("Give the bounding box of the dog.", "Its bounding box is [0.1, 0.2, 0.3, 0.4].", id="a")
    unasked = sample("Where is the dog?", "Its bounding box is near the left edge.", id="b")
    both = sample("Give its bounding box.", "The bounding box is mentioned in the caption.", id="c")
    assert [s.value for s in leaks(asked, unasked, both)] == [0, 1, 1]


def test_refusals():
    found = refusals(
        sample("?", "As an AI language model, I have no eyes.", id="a"),
        sample("?", "I'm sorry, but I cannot see the image.", "?", "A dog.", id="b"),
        sample("?", "The girl cannot see the stage because of the crowd.", id="c"),
    )
    assert [s.value for s in found] == [1, 0.5, 0]
    assert found[0].reason == 'says "As an AI"'


def test_set_score_is_the_mean():
    indicator = Refusal(NoConfig())
    scores = judged(indicator, [sample("?", "As an AI, I refuse.", id="a"), sample("?", id="b")])
    whole = indicator.summarise(scores)
    assert (whole.value, whole.n) == (1.0, 1)


def test_long_texts_and_other_scripts():
    texts = ["word " * 10_000, "Это кошка.", "猫がいます。", "\u202e\x00", "I can't " * 3_000]
    rows = [sample("?", text, id=str(i)) for i, text in enumerate(texts)]
    assert [s.value for s in leaks(*rows)] == [0] * 5
    assert [s.value for s in refusals(*rows)][:4] == [0] * 4
