import math

import pytest

from tests.assess.judging import judged
from tests.assess.small import sample
from vlit.assess.hygiene.toxicity import Classifier, Toxicity, ToxicityConfig
from vlit.data.errors import VlitError

WORDS = [f"w{i}" for i in range(40)]


def built(folder, labels, biases=None, problem_type=None):
    """A tiny BERT classifier on words; with biases its probabilities do not depend on the text."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]))
    transformers.BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(WORDS) + 5,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=8,
        max_position_embeddings=18,
        initializer_range=1.0,
        id2label=dict(enumerate(labels)),
        problem_type=problem_type,
    )
    model = transformers.BertForSequenceClassification(config)
    if biases is not None:
        torch.nn.init.zeros_(model.classifier.weight)
        model.classifier.bias.data = torch.tensor(biases)
    model.save_pretrained(folder)
    return str(folder)


def toxic(model, *rows, **config):
    return judged(Toxicity(ToxicityConfig(model=model, device="cpu", **config)), rows)


def test_independent_labels_by_hand(tmp_path):
    model = built(tmp_path, ["toxic", "threat"], [2.0, -1.0], "multi_label_classification")
    found = toxic(model, sample("w1 w2", "w3", id="a"), sample(id="b"), sample("<image>", id="c"))
    assert found[0].value == pytest.approx(1 / (1 + math.exp(-2)), abs=1e-6)
    assert found[0].reason == "toxic 0.88"
    assert [s.value for s in found[1:]] == [None, None] and found[1].reason == "there is no text"
    (other,) = toxic(model, sample("w1", "w2"), labels=("THREAT",))
    assert other.value == pytest.approx(1 / (1 + math.exp(1)), abs=1e-6) and other.reason is None


def test_labels_that_exclude_each_other(tmp_path):
    model = built(tmp_path, ["neutral", "toxic"], [1.0, 0.0])
    (found,) = toxic(model, sample("w1", "w2"))
    assert found.value == pytest.approx(1 / (1 + math.e), abs=1e-6)


def test_only_responses_on_demand_and_the_highest_turn_counts(tmp_path):
    model = built(tmp_path, ["toxic"], problem_type="multi_label_classification")
    value = {w: toxic(model, sample(w, id=w), instructions=True)[0].value for w in ("w1", "w2", "w3")}
    assert len(set(value.values())) == 3
    row = sample("w1", "w2", "?", "w3")
    assert toxic(model, row, instructions=False)[0].value == pytest.approx(
        max(value["w2"], value["w3"]), abs=1e-6
    )
    assert toxic(model, sample("w1"), instructions=False)[0].value is None


def test_long_texts_are_judged_in_pieces(tmp_path):
    model = built(tmp_path, ["toxic"], problem_type="multi_label_classification")
    judge = Classifier(model, "cpu")
    words = [WORDS[i * 7 % 40] for i in range(33)]  # 16 tokens fit: 14 words between CLS and SEP
    pieces = [" ".join(words[i : i + 14]) for i in range(0, 33, 14)]
    values = [value for value, _ in judge.judged([*pieces, " ".join(words)], (), 2)]
    assert values[3] == pytest.approx(max(values[:3]), abs=1e-5)
    assert len({round(v, 4) for v in values}) == 3


def test_mistakes_are_told(tmp_path):
    model = built(tmp_path, ["LABEL_0", "LABEL_1"])
    with pytest.raises(VlitError, match=r"which labels .* are toxic cannot be told: LABEL_0, LABEL_1"):
        toxic(model, sample("w1"))
    with pytest.raises(VlitError, match=r"no label 'rude'\n.*\n.*LABEL_0, LABEL_1"):
        toxic(model, sample("w1"), labels=("rude",))
    (tmp_path / "empty").mkdir()
    with pytest.raises(VlitError, match="cannot be loaded"):
        toxic(str(tmp_path / "empty"), sample("w1"))
