"""The model itself: gates, what each token sees, several documents, generation."""

from __future__ import annotations

import copy
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.tune import tiny_flamingo as tiny

if TYPE_CHECKING:
    import torch
    import transformers
    from torch.utils.checkpoint import checkpoint
else:
    torch = pytest.importorskip("torch")
    checkpoint = pytest.importorskip("torch.utils.checkpoint").checkpoint
    transformers = pytest.importorskip("transformers")

#: Two images, then none before the only one, then none at all.
IDS = [[5, 3, 9, 12, 3, 7], [8, 9, 3, 10, 11, 12], [8, 9, 13, 10, 11, 12]]
FAMILIES = ("llama", "qwen2", "qwen3", "gpt_neox", "opt")


def pictures(count: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(count, 3, 28, 28, generator=torch.Generator().manual_seed(seed))


def logits(model: Any, ids: Any, pixels: Any = None, **kwargs: Any) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(input_ids=torch.as_tensor(ids), pixel_values=pixels, **kwargs).logits
    return found


@pytest.mark.parametrize("decoder", tiny.DECODERS)
@pytest.mark.parametrize("every", [1, 2, 4])
def test_shut_gates_leave_the_decoder_as_it_is_to_the_bit(decoder: str, every: int) -> None:
    model = tiny.bare(decoder, every=every, gate=0.0)
    alone = transformers.AutoModelForCausalLM.from_config(model.config.text_config).eval()
    alone.load_state_dict(model.language_model.state_dict())
    assert len(model.cross_attention) == 4 // every
    with torch.no_grad():
        assert torch.equal(logits(model, IDS, pictures(3)), alone(input_ids=torch.tensor(IDS)).logits)
    tiny.open_gates(model, 0.5)
    assert not torch.allclose(logits(model, IDS, pictures(3)), logits(model, IDS, pictures(3, seed=2)))


@pytest.mark.parametrize("decoder", tiny.DECODERS)
def test_a_token_sees_the_image_before_it_and_no_other(decoder: str) -> None:
    model = tiny.bare(decoder)
    pixels = pictures(3)
    base = logits(model, IDS, pixels)
    for image, (row, first) in enumerate([(0, 1), (0, 4), (1, 2)]):
        changed = pixels.clone()
        changed[image] += 1.0
        moved = (logits(model, IDS, changed) - base).abs().amax(-1) > 0
        expected = torch.zeros(3, 6, dtype=torch.bool)
        expected[row, first:] = True  # later tokens by self-attention, if not by sight
        assert torch.equal(moved, expected)


def test_blocks_add_exactly_nothing_where_no_image_precedes() -> None:
    model = tiny.bare("llama")
    block = model.cross_attention[0]
    block.feed_forward_gate.data.zero_()
    seen = model._seen(torch.tensor(IDS), pictures(3))
    x = torch.randn(3, 6, 32)
    with torch.no_grad():
        added = (block(x, *seen) - x).abs().amax(-1) > 0
    sees = [[False, True, True, True, True, True], [False, False, True, True, True, True], [False] * 6]
    assert added.tolist() == sees == seen.sees.tolist()


def test_after_a_second_image_the_first_is_not_attended_to() -> None:
    model = tiny.bare("llama")
    seen = model._seen(torch.tensor(IDS), pictures(3))
    other = seen._replace(media=seen.media.clone())
    other.media[0, 0] += 1.0
    x = torch.randn(3, 6, 32)
    with torch.no_grad():
        moved = (model.cross_attention[0](x, *seen) - model.cross_attention[0](x, *other)).abs().amax(-1) > 0
    assert moved[0].tolist() == [False, True, True, True, False, False] and not moved[1:].any()


def test_images_of_another_document_of_the_row_are_not_seen() -> None:
    model = tiny.bare("llama")
    ids = torch.tensor([[5, 3, 9, 12, 8, 7, 3, 4, 2]])
    documents = torch.tensor([[1, 1, 1, 2, 2, 3, 3, 3, 0]])
    seen = model._seen(ids, pictures(2), documents)
    assert seen.sees.tolist() == [[False, True, True, False, False, False, True, True, False]]


DOCUMENTS = [[5, 3, 9, 12, 3, 7, 30], [8, 9, 21, 10], [3, 40, 41], [6, 3, 7, 3, 3, 20, 21, 22]]
COUNTS = [row.count(3) for row in DOCUMENTS]


@pytest.mark.parametrize("decoder", FAMILIES)
@pytest.mark.parametrize(("dtype", "bound"), [("float32", 1e-5), ("float64", 1e-12)])
def test_a_packed_row_equals_its_documents_one_by_one(decoder: str, dtype: str, bound: float) -> None:
    model = tiny.bare(decoder, every=2).train().to(getattr(torch, dtype))
    pixels = pictures(sum(COUNTS)).to(getattr(torch, dtype))
    apart, loss, parts = _apart(model, pixels)
    model.zero_grad()
    together, same, whole = _packed(model, pixels)
    assert (together - apart).abs().max() < bound
    assert abs(loss - same) < bound
    assert parts.keys() == whole.keys()
    assert max((parts[name] - whole[name]).abs().max() for name in parts) < bound


def _apart(model: Any, pixels: Any) -> tuple[Any, float, dict[str, Any]]:
    found, loss = [], 0.0
    for ids, own in zip(DOCUMENTS, pixels.split(COUNTS), strict=True):
        row = torch.tensor([ids])
        out = model(input_ids=row, pixel_values=own if len(own) else None, use_cache=False).logits
        found.append(out[0].detach())
        loss += _backward(out[0, :-1], row[0, 1:])
    return torch.cat(found), loss, _gradients(model)


def _packed(model: Any, pixels: Any) -> tuple[Any, float, dict[str, Any]]:
    lengths = [len(ids) for ids in DOCUMENTS]
    ids = torch.tensor([[i for row in DOCUMENTS for i in row]])
    number = torch.tensor([[k + 1 for k, n in enumerate(lengths) for _ in range(n)]])
    allowed = (number[:, :, None] == number[:, None, :]) & torch.ones(ids.shape[1], ids.shape[1]).tril().bool()
    out = model(
        input_ids=ids,
        pixel_values=pixels,
        attention_mask=allowed[:, None],
        position_ids=torch.cat([torch.arange(n) for n in lengths])[None],
        documents=number,
        use_cache=False,
    ).logits
    inside = number[0, 1:] == number[0, :-1]
    loss = _backward(out[0, :-1][inside], ids[0, 1:][inside])
    return out[0].detach(), loss, _gradients(model)


def _backward(logits: Any, ids: Any) -> float:
    """Sum over the tokens of a piece, divided by the count of all pieces."""
    loss = torch.nn.functional.cross_entropy(logits, ids, reduction="sum") / (sum(map(len, DOCUMENTS)) - 4)
    torch.autograd.backward(loss)
    return float(loss.detach())


def _gradients(model: Any) -> dict[str, Any]:
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("decoder", tiny.DECODERS)
def test_cached_generation_equals_a_loop_without_cache(decoder: str) -> None:
    model = tiny.bare(decoder, every=2)
    prompt, steps = torch.tensor(IDS), 12
    told = {"do_sample": False, "suppress_tokens": [3], "eos_token_id": None, "pad_token_id": 2}
    with torch.no_grad():
        cached = model.generate(input_ids=prompt, pixel_values=pictures(3), max_new_tokens=steps, **told)
        plain = model.generate(
            input_ids=prompt, pixel_values=pictures(3), max_new_tokens=steps, use_cache=False, **told
        )
    ids = prompt
    for _ in range(steps):
        last = logits(model, ids, pictures(3))[:, -1]
        last[:, 3] = -torch.inf
        ids = torch.cat([ids, last.argmax(-1, keepdim=True)], dim=1)
    assert torch.equal(cached, ids) and torch.equal(plain, ids)
    assert len({tuple(row) for row in ids[:, 6:].tolist()}) >= 2


def test_the_vision_encoder_runs_once_in_cached_generation() -> None:
    model = tiny.bare("llama")
    calls: list[int] = []
    model.vision_tower.register_forward_hook(lambda *_: calls.append(1))
    model.generate(input_ids=torch.tensor(IDS), pixel_values=pictures(3), max_new_tokens=5, eos_token_id=None)
    assert len(calls) == 1


@pytest.mark.parametrize("sampling", [{"num_beams": 3}, {"num_return_sequences": 2, "do_sample": True}])
def test_rows_that_are_multiplied_take_their_images_along(sampling: dict[str, Any]) -> None:
    model = tiny.bare("llama")
    told = {"max_new_tokens": 8, "eos_token_id": None, "suppress_tokens": [3], "pad_token_id": 2}
    found = {}
    for cache in (True, False):
        torch.manual_seed(0)
        found[cache] = model.generate(
            input_ids=torch.tensor(IDS), pixel_values=pictures(3), use_cache=cache, **told, **sampling
        )
    assert torch.equal(found[True], found[False])
    if "num_beams" in sampling:
        alone = [
            model.generate(input_ids=torch.tensor([ids]), pixel_values=own, **told, **sampling)
            for ids, own in ((IDS[0], pictures(3)[:2]), (IDS[1], pictures(3)[2:]))
        ]
        assert torch.equal(torch.cat(alone), found[True][:2])


def test_image_tokens_and_images_must_match() -> None:
    model = tiny.bare("llama")
    for pixels in (None, pictures(2), pictures(4)):
        with pytest.raises(ValueError, match="3 image tokens for"):
            logits(model, IDS, pixels)


def test_text_alone_takes_part_in_the_gradient_of_everything_that_is_tuned() -> None:
    model = tiny.bare("llama").train()
    model(input_ids=torch.tensor([IDS[2]])).logits.sum().backward()
    assert all(p.grad is not None for p in model.resampler.parameters())
    assert all(p.grad is not None for p in model.cross_attention.parameters())
    assert all(not p.grad.any() for p in model.resampler.parameters())
    text = logits(model.eval(), [IDS[2]])
    assert torch.equal(text, logits(model, IDS, pictures(3))[2:])


@pytest.mark.parametrize("decoder", ["llama", "opt", "mpt"])
def test_recomputed_activations_give_the_same_gradients(decoder: str) -> None:
    model = tiny.bare(decoder, every=2).train()
    found = []
    for recompute in (False, True):
        for layer in layers(model) if recompute else ():
            layer.forward = partial(checkpoint, layer.forward, use_reentrant=False)
        model.zero_grad()
        _square(model)
        found.append(_gradients(model))
    assert {type(layer).__name__ for layer in layers(model)} > {"GatedCrossAttention", "ResamplerLayer"}
    assert found[0].keys() == found[1].keys() and any("resampler" in n for n in found[0])
    assert all(torch.equal(found[0][n], found[1][n]) for n in found[0])


def test_the_switch_of_transformers_recomputes_too() -> None:
    model = tiny.bare("llama").train()
    _square(model)
    plain = _gradients(model)
    model.zero_grad()
    switch = getattr(model, "activation_checkpointing_enable", None)  # the name from transformers 5.23 on
    (switch or model.gradient_checkpointing_enable)()
    _square(model)
    assert all(torch.equal(plain[n], gradient) for n, gradient in _gradients(model).items())


def layers(model: Any) -> list[Any]:
    from transformers.modeling_layers import GradientCheckpointingLayer

    return [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)]


def _square(model: Any) -> None:
    out = model(input_ids=torch.tensor(IDS), pixel_values=pictures(3), use_cache=False)
    out.logits.square().sum().backward()


def test_a_copy_looks_at_its_own_blocks() -> None:
    model = tiny.bare("llama")
    twin = copy.deepcopy(model)
    before = logits(twin, IDS, pictures(3))
    tiny.open_gates(model, 0.0)
    assert torch.equal(before, logits(twin, IDS, pictures(3)))
    assert not torch.equal(before, logits(model, IDS, pictures(3)))


def test_a_decoder_called_alone_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="call the Flamingo model"):
        tiny.bare("llama").language_model(input_ids=torch.tensor(IDS))


def test_layers_that_cannot_be_told_are_an_error() -> None:
    from vlit.tune.models.flamingo_decoder import decoder_layers

    model = tiny.bare("llama").language_model
    model.more = torch.nn.ModuleList(torch.nn.Identity() for _ in range(4))
    with pytest.raises(ValueError, match=r"one list of 4 layers; found model\.layers, more"):
        decoder_layers(model)
    with pytest.raises(ValueError, match="cross_attention_every is 5, and the decoder has 4 layers"):
        tiny.bare("llama", every=5)
