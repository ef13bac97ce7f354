"""Parts: what a tokenizer lacks is added, what it has is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.tune.tiny_parts import bare_tokenizer, decoder
from vlit.data.errors import VlitError
from vlit.tune.models.parts import add_token, language_model

torch = pytest.importorskip("torch")


def llm(folder: Path, *extra: str, rows: int = 0, family: str = "llama") -> tuple[Any, Any]:
    decoder(folder, family, rows=rows, tokenizer=bare_tokenizer(*extra))
    return language_model(str(folder))


@pytest.mark.parametrize(
    ("extra", "pad"),
    [
        (("<|finetune_right_pad_id|>", "<unk>"), "<|finetune_right_pad_id|>"),  # as Llama 3 has it, undeclared
        (("[PAD]",), "[PAD]"),
        ((), "<pad>"),
    ],
)
def test_a_token_for_padding_is_one_that_says_nothing(tmp_path: Path, extra: tuple[str, ...], pad: str) -> None:
    model, tokenizer = llm(tmp_path, *extra)
    assert tokenizer.pad_token == pad and tokenizer.pad_token_id != tokenizer.eos_token_id
    assert tokenizer.eos_token == "</s>" and tokenizer.eos_token_id == 1
    assert model.get_input_embeddings().num_embeddings == len(tokenizer)


def test_a_declared_unknown_token_pads_before_one_is_added(tmp_path: Path) -> None:
    own = bare_tokenizer("<unk>")
    own.unk_token = "<unk>"
    decoder(tmp_path, "llama", tokenizer=own)
    model, tokenizer = language_model(str(tmp_path))
    assert tokenizer.pad_token == "<unk>"
    assert model.get_input_embeddings().num_embeddings == len(own)


def test_a_new_token_is_drawn_around_the_mean_in_embeddings_and_head(tmp_path: Path) -> None:
    model, tokenizer = llm(tmp_path)
    rows = model.get_input_embeddings().num_embeddings
    before = model.get_input_embeddings().weight.detach().clone()
    known = add_token(model, tokenizer, "<image>")
    for weight in (model.get_input_embeddings().weight, model.get_output_embeddings().weight):
        assert weight.shape[0] == known + 1 == rows + 1 == model.config.vocab_size
    new = model.get_input_embeddings().weight[known]
    assert torch.equal(model.get_input_embeddings().weight[:rows], before)
    assert torch.allclose(new, before.mean(0), atol=1e-2)
    assert tokenizer.encode("a<image>b", add_special_tokens=False)[1] == known
    assert tokenizer.decode([known], skip_special_tokens=True) == ""
    assert add_token(model, tokenizer, "<image>") == known  # and not once more


def test_rows_to_spare_are_used_and_not_cut(tmp_path: Path) -> None:
    model, tokenizer = llm(tmp_path, rows=9)
    rows = model.get_input_embeddings().num_embeddings
    known = add_token(model, tokenizer, "<image>")
    assert known == len(tokenizer) - 1 < rows == model.get_input_embeddings().num_embeddings


def test_tied_embeddings_grow_together(tmp_path: Path) -> None:
    model, tokenizer = llm(tmp_path, family="qwen2")
    add_token(model, tokenizer, "<image>")
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight


def test_a_whole_model_is_no_language_model(tmp_path: Path) -> None:
    from tests.tune import tiny

    tiny.llava(tmp_path).save(tmp_path / "whole")
    with pytest.raises(VlitError, match="sees images") as error:
        language_model(str(tmp_path / "whole"))
    assert "as checkpoint" in str(error.value)


def test_a_slow_tokenizer_is_refused(tmp_path: Path) -> None:
    decoder(tmp_path, "llama")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).unlink()
    with pytest.raises(VlitError):
        language_model(str(tmp_path))
