import json
import math

import pytest

from tests.assess.judging import judged
from tests.assess.small import sample
from vlit.assess.hygiene.openings import CollapsedOpening, CollapsedOpeningConfig


def both(*samples, **config):
    indicator = CollapsedOpening(CollapsedOpeningConfig(**config))
    scores = judged(indicator, samples)
    return scores, indicator.summarise(scores)


def test_openings_by_hand():
    rows = [
        sample("?", "The image features a dog.", id="1", task="detail"),
        sample("?", "the image  features a cat on a mat.", id="2", task="detail"),
        sample("?", "Two dogs run along the beach.", id="3", task="detail"),
        sample("?", "The image features a bus.", id="4", task="chat"),
        sample("?", "Yes.", id="5", task="chat"),
    ]
    scores, whole = both(*rows)
    assert [s.value for s in scores] == [2 / 3, 2 / 3, 0, 0, None]
    assert scores[0].reason == '67% of "detail" begin with "the image features a"'
    assert scores[4].reason == "the first response has fewer than 4 words"
    assert [s.group for s in scores] == ["the image features a"] * 2 + [None] * 3
    detail = json.loads(whole.detail)
    assert (whole.value, whole.n, detail["openings"]) == (0.5, 4, 3)
    assert detail["commonest"] == [{"opening": "the image features a", "share": 0.5}]
    assert detail["entropy_nats"] == pytest.approx(0.5 * math.log(2) + 2 * 0.25 * math.log(4))
    assert detail["effective_openings"] == pytest.approx(math.exp(detail["entropy_nats"]))


def test_only_the_first_response_counts_and_its_length_is_an_option():
    rows = [sample("?", "It is a dog.", "?", "Well, we can see it.", id=i) for i in "ab"]
    assert [s.group for s in both(*rows, words=2)[0]] == ["it is", "it is"]


def test_sets_without_openings():
    scores, whole = both(sample("?", id="a"), sample("?", "", id="b"))
    assert [s.value for s in scores] == [None, None] and (whole.value, whole.n) == (None, 0)
    assert both()[1].value is None
    one, whole = both(sample("?", "A dog on a sofa.", id="a"))
    assert one[0].value == 0 and whole.value == 1.0 and json.loads(whole.detail)["entropy_nats"] == 0
