"""BLIP-2: assembled from parts, equal to the stock class, packed exactly, saved as a standard checkpoint."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.assess.encoders.tiny import bert, clip
from tests.tune import fresh, tiny_blip2
from tests.tune.tiny_blip2 import CONNECTOR, QUERIES, example
from vlit.data.errors import VlitError
from vlit.tune.answer import answers
from vlit.tune.collate import collate
from vlit.tune.config import ModelConfig
from vlit.tune.example import Batch, Example
from vlit.tune.loss import count, summed
from vlit.tune.models.blip2 import Blip2
from vlit.tune.models.registry import architecture_of, load_model, open_model
from vlit.tune.trainable import checkpoint_activations

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("blip2")


@pytest.fixture(scope="module")
def opt(folder: Path) -> Blip2:
    return tiny_blip2.blip2(folder, "opt")


@pytest.fixture(scope="module")
def t5(folder: Path) -> Blip2:
    return tiny_blip2.blip2(folder, "t5")


def samples(model: Blip2) -> list[Example]:
    """One image, two images, text alone."""
    return [
        example(model, "what is it? ", "a dog", ["a"]),
        example(model, "and these? ", "two cats and", ["b", "c"]),
        example(model, "no picture. ", "none"),
    ]


def batched(model: Blip2, rows: Sequence[Sequence[Example]]) -> Batch:
    return collate(rows, model, tiny_blip2.pixels(model, [e for row in rows for e in row]))


def dense(batch: Batch) -> Any:
    """Each token sees the earlier ones of its own document: written out, as 0 and minus infinity."""
    n = batch.ids.shape[1]
    seen = (batch.documents[:, :, None] == batch.documents[:, None, :]) & torch.ones(n, n).tril().bool()
    return torch.where(seen, 0.0, torch.finfo(torch.float32).min)[:, None]


def ones(batch: Batch) -> Any:
    return (batch.documents > 0).long()


def stock(model: Blip2, batch: Batch) -> Any:
    """Logits of the model's own forward pass."""
    labels = {"labels": batch.labels} if model.seq2seq else {}
    with torch.no_grad():
        return model.model(**model.inputs(batch), attention_mask=ones(batch), **labels).logits


def ours(model: Blip2, batch: Batch) -> Any:
    with torch.no_grad():
        return model.head(model.hidden(batch, ones(batch)))


