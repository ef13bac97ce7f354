import math
import pickle
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.assess.small import sample
from vlit.assess.seen import Part, Seen
from vlit.assess.stage import fit
from vlit.assess.text_readability.kneser_ney import TextReadability, TextReadabilityConfig
from vlit.assess.text_readability.ngrams import BEGIN, END, UNKNOWN, TrigramModel

SUBJECTS = ["the dog", "a small cat", "one tall man", "the old woman", "a horse", "the child"]
VERBS = ["sits on", "walks past", "looks at", "stands near", "plays with"]
OBJECTS = ["the red bench", "a wooden table", "the long fence", "a bicycle", "the tree"]


def sentences(n, seed=0):
    rand = random.Random(seed)
    return [f"{rand.choice(SUBJECTS)} {rand.choice(VERBS)} {rand.choice(OBJECTS)}." for _ in range(n)]


def scored(samples, **config):
    indicator = TextReadability(TextReadabilityConfig(**config))
    state = pickle.loads(pickle.dumps(fit([indicator], samples, Seen(len(samples)))[indicator.name]))
    return list(indicator.score(Part(samples), state)), state


def model(sentences_, vocabulary):
    stream = [i for s in sentences_ for i in (BEGIN, BEGIN, *s, END)]
    return TrigramModel.train(np.array(stream, np.int64), vocabulary)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(st.integers(UNKNOWN, 9), max_size=8), min_size=1, max_size=20),
    st.tuples(st.integers(0, 9), st.integers(0, 9)),
)
def test_probabilities_of_any_context_sum_to_one(text, context):
    trained, every = model(text, 10), np.arange(1, 10)
    a, b = (np.full(9, i) for i in context)
    probabilities = trained.probabilities(a, b, every)
    assert probabilities.min() > 0
    assert probabilities.sum() == pytest.approx(1)


def test_probability_by_hand():
    # "3 4" twice and "3 5" once after the same start: counts of counts give the discounts.
    trained = model([[3, 4], [3, 4], [3, 5]], 6)
    seen = trained.trigrams
    assert seen.discount == pytest.approx(2 / (2 + 2 * 2))  # once: 0-3-5, 3-5-1; twice: 0-3-4, 3-4-1
    shorter = trained.bigrams.mix(np.array([3 << 21 | 4]), np.array([0.25]))
    own = trained.trigrams.mix(np.array([(0 << 21 | 3) << 21 | 4]), shorter)
    assert own[0] == pytest.approx((2 - 1 / 3) / 3 + 1 / 3 * 2 / 3 * shorter[0])


def test_shuffled_words_read_worse_than_sentences():
    rand = random.Random(1)
    texts = sentences(300)
    mixed = [" ".join(rand.sample(t.rstrip(".").split(), len(t.split()))) + "." for t in texts[:40]]
    samples = [sample("Describe.", t, id=f"n{i}") for i, t in enumerate(texts)]
    samples += [sample("Describe.", t, id=f"s{i}") for i, t in enumerate(mixed)]
    scores, _ = scored(samples)
    values = {s.sample: s.value for s in scores}
    assert all(0 < v <= 1 for v in values.values())
    plain = [values[f"n{i}"] for i in range(40)]
    assert sum(values[f"s{i}"] < plain[i] for i in range(40)) >= 38


def test_value_is_the_inverse_of_the_perplexity_in_the_reason():
    scores, _ = scored([sample("Describe.", t, id=str(i)) for i, t in enumerate(sentences(100))])
    assert scores[0].reason.startswith(f"perplexity {1 / scores[0].value:.1f} over ")
    assert scores[0].reason.endswith("tokens")


def test_a_sample_is_as_readable_as_its_least_readable_turn():
    texts = [sample("What do you see?", t, id=f"n{i}") for i, t in enumerate(sentences(200))]
    broken = "bench red the on sits dog the."
    once = [*texts, sample("What do you see?", broken, id="x")]
    twice = [
        *texts,
        sample("What do you see?", broken, "What do you see?", "the dog sits on the red bench.", id="x"),
    ]
    (*_, one), _ = scored(once)
    (*_, two), _ = scored(twice)
    assert two.value == pytest.approx(one.value, rel=0.1)
    assert "the least readable turn's 9 tokens" in one.reason


def test_short_turns_are_judged_with_some_tokens_of_the_usual():
    """exp of (n mean + k usual) / (n + k), by the numbers of the same model without a prior."""
    texts = [sample("", t, id=str(i)) for i, t in enumerate(sentences(200))]
    (bare, *_), (first, second) = scored(texts, prior_tokens=0)
    (drawn, *_), _ = scored(texts, prior_tokens=8)
    n = int(bare.reason.split()[-2])
    by_hand = {math.exp((n * math.log(bare.value) + 8 * half.usual) / (n + 8)) for half in (first, second)}
    assert any(drawn.value == pytest.approx(value) for value in by_hand)


def test_no_sample_is_its_own_evidence():
    texts = sentences(200)
    once = [sample("Describe.", t, id=str(i)) for i, t in enumerate(texts)]
    odd = sample("Describe.", "zyx wvu tsr qpo nml kji.", id="odd")
    (first, *_), _ = scored([odd, *once])
    assert first.value < min(s.value for s in scored(once)[0])


def test_training_text_does_not_depend_on_the_order_and_is_bounded():
    samples = [sample("Describe.", t, id=str(i)) for i, t in enumerate(sentences(200))]
    (a, b), (c, d) = scored(samples, train_samples=60)[1], scored(samples[::-1], train_samples=60)[1]
    assert [h.samples for h in (a, b)] == [30, 30]
    assert a.words == c.words and b.words == d.words
    assert np.array_equal(a.model.trigrams.keys, c.model.trigrams.keys)


def test_small_sets_and_empty_samples_have_reasons():
    scores, _ = scored([sample("Hi.", "Yes.", id=str(i)) for i in range(5)])
    assert {s.value for s in scores} == {None}
    assert scores[0].reason.startswith("too few samples to learn from")
    texts = [sample("Describe.", t, id=str(i)) for i, t in enumerate(sentences(100))]
    (empty, *_), _ = scored([sample("", "", id="e"), *texts])
    assert (empty.value, empty.reason) == (None, "the sample has no text")


def test_summary_is_the_mean():
    scores, _ = scored([sample("Describe.", t, id=str(i)) for i, t in enumerate(sentences(100))])
    found = TextReadability(TextReadabilityConfig()).summarise(scores)
    assert found.n == 100
    assert found.value == pytest.approx(math.fsum(s.value for s in scores) / 100)
