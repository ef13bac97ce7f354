"""Checkpoints of OpenFlamingo: every name and shape finds its place, and the maths is that of the blocks there.

The reference is written on the published definition alone, over the names of the checkpoint. All in float64.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.assess.encoders.tiny import clip, llama
from tests.tune import tiny_flamingo as tiny
from vlit.data.errors import VlitError
from vlit.tune.config import ModelConfig
from vlit.tune.models.flamingo import Flamingo
from vlit.tune.models.open_flamingo import read_open_flamingo

if TYPE_CHECKING:
    import torch
else:
    torch = pytest.importorskip("torch")

Weights = dict[str, Any]
HEADS, HEAD, WIDTH, VISION, LATENTS, TOKENS = 2, 8, 32, 16, 4, 261


def attention(prefix: str, width: int, told: int, norms: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    inner = HEADS * HEAD
    shapes: dict[str, tuple[int, ...]] = {
        f"{prefix}.{n}.{leaf}": (width,) for n in norms for leaf in ("weight", "bias")
    }
    shapes[f"{prefix}.to_q.weight"] = (inner, width)
    shapes[f"{prefix}.to_kv.weight"] = (2 * inner, told)
    shapes[f"{prefix}.to_out.weight"] = (width, inner)
    return shapes


def feed_forward(prefix: str, width: int) -> dict[str, tuple[int, ...]]:
    return {
        f"{prefix}.0.weight": (width,),
        f"{prefix}.0.bias": (width,),
        f"{prefix}.1.weight": (2 * width, width),
        f"{prefix}.3.weight": (width, 2 * width),
    }


def published(blocks: str = "lang_encoder.model.layers.{}.gated_cross_attn_layer", every: int = 1) -> Weights:
    """Names and shapes of a checkpoint over two layers of Llama, at random."""
    shapes: dict[str, tuple[int, ...]] = {"perceiver.latents": (LATENTS, VISION)}
    for layer in range(2):
        shapes |= attention(f"perceiver.layers.{layer}.0", VISION, VISION, ("norm_media", "norm_latents"))
        shapes |= feed_forward(f"perceiver.layers.{layer}.1", VISION)
    shapes |= {"perceiver.norm.weight": (VISION,), "perceiver.norm.bias": (VISION,)}
    for layer in range(every - 1, 2, every):
        name = blocks.format(layer)
        shapes |= {f"{name}.attn_gate": (1,), f"{name}.ff_gate": (1,)}
        shapes |= attention(f"{name}.attn", WIDTH, VISION, ("norm",))
        shapes |= feed_forward(f"{name}.ff", WIDTH)
    shapes["lang_encoder.model.embed_tokens.weight"] = (TOKENS, WIDTH)
    draw = torch.Generator().manual_seed(0)
    return {name: 0.5 * torch.randn(shape, generator=draw) for name, shape in shapes.items()}


def norm(weights: Weights, name: str, x: Any) -> Any:
    centred = x - x.mean(-1, keepdim=True)
    spread = (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    return centred / spread * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def attended(weights: Weights, name: str, asking: Any, told: Any) -> Any:
    """One image: (n, width) and (m, width)."""
    q = asking @ weights[f"{name}.to_q.weight"].T
    k, v = (told @ weights[f"{name}.to_kv.weight"].T).chunk(2, -1)
    heads = []
    for h in range(HEADS):
        own = slice(h * HEAD, (h + 1) * HEAD)
        heads.append(torch.softmax(q[:, own] @ k[:, own].T * HEAD**-0.5, -1) @ v[:, own])
    return torch.cat(heads, -1) @ weights[f"{name}.to_out.weight"].T


def fed(weights: Weights, name: str, x: Any) -> Any:
    inner = norm(weights, f"{name}.0", x) @ weights[f"{name}.1.weight"].T
    return 0.5 * inner * (1 + torch.erf(inner / 2**0.5)) @ weights[f"{name}.3.weight"].T


def perceiver(weights: Weights, features: Any) -> Any:
    latents = weights["perceiver.latents"]
    for layer in range(2):
        name = f"perceiver.layers.{layer}.0"
        asking = norm(weights, f"{name}.norm_latents", latents)
        told = torch.cat([norm(weights, f"{name}.norm_media", features), asking])
        latents = latents + attended(weights, name, asking, told)
        latents = latents + fed(weights, f"perceiver.layers.{layer}.1", latents)
    return norm(weights, "perceiver.norm", latents)


def gated(weights: Weights, name: str, x: Any, media: Any, image: list[int]) -> Any:
    """``image`` says for each token which of the images it attends to; -1: none."""
    asking = norm(weights, f"{name}.attn.norm", x)
    rows = []
    for token, number in enumerate(image):
        one = asking[token : token + 1]
        rows.append(attended(weights, f"{name}.attn", one, media[number]) if number >= 0 else 0 * one)
    x = x + torch.cat(rows) * weights[f"{name}.attn_gate"].tanh()
    return x + fed(weights, f"{name}.ff", x) * weights[f"{name}.ff_gate"].tanh()


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    clip(tmp_path / "clip")
    llama(tmp_path / "llama")
    return tmp_path


def assembled(parts: Path, **connector: Any) -> Flamingo:
    names = {"vision": str(parts / "clip"), "llm": str(parts / "llama")}
    return Flamingo.assemble(
        ModelConfig(architecture="flamingo", connector={**tiny.RESAMPLER, **connector}, **names)
    )


def test_the_blocks_compute_what_the_published_ones_define(parts: Path) -> None:
    weights = published()
    torch.save(weights, parts / "checkpoint.pt")
    model = assembled(parts, weights=str(parts)).model.double()
    weights = {name: weight.double() for name, weight in weights.items()}
    draw = torch.Generator().manual_seed(1)
    features = torch.randn(3, 4, VISION, generator=draw, dtype=torch.float64)
    x = torch.randn(2, 6, WIDTH, generator=draw, dtype=torch.float64)
    ids = torch.tensor([[5, 3, 9, 3, 7, 8], [5, 6, 3, 9, 7, 8]])
    with torch.no_grad():
        latents = model.resampler(features)
        expected = torch.stack([perceiver(weights, one) for one in features])
        assert (latents - expected).abs().max() < 1e-12
        model.latents = lambda pixels: latents  # in place of the vision encoder
        seen = model._seen(ids, features)
        for layer in range(2):
            name = f"lang_encoder.model.layers.{layer}.gated_cross_attn_layer"
            found = model.cross_attention[layer](x, *seen)
            first = gated(weights, name, x[0], expected, [-1, 0, 0, 1, 1, 1])
            second = gated(weights, name, x[1], expected, [-1, -1, 2, 2, 2, 2])
            assert (found - torch.stack([first, second])).abs().max() < 1e-12


def test_embeddings_come_with_their_new_rows_and_tables_are_left(parts: Path) -> None:
    weights = published()
    tables = {
        "vision_encoder.positional_embedding": torch.ones(77, 8),
        "lang_encoder.model.layers.0.decoder_layer.self_attn.rotary_emb.inv_freq": torch.ones(4),
        "lang_encoder.model.layers.0.decoder_layer.attention.bias": torch.ones(1, 1, 8, 8),
    }
    torch.save({**weights, **tables}, parts / "checkpoint.pt")
    model = assembled(parts, weights=str(parts / "checkpoint.pt"))
    assert torch.equal(
        model.model.get_input_embeddings().weight[:TOKENS], weights["lang_encoder.model.embed_tokens.weight"]
    )


@pytest.mark.parametrize(
    "form",
    ["lang_encoder.gated_cross_attn_layers.{}", "module.lang_encoder.model.layers.{}.gated_cross_attn_layer"],
)
def test_older_names_and_wrapped_ones_are_the_same_weights(parts: Path, form: str) -> None:
    models = []
    for blocks in ("lang_encoder.model.layers.{}.gated_cross_attn_layer", form):
        content = {"epoch": 3, "model_state_dict": published(blocks, every=2)}
        torch.save(content, parts / "checkpoint.pt")
        models.append(assembled(parts, cross_attention_every=2, weights=str(parts)).model.state_dict())
    assert all(torch.equal(models[0][name], models[1][name]) for name in models[0] if "language" not in name)


def without(weights: Weights, *names: str) -> Weights:
    return {name: weight for name, weight in weights.items() if name not in names}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda w: without(w, "perceiver.latents"), "lacks 1 weights, such as resampler.latents"),
        (
            lambda w: without(w, "lang_encoder.model.embed_tokens.weight"),
            "lacks 1 weights, such as language_model",
        ),
        (
            lambda w: {**w, "perceiver.frame_embs": torch.zeros(1, 16)},
            "no place in this model: perceiver.frame",
        ),
        (lambda w: {**w, "perceiver.norm.weight": torch.zeros(24)}, r"norm.weight is \(24,\) .*\(16,\) here"),
        (
            lambda w: {**w, "lang_encoder.model.embed_tokens.weight": torch.zeros(263, 32)},
            r"\(263, 32\) in the checkpoint, and \(261, 32\) here",
        ),
        (
            lambda w: {**w, "lang_encoder.gated_cross_attn_layers.0.attn_gate": torch.ones(1)},
            "two weights for cross_attention.0.gate",
        ),
    ],
)
def test_what_does_not_fit_says_so_and_changes_nothing(parts: Path, change: Any, said: str) -> None:
    model = assembled(parts)
    before = {name: weight.clone() for name, weight in model.model.state_dict().items()}
    torch.save(change(published()), parts / "checkpoint.pt")
    with pytest.raises(VlitError, match=said):
        read_open_flamingo(model, str(parts))
    assert all(torch.equal(before[name], weight) for name, weight in model.model.state_dict().items())


def test_blocks_at_other_layers_say_how_often_the_decoder_looks(parts: Path) -> None:
    torch.save(published(), parts / "checkpoint.pt")
    with pytest.raises(VlitError, match="before layer 0, and the model looks every 2 layers") as error:
        assembled(parts, cross_attention_every=2, weights=str(parts))
    assert "cross_attention_every" in str(error.value)


def test_a_file_that_is_no_checkpoint_says_so(parts: Path) -> None:
    (parts / "checkpoint.pt").write_bytes(b"none of it")
    with pytest.raises(VlitError, match="this is no file of weights"):
        assembled(parts, weights=str(parts))
    with pytest.raises(VlitError):
        assembled(parts, weights=str(parts / "elsewhere.pt"))
