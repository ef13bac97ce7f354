"""InstructBLIP: the Q-Former reads the instruction of its image, and nothing else changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.assess.encoders.tiny import bert
from tests.tune import tiny_blip2
from tests.tune.models.test_blip2 import batched, dense, ones, ours, prompts, samples, stock
from tests.tune.tiny_blip2 import QUERIES, example
from vlit.data.errors import VlitError
from vlit.tune.answer import answers
from vlit.tune.chat.encode import Encoder
from vlit.tune.chat.template import Template
from vlit.tune.config import ModelConfig
from vlit.tune.loss import summed
from vlit.tune.models.instructblip import LONGEST, InstructBlip
from vlit.tune.models.registry import load_model, open_model

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("instructblip")


@pytest.fixture(scope="module")
def model(folder: Path) -> InstructBlip:
    found = tiny_blip2.instructblip(folder, "llama")
    assert isinstance(found, InstructBlip)
    return found


@pytest.mark.parametrize("llm", ["llama", "opt", "t5"])
def test_head_of_hidden_is_what_the_stock_class_says(llm: str, folder: Path) -> None:
    found = tiny_blip2.instructblip(folder, llm)
    batch = batched(found, [[e] for e in samples(found)])
    where = torch.ones_like(batch.labels).bool() if found.seq2seq else batch.documents > 0
    torch.testing.assert_close(ours(found, batch)[where], stock(found, batch)[where], atol=1e-5, rtol=1e-5)


def test_an_image_is_seen_in_the_light_of_its_own_instruction(model: InstructBlip) -> None:
    one, two, text = samples(model)
    batch = batched(model, [[one, two, text]])
    told = batch.instructions["qformer_input_ids"]
    assert (
        told.tolist() == model.instruct([e.instruction for e in (one, two, two)])["qformer_input_ids"].tolist()
    )
    other = ours(model, batched(model, [[replace(one, instruction="count the dogs")]]))
    assert (other - ours(model, batched(model, [[one]]))).abs().max() > 1e-3


def test_documents_of_a_row_are_as_if_alone(model: InstructBlip) -> None:
    documents = samples(model)
    whole = batched(model, [documents])
    with torch.no_grad():
        packed = torch.split(model.hidden(whole, dense(whole))[0], [len(e.ids) for e in documents])
        for found, document in zip(packed, documents, strict=True):
            alone = batched(model, [[document]])
            torch.testing.assert_close(found, model.hidden(alone, dense(alone))[0], atol=1e-5, rtol=1e-5)


def test_a_long_instruction_loses_its_beginning(model: InstructBlip) -> None:
    longest = min(LONGEST, model.model.config.qformer_config.max_position_embeddings)
    long = " ".join(["dog"] * 200) + " cat"
    found = model.instruct([long, "a"])
    assert found["qformer_input_ids"].shape == (2, longest)
    reader = model.processor.qformer_tokenizer
    assert reader.decode(found["qformer_input_ids"][0], skip_special_tokens=True).endswith("dog cat")
    assert found["qformer_attention_mask"].sum(1).tolist() == [longest, 3]


def test_one_prompt_and_eight_get_the_same_answers(model: InstructBlip, tmp_path: Path) -> None:
    asked = prompts(model, tmp_path)
    together = answers(model, asked, batch=8, max_new_tokens=12)
    assert together == answers(model, asked, batch=1, max_new_tokens=12)
    assert len(set(together)) > 1


def test_text_alone_is_answered_as_by_the_language_model(model: InstructBlip, tmp_path: Path) -> None:
    batch = batched(model, [[prompts(model, tmp_path)[2]]])
    given = model.inputs(batch)
    assert given["pixel_values"].shape[0] == given["qformer_input_ids"].shape[0] == 1
    settings = {"attention_mask": ones(batch), "max_new_tokens": 3, "do_sample": False}
    expected = model.model.language_model.generate(batch.ids, **settings)
    assert torch.equal(model.model.generate(**given, **settings), expected)


def test_gradients_reach_what_reads_the_instruction(model: InstructBlip) -> None:
    batch = batched(model, [samples(model)])
    loss = summed(model.hidden(batch, ones(batch)), batch, model.head, seq2seq=False)
    words = model.model.qformer.embeddings.word_embeddings.weight
    assert model.part_of("qformer.embeddings.word_embeddings.weight") == "connector"
    (gradient,) = torch.autograd.grad(loss, words)
    assert gradient.abs().max() > 1e-4


def test_a_qformer_is_taken_from_another_with_its_tokenizer(
    model: InstructBlip, folder: Path, tmp_path: Path
) -> None:
    model.save(tmp_path)
    parts = {"vision": str(folder / "vision"), "llm": str(folder / "llama")}
    found = open_model(
        ModelConfig(architecture="instructblip", connector={"qformer": str(tmp_path)}, **parts), folder
    )
    for name, weights in model.model.qformer.state_dict().items():
        assert torch.equal(found.model.qformer.state_dict()[name], weights)
    assert isinstance(found, InstructBlip)
    assert torch.equal(
        found.instruct(["a red dog"])["qformer_input_ids"], model.instruct(["a red dog"])["qformer_input_ids"]
    )


@pytest.mark.parametrize("architecture", ["blip2", "instructblip"])
def test_a_qformer_is_taken_from_image_text_matching(architecture: str, folder: Path, tmp_path: Path) -> None:
    import transformers

    bert(tmp_path)  # its tokenizer; the model is written over
    inner = transformers.BertConfig.from_pretrained(tmp_path)
    torch.manual_seed(0)
    source = transformers.Blip2ForImageTextRetrieval(
        transformers.Blip2Config(
            vision_config=transformers.Blip2VisionConfig.from_pretrained(folder / "vision"),
            qformer_config={**inner.to_dict(), "model_type": "blip_2_qformer", "use_qformer_text_input": True},
            num_query_tokens=QUERIES,
        )
    )
    torch.nn.init.normal_(source.query_tokens)
    source.save_pretrained(tmp_path)
    parts = {"vision": str(folder / "vision"), "llm": str(folder / "llama")}
    found = open_model(
        ModelConfig(architecture=architecture, connector={"qformer": str(tmp_path)}, **parts), folder
    )
    assert torch.equal(found.model.query_tokens, source.query_tokens)
    here, there = found.model.qformer, source.qformer
    assert torch.equal(
        here.encoder.layer[0].crossattention.attention.key.weight,
        there.encoder.layer[0].crossattention.attention.key.weight,
    )
    own = here.embeddings.layernorm if architecture == "instructblip" else here.layernorm
    assert torch.equal(own.weight, there.layernorm.weight)
    if architecture == "instructblip":
        assert torch.equal(here.embeddings.word_embeddings.weight, source.embeddings.word_embeddings.weight)
        assert torch.equal(
            here.encoder.layer[1].intermediate.dense.weight, there.encoder.layer[1].intermediate.dense.weight
        )


def test_a_qformer_without_words_is_refused(folder: Path, tmp_path: Path) -> None:
    parts = {"vision": str(folder / "vision"), "llm": str(folder / "llama")}
    with pytest.raises(VlitError, match="there is no tokenizer for it"):
        open_model(ModelConfig(architecture="instructblip", **parts), folder)
    tiny_blip2.blip2(folder, "opt").save(tmp_path)
    with pytest.raises(VlitError, match=r"no embeddings\.word_embeddings\.weight"):
        open_model(
            ModelConfig(architecture="instructblip", connector={"qformer": str(tmp_path)}, **parts), folder
        )


def test_without_weights_slots_and_instructions_are_the_same(model: InstructBlip, tmp_path: Path) -> None:
    model.save(tmp_path)
    light = load_model(str(tmp_path), weights=False)
    assert isinstance(light, InstructBlip)
    assert {p.device.type for p in light.model.parameters()} == {"meta"}
    assert list(light.slot(example(light, "", "", ["a"]).images[0])) == [3] * QUERIES
    assert (
        light.instruct(["a dog"])["qformer_input_ids"].tolist()
        == model.instruct(["a dog"])["qformer_input_ids"].tolist()
    )


def test_it_is_said_that_servers_give_the_q_former_more_than_training_does(tmp_path: Path) -> None:
    told = {}
    for name, made in (("here", tiny_blip2.instructblip), ("plain", tiny_blip2.blip2)):
        model = made(tmp_path / name)
        found = Encoder(model, Template.of(model.tokenizer, "blip2"), max_length=64)
        told[name] = any("Q-Former reads the first question alone" in remark for remark in found.remarks)
    assert told == {"here": True, "plain": False}
