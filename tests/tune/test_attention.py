from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
import transformers

from tests.tune.packed import by, compute, difference, documents, llava_qwen3, separate
from vlit.data.errors import VlitError
from vlit.tune import attention
from vlit.tune.attention import lengths, mask, resolve, segments, set_attention, verify
from vlit.tune.example import Batch
from vlit.tune.models.architecture import Architecture

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def batch(documents: list[list[int]]) -> Batch:
    whole = torch.tensor(documents, dtype=torch.int32)
    return Batch(ids=whole.long(), labels=whole.long(), positions=whole.long(), documents=whole)


class Around:
    """An architecture of a decoder alone, for what depends on the decoder's config."""

    packs = True

    def __init__(self, decoder: Any) -> None:
        self.decoder = self.model = decoder

    def hidden(self, batch: Batch, mask: Any) -> torch.Tensor:
        found: torch.Tensor = self.model(
            input_ids=batch.ids, attention_mask=mask, position_ids=batch.positions, use_cache=False
        ).last_hidden_state
        return found


def decoder(kind: str, **settings: Any) -> Any:
    shape = {"vocab_size": 300, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    shape |= {"intermediate_size": 32, "head_dim": 8, "num_key_value_heads": 1, "pad_token_id": 0}
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(**shape | settings)
    found = Around(transformers.AutoModel.from_config(config))
    for parameter in found.model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    return found


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Architecture:
    return llava_qwen3(tmp_path_factory.mktemp("model"))


def test_masks_by_hand() -> None:
    given = batch([[1, 1, 2, 2, 2], [1, 2, 2, 0, 0]])
    assert lengths(given.documents) == [[2, 3], [1, 2, 2]]
    assert mask(given, "padded", torch.float32).tolist() == [[1] * 5, [1, 1, 1, 0, 0]]
    assert mask(given, "segments", torch.float32)[:, 0, 0].tolist() == [[2, 3, 0], [1, 2, 2]]
    ends = mask(given, "varlen", torch.float32)
    assert ends.shape == (1, 1, 3, 6) and ends.dtype == torch.int32
    assert ends[0, 0, 0].tolist() == [0, 2, 5, 6, 8, 10]
    dense = mask(given, "dense", torch.bfloat16)
    assert dense.shape == (2, 1, 5, 5) and dense.dtype == torch.bfloat16
    seen = [[int(v == 0) for v in row] for row in dense[0, 0]]
    assert seen == [[1, 0, 0, 0, 0], [1, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 1, 1, 0], [0, 0, 1, 1, 1]]
    assert torch.isfinite(dense).all()


def test_a_block_mask_is_the_dense_one() -> None:
    given = batch([[1] * 7 + [2] * 9 + [0] * 4])
    own = mask(given, "flex", torch.float32)
    dense = mask(given, "dense", torch.float32)[0, 0] == 0
    places = torch.arange(20)
    seen = own.mask_mod(torch.tensor(0), torch.tensor(0), places[:, None], places[None, :])
    assert torch.equal(seen, dense)


def test_auto_by_device(model: Architecture) -> None:
    assert resolve("auto", model, CPU, torch.float32, 100) == "segments"
    assert resolve("auto", model, GPU, torch.float32, 100) == "segments"
    assert resolve("auto", model, GPU, torch.bfloat16, 100) == "varlen"
    assert resolve("dense", model, CPU, torch.float32, 100) == "dense"


def test_a_model_that_does_not_pack_is_padded() -> None:
    found = decoder("Llama")
    found.packs = False
    assert resolve("segments", found, CPU, torch.float32, 100) == "padded"


@pytest.mark.parametrize(
    ("kind", "device", "says"), [("flex", CPU, "backward"), ("varlen", CPU, "GPU"), ("varlen", GPU, "bf16")]
)
def test_what_a_device_cannot_do_is_refused(kind: str, device: torch.device, says: str) -> None:
    with pytest.raises(VlitError, match=says):
        resolve(kind, decoder("Llama"), device, torch.float32, 100)


@pytest.mark.parametrize("kind", ["flex", "varlen"])
def test_attention_dropout_is_not_lost(kind: str) -> None:
    found = decoder("Llama", attention_dropout=0.1)
    with pytest.raises(VlitError, match="drops 10%"):
        resolve(kind, found, GPU, torch.bfloat16, 100)
    assert resolve("auto", found, GPU, torch.bfloat16, 100) == "segments"


@pytest.mark.parametrize("kind", ["Gemma2", "GptOss"])
def test_scores_that_are_changed_take_the_dense_mask(kind: str) -> None:
    more = {"num_local_experts": 2, "num_experts_per_tok": 1} if kind == "GptOss" else {}
    found = decoder(kind, **more)
    assert resolve("auto", found, CPU, torch.float32, 20) == "dense"
    with pytest.raises(VlitError, match="soft-capped or have sinks"):
        resolve("segments", found, CPU, torch.float32, 20)
    set_attention(found, "dense")
    assert found.decoder.config._attn_implementation == "eager"
    assert verify(found, "dense", torch.float32) < 1e-5


@pytest.mark.parametrize("kind", ["Mistral", "Gemma3Text", "Qwen2", "OPT", "GPT2", "GPTNeoX", "Phi3"])
def test_documents_are_apart_in_common_decoders(kind: str) -> None:
    found = decoder(kind, ffn_dim=32, word_embed_proj_dim=16, num_key_value_heads=2)
    for how in ("dense", "segments"):
        set_attention(found, how, longest=20)
        assert verify(found, how, torch.float32) < 1e-5


def test_a_sliding_window_narrower_than_a_document() -> None:
    found = decoder("Mistral", sliding_window=4)
    assert resolve("auto", found, CPU, torch.float32, 20) == "segments"
    with pytest.raises(VlitError, match="see 4 tokens"):
        set_attention(found, "dense", longest=20)
    whole = attention._texts([torch.arange(9) + 5, torch.arange(12) + 20])
    found.model.eval()
    alone = []
    for start, end in ((0, 9), (9, 21)):
        ids = whole.ids[:, start:end]
        alone.append(found.model(input_ids=ids, use_cache=False).last_hidden_state)
    set_attention(found, "segments", longest=20)
    packed = found.hidden(whole, mask(whole, "segments", torch.float32))
    assert (packed - torch.cat(alone, 1)).abs().max() < 1e-5


def test_layers_that_carry_a_state_are_refused() -> None:
    found = decoder("Llama")
    found.decoder.config.layer_types = ["linear_attention", "full_attention"]
    with pytest.raises(VlitError, match=r"linear_attention.*carry") as refused:
        set_attention(found, "dense")
    assert "tune.pack" in refused.value.todo


def test_attention_of_its_own_is_refused() -> None:
    with pytest.raises(VlitError, match="bloom"):
        set_attention(decoder("Bloom", n_head=2), "segments")


def test_a_leak_is_found() -> None:
    found = decoder("Llama")
    found.hidden = lambda batch, mask: Around.hidden(found, batch, torch.ones_like(batch.ids))
    with pytest.raises(VlitError, match="read each other"):
        verify(found, "dense", torch.float32)


def test_bfloat16_is_apart_too() -> None:
    found = decoder("Qwen3")
    set_attention(found, "segments")
    assert verify(found, "segments", torch.bfloat16) < 0.05


def test_vision_keeps_its_attention(model: Architecture) -> None:
    for kind in ("segments", "flex", "dense", "padded"):
        set_attention(model, kind)
        assert model.model.model.vision_tower.config._attn_implementation == "sdpa"
    assert model.decoder.config._attn_implementation == "sdpa"


def test_dropout_is_applied_in_segments() -> None:
    torch.manual_seed(0)
    query = torch.randn(1, 2, 6, 4)
    own = torch.tensor([[[[2, 4]]]], dtype=torch.int32)
    still, _ = segments(None, query, query, query, own)
    dropped, _ = segments(None, query, query, query, own, dropout=0.5)
    assert still.shape == (1, 6, 2, 4) and not torch.equal(still, dropped)


def test_the_varlen_call_with_a_stand_in_kernel(model: Architecture, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel needs a GPU; here shapes, borders and options of the call are held to the same documents."""
    import torch.nn.attention.varlen as kernels

    def stand_in(
        query: Any, key: Any, value: Any, cu_seq_q: Any, cu_seq_k: Any, max_q: int, max_k: int, *,
        scale: float | None = None, window_size: tuple[int, int] = (-1, -1), enable_gqa: bool = False,
    ) -> Any:  # fmt: skip
        assert window_size == (-1, 0) and cu_seq_q.dtype == torch.int32
        assert max_q == int(cu_seq_q.diff().max())
        done = []
        for a, b in pairwise(cu_seq_q.tolist()):
            q, k, v = (t[a:b].transpose(0, 1)[None] for t in (query, key, value))
            found = torch.nn.functional.scaled_dot_product_attention(
                q, k, v, is_causal=True, scale=scale, enable_gqa=enable_gqa
            )
            done.append(found[0].transpose(0, 1))
        return torch.cat(done)

    monkeypatch.setattr(kernels, "varlen_attn", stand_in)
    model.model.eval()
    examples, pixels = documents(model)
    alone = separate(model, examples, pixels)
    set_attention(model, "varlen")
    for rows in ([examples], [examples[:3], examples[3:]]):
        found = compute(model, [rows], pixels, by("varlen"))
        assert max(difference(model, found, alone)) < 1e-5
