import json
import random

import pytest

from tests.assess.small import sample
from tests.assess.text_readability.test_kneser_ney import sentences
from vlit.assess.memory import assess
from vlit.assess.text_readability.kneser_ney import TextReadability, TextReadabilityConfig
from vlit.assess.text_readability.reference import reference_texts
from vlit.data.errors import VlitError


def judged(path, texts, **config):
    samples = [sample("", t, id=str(i)) for i, t in enumerate(texts)]
    scores, (of_set,) = assess(samples, indicators={"text_readability": {"reference": str(path), **config}})
    return [s.value for s in scores], of_set


def test_the_corpus_judges_and_not_the_set(tmp_path):
    (tmp_path / "good.txt").write_text("\n".join(sentences(400)))
    scrambled = random.Random(3)
    words = [" ".join(scrambled.sample(t.rstrip(".").split(), len(t.split()))) for t in sentences(100, seed=1)]
    good, of_set = judged(tmp_path / "good.txt", sentences(100, seed=2))
    bad, _ = judged(tmp_path / "good.txt", words)
    assert min(good) > max(bad)  # each set is alone, and of one kind
    assert json.loads(of_set.detail)["reference"].endswith("good.txt")
    (alone,), _ = judged(tmp_path / "good.txt", ["A small cat sits on the red bench."])
    assert alone > max(bad)  # one sample can be judged as well


def test_records_of_llava_are_read(tmp_path):
    turns = [{"from": "human", "value": "<image>\nWhat is it?"}, {"from": "gpt", "value": "A dog."}]
    (tmp_path / "set.json").write_text(json.dumps([{"id": "1", "image": "1.jpg", "conversations": turns}]))
    (tmp_path / "set.jsonl").write_text(
        json.dumps({"id": "1", "image": "1.jpg", "conversations": turns}) + "\n"
    )
    for name in ("set.json", "set.jsonl"):
        found = [t.replace("<image>", "").strip() for t in reference_texts(tmp_path / name)]
        assert found == ["What is it?", "A dog."]
    (tmp_path / "set.jsonl").write_text('{"text": "A dog."}')
    with pytest.raises(VlitError, match="record 1"):
        list(reference_texts(tmp_path / "set.jsonl"))


def test_the_content_is_part_of_the_fingerprint(tmp_path):
    file = tmp_path / "corpus.txt"
    file.write_text("One.\n")
    indicator = TextReadability(TextReadabilityConfig(reference="corpus.txt"), base=tmp_path)
    (before,) = indicator.outside()
    file.write_text("Two.\n")
    assert list(indicator.outside()) != [before]
    assert list(TextReadability(TextReadabilityConfig()).outside()) == []


@pytest.mark.parametrize(
    ("content", "told"), [(b"\n \n", "no text"), (b"\xff\xfe", "no UTF-8"), (None, "cannot read")]
)
def test_a_corpus_that_cannot_be_used(tmp_path, content, told):
    if content is not None:
        (tmp_path / "c.txt").write_bytes(content)
    with pytest.raises(VlitError, match=told):
        list(reference_texts(tmp_path / "c.txt"))
