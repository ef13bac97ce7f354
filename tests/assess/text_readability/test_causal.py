import json
import math

import pytest

from tests.assess.encoders import tiny
from tests.assess.small import sample
from vlit.assess.encoders import causal
from vlit.assess.encoders.causal import CausalModel, causal_model
from vlit.assess.seen import Part
from vlit.assess.text_readability.causal import TextReadabilityLM, TextReadabilityLMConfig
from vlit.data.errors import VlitError

torch = pytest.importorskip("torch")
TEXTS = ["A dog.", "The red bench stands by the river.", "x"]
LONG = "a dog runs over the bridge and " * 9


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny.llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture
def model(folder, monkeypatch):
    """In float32, so that sums can be compared."""
    monkeypatch.setattr(causal, "pick_dtype", lambda device: torch.float32)
    return CausalModel(str(folder), "cpu")


def by_hand(folder, text):
    """Sum of log P and tokens, from the model's own loss."""
    import transformers

    model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    ids = torch.tensor([[tokenizer.bos_token_id, *tokenizer(text, add_special_tokens=False)["input_ids"]]])
    with torch.inference_mode():
        return -float(model(input_ids=ids, labels=ids).loss) * (ids.shape[1] - 1), ids.shape[1] - 1


def test_sums_are_the_model_s_loss(model, folder):
    for text, found in zip(TEXTS, model.log_probabilities(TEXTS), strict=True):
        expected = by_hand(folder, text)
        assert found == (pytest.approx(expected[0], rel=1e-4), expected[1])


def test_neighbours_do_not_matter(model):
    together = model.log_probabilities([*TEXTS, LONG])
    assert together[0] == pytest.approx(model.log_probabilities([TEXTS[0]])[0], rel=1e-6)
    assert model.log_probabilities(["", "x"])[0] == (0.0, 0)


def test_long_texts_are_read_in_windows_that_predict_each_token_once(model, folder):
    ((total, tokens),) = model.log_probabilities([LONG])
    assert tokens == len(LONG)  # bytes; the first is predicted from the beginning of the text
    # By hand: the text with the beginning's token is ids[0:64], then windows of 64 from 32, 64 ...
    ids = [0, *model._tokenizer(LONG, add_special_tokens=False)["input_ids"]]
    expected, done = 0.0, 1
    for start in range(0, len(ids), 32):
        window = torch.tensor([ids[start : start + 64]])
        if start + window.shape[1] <= done:
            break
        with torch.inference_mode():
            logs = model._model(input_ids=window).logits[0].log_softmax(-1)
        for place in range(done, start + window.shape[1]):
            expected += float(logs[place - start - 1, ids[place]])
        done = start + window.shape[1]
    assert total == pytest.approx(expected, rel=1e-4)


def test_out_of_memory_gives_the_same_sums(model, monkeypatch):
    expected, read, sizes = model.log_probabilities(TEXTS * 4), model._read, []

    def crowded(windows):
        sizes.append(len(windows))
        if len(windows) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
        return read(windows)

    monkeypatch.setattr(model, "_read", crowded)
    found = model.log_probabilities(TEXTS * 4)
    assert [s for s, _ in found] == pytest.approx([s for s, _ in expected], rel=1e-6)
    assert max(sizes) > 2 and sizes.count(2) >= 3


def test_value_is_the_inverse_perplexity_of_all_turns(folder):
    indicator = TextReadabilityLM(TextReadabilityLMConfig(model=str(folder), device="cpu"))
    samples = [sample("<image>\nWhat is it?", "A dog.", id="1"), sample("", "", id="2")]
    found, empty = indicator.score(Part(samples), None)
    (a, n), (b, m) = causal_model(str(folder), "cpu").log_probabilities(["What is it?", "A dog."])
    assert (n, m) == (11, 6)
    assert found.value == pytest.approx(math.exp((a + b) / 17))
    assert 0 < found.value < 1
    assert found.reason == f"perplexity {1 / found.value:.1f} over 17 tokens"
    assert (empty.value, empty.reason) == (None, "the sample has no text")


def test_the_set_s_mean_tells_bits_and_perplexity(folder):
    samples = [sample("What?", t, id=str(i)) for i, t in enumerate([*TEXTS, LONG])]
    chosen = {"text_readability_lm": {"model": str(folder), "device": "cpu"}}
    indicator = TextReadabilityLM(TextReadabilityLMConfig(**chosen["text_readability_lm"]))
    of_set = indicator.summarise(list(indicator.score(Part(samples), None)))
    detail = json.loads(of_set.detail)
    assert (detail["form"], detail["model"]) == ("recommended", str(folder))
    assert detail["perplexity"] == pytest.approx(2 ** -detail["mean_log2_p"])
    assert 0 < of_set.value < 1 and of_set.n == 4


def test_a_model_that_is_not_there(tmp_path):
    with pytest.raises(VlitError, match="cannot be loaded"):
        causal_model(str(tmp_path), "cpu")
