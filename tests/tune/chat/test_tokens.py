"""Pieces of text: what is special, what is not, and what stands in front of them."""

from __future__ import annotations

import copy
import json
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tune.chat import talk
from vlit.tune.chat.encode import Encoder
from vlit.tune.chat.tokens import Tokens
from vlit.tune.example import Refused

ASCII = st.text(st.sampled_from([chr(i) for i in range(33, 127)] + [" "] * 20), max_size=40)
SPECIAL = st.sampled_from(["</s>", "<pad>", "<unk>", "<image>", "<|im_end|>", "<0x41>"])


def unigram_with_bytes() -> Any:
    """Unigram whose vocabulary spells bytes, as SentencePiece models with byte fallback have it."""
    core = talk.core()
    learnt = json.loads(talk.unigram().backend_tokenizer.to_str())["model"]["vocab"]
    vocabulary = [*map(tuple, learnt), *((f"<0x{i:02X}>", 0.0) for i in range(256))]
    made = core.Tokenizer(core.models.Unigram(vocab=vocabulary, unk_id=2, byte_fallback=True))
    made.pre_tokenizer = core.pre_tokenizers.Metaspace(prepend_scheme="always")
    made.decoder = core.decoders.Sequence(
        [core.decoders.ByteFallback(), core.decoders.Metaspace(prepend_scheme="always")]
    )
    return talk.wrapped(made, eos_token="</s>", unk_token="<unk>", pad_token="<pad>")


@cache
def answering() -> Encoder:
    return talk.encoder(talk.unigram(), "blip2", seq2seq=True)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(ASCII, SPECIAL), max_size=5).map("".join))
def test_what_an_encoder_decoder_has_to_say_is_what_was_said(said: str) -> None:
    known = talk.unigram()
    (found,) = answering().examples(talk.sample("What is it?", said))
    *answer, end = found.labels.tolist()
    assert end == known.eos_token_id and end not in answer
    assert talk.read(known, answer) == " ".join(said.split())


def test_bytes_that_are_spelt_out_are_text() -> None:
    known = unigram_with_bytes()
    assert known.decode(known.encode("<0x41>", add_special_tokens=False)) != "<0x41>"  # the trap
    tokens = Tokens(known)
    for text in ("<0x41>", "a<0x0A> </s>b", "<<0x41>0x41>"):
        assert talk.read(known, tokens.read([(text, False)], -1)) == text


def test_text_that_a_tokenizer_turns_into_a_special_token_is_refused() -> None:
    known = copy.deepcopy(talk.unigram())
    known.backend_tokenizer.normalizer = talk.core().normalizers.NFKC()
    tokens = Tokens(known)
    with pytest.raises(Refused, match="special tokens in a text that has none"):
        tokens.read([("a \uff1c/s\uff1e b", False)], -1)


def test_special_tokens_of_a_template_are_read_and_those_at_its_border_are_not() -> None:
    known = talk.sentence_piece(False)
    tokens, eos = Tokens(known), known.eos_token_id
    assert tokens.read([("a</s>", True), ("b</s>", False)], None).count(eos) == 1
    assert eos not in tokens.read([("a</", True), ("s>", False)], None)
    assert eos not in tokens.read([("a<", False), ("/s>", True)], None)
    assert tokens.read([("</s>", False), ("</s>", True)], None).count(eos) == 1
    assert tokens.read([], None) == [] and tokens.read([("", False)], 5) == []


@pytest.mark.parametrize("legacy", [True, False])
def test_what_a_tokenizer_puts_around_a_text(legacy: bool) -> None:
    assert Tokens(talk.sentence_piece(legacy)).before == (1,)
    assert Tokens(talk.byte_level()).before == Tokens(talk.byte_level()).after == ()
    assert (Tokens(talk.unigram()).before, Tokens(talk.unigram()).after) == ((), (1,))


def test_behind_a_special_token_a_text_begins_as_the_tokenizer_begins_it() -> None:
    for legacy, first in ((True, "▁A"), (False, "A")):
        known = talk.sentence_piece(legacy)
        ids = Tokens(known).read([("A dog", False)], known.convert_tokens_to_ids("<image>"))
        assert known.convert_ids_to_tokens(ids)[0].startswith(first)
        assert ids == known.encode("<image>A dog", add_special_tokens=False)[1:]
        inside = Tokens(known).read([("A dog", False)], 70)
        assert known.convert_ids_to_tokens(inside)[0].startswith("A")
