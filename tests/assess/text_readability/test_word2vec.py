import importlib.util
import pickle
import random

import pytest

from tests.assess.small import sample
from tests.assess.text_readability.test_kneser_ney import sentences
from vlit.assess.seen import Part, Seen
from vlit.assess.stage import fit
from vlit.assess.text_readability.word2vec import TextReadabilityWord2Vec as Word2Vec
from vlit.assess.text_readability.word2vec import TextReadabilityWord2VecConfig as Options
from vlit.data.errors import VlitError

HERE = importlib.util.find_spec("gensim") is not None
needs_gensim = pytest.mark.skipif(not HERE, reason="gensim is not installed")


def trained(samples, **options):
    indicator = Word2Vec(Options(vector_size=20, min_count=1, **options), seed=3)
    state = fit([indicator], samples, Seen(len(samples)))[indicator.name]
    return indicator, pickle.loads(pickle.dumps(state))


def scored(indicator, state, texts):
    part = Part([sample("", t, id=str(i)) for i, t in enumerate(texts)])
    return list(indicator.score(part, state))


@pytest.fixture(scope="module")
def model():
    return trained([sample("", t, id=str(i)) for i, t in enumerate(sentences(400))])


@pytest.mark.skipif(HERE, reason="gensim is installed")
def test_without_gensim_the_error_says_what_to_do():
    with pytest.raises(VlitError, match="pip install gensim"):
        Word2Vec(Options()).fit()


@needs_gensim
def test_value_is_the_score_of_the_pairs_by_hand(model):
    import numpy as np

    indicator, state = model
    (found,) = scored(indicator, state, ["the dog sits"])
    vectors, tree = state.wv.vectors, state.syn1

    def log_p(word, near):  # hierarchical softmax: a sigmoid at each fork on the way to the word
        code = state.wv.get_vecattr(word, "code").astype(int)
        point = state.wv.get_vecattr(word, "point")
        steps = (1 - 2 * code) * (tree[point[: len(code)]] @ vectors[state.wv.key_to_index[near]])
        return -np.log1p(np.exp(-steps)).sum()

    pairs = [(a, b) for a in ("the", "dog", "sits") for b in ("the", "dog", "sits") if a != b]
    expected = sum(log_p(a, b) for a, b in pairs) / 3
    assert found.value == pytest.approx(expected, rel=5e-2)  # gensim looks sigmoids up in a coarse table
    assert found.value < 0
    assert found.reason == "3 known tokens, 0 unknown"


@needs_gensim
def test_it_is_blind_to_word_order_and_likes_repetition(model):
    rand, texts = random.Random(5), sentences(60, seed=9)
    shuffled = [" ".join(rand.sample(t.rstrip(".").split(), len(t.split()))) + "." for t in texts]
    repeated = [" ".join(["the"] * len(t.split())) + "." for t in texts]
    plain, mixed, same = ([s.value for s in scored(*model, some)] for some in (texts, shuffled, repeated))
    mean = sum(plain) / len(plain)
    assert abs(sum(mixed) / len(mixed) - mean) < 0.05 * abs(mean)
    assert sum(same) / len(same) > mean


@needs_gensim
def test_equal_whatever_the_order_and_the_run():
    samples = [sample("", t, id=str(i)) for i, t in enumerate(sentences(100))]
    first, second = trained(samples, train_samples=60), trained(samples[::-1], train_samples=60)
    texts = sentences(10, seed=4)
    assert [s.value for s in scored(*first, texts)] == [s.value for s in scored(*second, texts)]


@needs_gensim
def test_what_cannot_be_judged_has_a_reason(model):
    found = scored(*model, ["", "zyxw vuts", "the dog " * 5000])
    assert [s.value is None for s in found] == [True, True, False]
    assert [s.reason for s in found[:2]] == ["the sample has no text", "no word is known"]
    few = trained([sample("", "One.", id="1")])
    assert scored(*few, ["One."])[0].reason == "too few samples to learn from: 1"