@pytest.mark.parametrize("llm", ["opt", "t5", "flan", "llama"])
def test_head_of_hidden_is_what_the_stock_class_says(llm: str, folder: Path, tmp_path: Path) -> None:
    if llm == "flan":
        tiny_blip2.t5(tmp_path / "t5", scaled=False)
    model = tiny_blip2.blip2(tmp_path if llm == "flan" else folder, "t5" if llm == "flan" else llm)
    batch = batched(model, [[e] for e in samples(model)])
    where = torch.ones_like(batch.labels).bool() if model.seq2seq else batch.documents > 0
    expected = stock(model, batch)[where]
    assert expected.std() > 0.05
    torch.testing.assert_close(ours(model, batch)[where], expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_documents_of_a_row_are_as_if_alone(attention: str, opt: Blip2) -> None:
    opt.decoder.set_attn_implementation(attention)
    documents = samples(opt)
    tuned = [p for n, p in opt.model.named_parameters() if opt.part_of(n) != "vision"]

    def measured(rows: list[list[Example]]) -> tuple[list[Any], float, list[Any]]:
        logits, loss = [], torch.zeros(())
        for row in rows:
            batch = batched(opt, [row])
            hidden = opt.hidden(batch, dense(batch))
            logits += list(opt.head(hidden)[0].detach().split([len(e.ids) for e in row]))
            loss = loss + summed(hidden, batch, opt.head, seq2seq=False)
        loss = loss / sum(count(batched(opt, [row]), seq2seq=False) for row in rows)
        gradients = torch.autograd.grad(loss, tuned, materialize_grads=True)
        return logits, float(loss.detach()), list(gradients)

    packed, apart = measured([documents]), measured([[e] for e in documents])
    assert max(float((a - b).abs().max()) for a, b in zip(packed[0], apart[0], strict=True)) < 1e-5
    assert abs(packed[1] - apart[1]) < 1e-5
    assert max(float(g.abs().max()) for g in apart[2]) > 0.1
    opt.decoder.set_attn_implementation("sdpa")


def test_a_4d_mask_of_any_shape_reaches_the_attention_untouched(opt: Blip2) -> None:
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.integrations.sdpa_attention import sdpa_attention_forward
    from transformers.masking_utils import sdpa_mask

    met: list[Any] = []

    def watching(module: Any, query: Any, key: Any, value: Any, attention_mask: Any, **rest: Any) -> Any:
        met.append(attention_mask)
        return sdpa_attention_forward(module, query, key, value, None, **rest)

    AttentionInterface.register("watching", watching)
    AttentionMaskInterface.register("watching", sdpa_mask)
    opt.decoder.set_attn_implementation("watching")
    borders = torch.tensor([7, 9, 0], dtype=torch.int32)[None, None, None]
    batch = batched(opt, [samples(opt)])
    with torch.no_grad():
        opt.hidden(batch, borders)
    opt.decoder.set_attn_implementation("sdpa")
    assert len(met) == opt.decoder.config.num_hidden_layers
    assert all(mask is borders for mask in met)


def prompts(model: Blip2, folder: Path) -> list[Example]:
    """Eight of unequal length, with pictures on disk: none, one, two."""
    texts = ["a?", "and what of this one then? ", "b", "how many? ", "so", "which colour? ", "eh", "q"]
    shown = [["a"], ["b", "c"], [], ["d"], ["e"], [], ["f", "a"], ["g"]]
    asked = [
        example(model, text, "", [str(tiny_blip2.photo(folder, name)) for name in names])
        for text, names in zip(texts, shown, strict=True)
    ]
    return asked if model.seq2seq else [replace(e, ids=e.ids[:-1], labels=e.labels[:-1]) for e in asked]


@pytest.mark.parametrize("llm", ["opt", "t5"])
def test_one_prompt_and_eight_get_the_same_answers(
    llm: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    model: Blip2 = request.getfixturevalue(llm)
    asked = prompts(model, tmp_path)
    together = answers(model, asked, batch=8, max_new_tokens=12)
    assert together == answers(model, asked, batch=1, max_new_tokens=12)
    assert len(set(together)) > 1


def test_images_belong_to_their_slots_and_text_alone_needs_none(opt: Blip2) -> None:
    one, two, text = samples(opt)
    alone = [ours(opt, batched(opt, [[e]]))[0] for e in (one, two, text)]
    together = ours(opt, batched(opt, [[text], [two], [one]]))
    for row, expected in zip(together, (alone[2], alone[1], alone[0]), strict=True):
        torch.testing.assert_close(row[: len(expected)], expected, atol=1e-5, rtol=1e-5)
    swapped = ours(opt, batched(opt, [[replace(two, images=two.images[::-1])]]))[0]
    assert (swapped - alone[1]).abs().max() > 1e-3


def test_text_alone_is_what_the_language_model_says(opt: Blip2, folder: Path) -> None:
    import transformers

    llm = transformers.AutoModelForCausalLM.from_pretrained(folder / "opt")
    batch = batched(opt, [[samples(opt)[2]]])
    assert torch.equal(ours(opt, batch), llm(batch.ids).logits)
    assert torch.equal(stock(opt, batch), llm(batch.ids).logits)


def test_frozen_language_model_lets_gradients_through_under_checkpointing(folder: Path) -> None:
    model = tiny_blip2.blip2(folder, "opt")
    model.model.requires_grad_(False)
    tuned = {
        n: p.requires_grad_() for n, p in model.model.named_parameters() if model.part_of(n) == "connector"
    }
    batch = batched(model, [samples(model)])

    def gradients() -> list[Any]:
        loss = summed(model.hidden(batch, dense(batch)), batch, model.head, seq2seq=False)
        return list(torch.autograd.grad(loss, list(tuned.values())))

    plain = gradients()
    assert {n.split(".")[0] for n in tuned} == {"query_tokens", "qformer", "language_projection"}
    # Adding to all keys changes no attention, so their biases have no gradient.
    flat = {n for n, g in zip(tuned, plain, strict=True) if g.abs().max() < 1e-6}
    assert all(n.endswith("key.bias") for n in flat)
    checkpoint_activations(model)
    for a, b in zip(gradients(), plain, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


def test_every_parameter_belongs_to_one_part(opt: Blip2, t5: Blip2) -> None:
    for model in (opt, t5):
        parts = {name: model.part_of(name) for name, _ in model.model.named_parameters()}
        assert set(parts.values()) == {"vision", "connector", "llm"}
        assert parts["query_tokens"] == "connector"


def test_what_is_saved_loads_in_a_fresh_process_with_equal_logits(
    opt: Blip2, t5: Blip2, tmp_path: Path
) -> None:
    bold = tiny_blip2.instructblip(tmp_path / "parts", "llama")
    asked, here = [], []
    for name, model in (("opt", opt), ("t5", t5), ("instructblip", bold)):
        model.save(tmp_path / name)
        batch = batched(model, [[samples(model)[1]]])
        given = model.inputs(batch) | ({"labels": batch.labels} if model.seq2seq else {})
        asked.append(fresh.Saved(tmp_path / name, given))
        here.append(stock(model, batch).numpy())
        assert architecture_of(str(tmp_path / name)) == model.name
        again = load_model(str(tmp_path / name))
        assert torch.equal(ours(again, batch), ours(model, batch))  # type: ignore[arg-type]
        assert again.tokenizer.chat_template == model.tokenizer.chat_template
    for there, expected in zip(fresh.logits(*asked), here, strict=True):
        assert np.array_equal(there, expected)


def test_without_weights_slots_and_pixels_are_the_same(opt: Blip2, folder: Path, tmp_path: Path) -> None:
    opt.save(tmp_path)
    parts = ModelConfig(
        architecture="blip2", vision=str(folder / "vision"), llm=str(folder / "opt"), connector=CONNECTOR
    )
    for light in (load_model(str(tmp_path), weights=False), open_model(parts, folder, weights=False)):
        assert {p.device.type for p in light.model.parameters()} == {"meta"}
        made = [example(model, "what? ", "a dog", ["a"]) for model in (light, opt)]
        assert np.array_equal(made[0].ids, made[1].ids)
        assert list(made[0].ids[:QUERIES]) == [opt.model.config.image_token_index] * QUERIES


def assembled(folder: Path, vision: Path, **connector: Any) -> Blip2:
    parts = {"vision": str(vision), "llm": str(folder / "opt"), "connector": CONNECTOR | connector}
    found = open_model(ModelConfig(architecture="blip2", **parts), folder)
    assert isinstance(found, Blip2)
    return found


def test_the_vision_encoder_computes_what_it_did(opt: Blip2, folder: Path, tmp_path: Path) -> None:
    import transformers

    opt.save(tmp_path / "whole")
    sources = {
        folder / "vision": transformers.Blip2VisionModel.from_pretrained(folder / "vision"),
        tmp_path / "whole": opt.model.vision_model,
        tiny_blip2.vit(tmp_path / "vit"): transformers.ViTForImageClassification.from_pretrained(
            tmp_path / "vit"
        ).vit,
    }
    picture = next(iter(tiny_blip2.pixels(opt, samples(opt)).values()))
    for source, original in sources.items():
        model = assembled(folder, source)
        with torch.no_grad():
            expected = original.eval()(**picture).last_hidden_state
            torch.testing.assert_close(
                model.model.vision_model(**picture).last_hidden_state, expected, atol=1e-5, rtol=1e-5
            )


@pytest.mark.parametrize("kind", ["CLIP", "Siglip"])
def test_vision_encoders_of_another_build_are_refused(
    kind: str, opt: Blip2, folder: Path, tmp_path: Path
) -> None:
    clip(tmp_path, kind)
    with pytest.raises(
        VlitError, match=r"cannot hold a (clip|siglip)_vision_model: (CLIP normalises|SigLIP has)"
    ):
        assembled(folder, tmp_path)


def test_a_new_qformer_starts_from_bert(opt: Blip2, folder: Path, tmp_path: Path) -> None:
    import transformers

    parts = {"vision": str(folder / "vision"), "llm": str(folder / "opt")}
    connector = {"queries": 5, "qformer": str(bert(tmp_path))}
    model = open_model(ModelConfig(architecture="blip2", connector=connector, **parts), folder)
    found = model.model.qformer.state_dict()
    source = transformers.BertModel.from_pretrained(tmp_path).state_dict()
    for here, there in (
        ("layernorm.weight", "embeddings.LayerNorm.weight"),
        ("encoder.layer.1.attention.attention.query.weight", "encoder.layer.1.attention.self.query.weight"),
        ("encoder.layer.1.attention.output.dense.bias", "encoder.layer.1.attention.output.dense.bias"),
        ("encoder.layer.0.intermediate_query.dense.weight", "encoder.layer.0.intermediate.dense.weight"),
        ("encoder.layer.0.output_query.LayerNorm.weight", "encoder.layer.0.output.LayerNorm.weight"),
    ):
        assert torch.equal(found[here], source[there])
    assert "encoder.layer.0.crossattention.attention.key.weight" in found
    assert "encoder.layer.1.crossattention.attention.key.weight" not in found
    queries = model.model.query_tokens[0]
    assert len(queries) == 5
    assert torch.pdist(queries.detach()).min() > 0.01  # equal ones would get equal gradients for ever


def test_a_qformer_is_taken_from_another_blip2(opt: Blip2, folder: Path, tmp_path: Path) -> None:
    opt.save(tmp_path)
    parts = {"vision": str(folder / "vision"), "llm": str(folder / "t5")}
    model = open_model(ModelConfig(architecture="blip2", connector={"qformer": str(tmp_path)}, **parts), folder)
    assert torch.equal(model.model.query_tokens, opt.model.query_tokens)
    for name, weights in opt.model.qformer.state_dict().items():
        assert torch.equal(model.model.qformer.state_dict()[name], weights)


@pytest.mark.parametrize(
    ("connector", "said_so"),
    [
        ({"quieres": 3}, "did you mean 'queries'"),
        ({"heads": 5}, "hidden: 32 is no multiple of heads: 5"),
        ({"queries": 0}, "queries"),
        ({"qformer": "bert"}, "hidden and heads come with the weights"),
        ({"qformer": "opt"}, "cannot start from a model of type opt"),
    ],
)
def test_connectors_that_cannot_be_are_refused(
    connector: dict[str, Any], said_so: str, opt: Blip2, folder: Path
) -> None:
    if "qformer" in connector:
        bert(folder / "bert")
        connector = {"qformer": str(folder / connector["qformer"])}
    with pytest.raises(VlitError, match=said_so):
        assembled(folder, folder / "vision", **connector)


def rewritten(file: Path, **values: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def test_a_checkpoint_from_before_image_tokens_gets_one(opt: Blip2, tmp_path: Path) -> None:
    opt.save(tmp_path)
    rewritten(tmp_path / "config.json", image_token_index=None)
    tokenizer = tmp_path / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text().replace('"<image>"', '"<picture>"'))
    rewritten(tmp_path / "processor_config.json", num_query_tokens=None)
    model = load_model(str(tmp_path))
    known = len(opt.tokenizer)
    assert list(model.slot(samples(opt)[0].images[0])) == [known] * QUERIES
    assert model.model.get_input_embeddings().num_embeddings == known + 1
    assert list(load_model(str(tmp_path), weights=False).slot(samples(opt)[0].images[0])) == [known] * QUERIES
    model.save(tmp_path / "new")
    again = load_model(str(tmp_path / "new"))
    batch = batched(again, [[samples(again)[0]]])  # type: ignore[arg-type]
    assert torch.equal(again.hidden(batch, ones(batch)), model.hidden(batch, ones(batch)))


def test_a_checkpoint_that_does_not_fit_together_is_refused(opt: Blip2, tmp_path: Path) -> None:
    import transformers

    opt.save(tmp_path / "other")
    rewritten(tmp_path / "other" / "config.json", image_token_index=7)
    with pytest.raises(VlitError, match=r"<image> is token 3 of the tokenizer, and 7 in the"):
        load_model(str(tmp_path / "other"))
    opt.save(tmp_path / "matching")
    matching = transformers.Blip2ForImageTextRetrieval(
        transformers.Blip2Config(
            vision_config=opt.model.config.vision_config,
            qformer_config=opt.model.config.qformer_config.to_dict() | {"use_qformer_text_input": True},
            text_config=opt.model.config.text_config,
            num_query_tokens=QUERIES,
            image_token_index=3,
        )
    )
    matching.save_pretrained(tmp_path / "matching")
    with pytest.raises(VlitError, match=r"weights are not in this checkpoint, such as language_model"):
        load_model(str(tmp_path / "matching"))


def test_language_models_that_do_not_fit_are_refused(folder: Path, tmp_path: Path) -> None:
    import transformers

    from tests.teacher.tiny import byte_tokenizer

    narrow = transformers.OPTConfig(
        vocab_size=260, hidden_size=32, word_embed_proj_dim=16, ffn_dim=64, num_hidden_layers=1,
        num_attention_heads=2,
    )  # fmt: skip
    bart = transformers.BartConfig(
        vocab_size=260, d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16,
    )  # fmt: skip
    for name, llm, why in (
        ("narrow", transformers.OPTForCausalLM(narrow), "width 16 and its layers 32"),
        ("bart", transformers.BartForConditionalGeneration(bart), "T5 alone, and this is bart"),
    ):
        llm.save_pretrained(tmp_path / name)
        byte_tokenizer().save_pretrained(tmp_path / name)
        parts = {"vision": str(folder / "vision"), "llm": str(tmp_path / name), "connector": CONNECTOR}
        with pytest.raises(VlitError, match=why):
            open_model(ModelConfig(architecture="blip2", **parts), folder)
