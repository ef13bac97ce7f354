from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.tune.packed import documents
from tests.tune.tiny import llava
from vlit.data.scene import Image
from vlit.tune.attention import mask, set_attention
from vlit.tune.collate import BLANK, blank, collate, idle, stacked
from vlit.tune.example import IGNORE, Example
from vlit.tune.loss import summed
from vlit.tune.models.architecture import Architecture


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Architecture:
    return llava(tmp_path_factory.mktemp("model"))


class Like:
    """An architecture with other habits and the same tokenizer."""

    packs = False

    def __init__(self, model: Architecture, *, seq2seq: bool = False) -> None:
        self.tokenizer, self.slot, self.pixels = model.tokenizer, model.slot, model.pixels
        self.seq2seq = seq2seq
        self.told: list[str] = []

    def instruct(self, texts: list[str]) -> dict[str, torch.Tensor]:
        self.told = list(texts)
        return {"qformer_input_ids": torch.arange(len(texts))[:, None]}


def example(ids: list[int], labels: list[int] | None = None, name: str = "e", **more: Any) -> Example:
    labels = [IGNORE] * len(ids) if labels is None else labels
    return Example(id=name, ids=np.array(ids, np.int32), labels=np.array(labels, np.int32), **more)


def test_rows_by_hand(model: Architecture) -> None:
    rows = [
        [example([0, 7, 8], [0, IGNORE, 8], "a"), example([9, 6], [9, 6], "b")],
        [example([0, 5, 4], [IGNORE, 5, 4], "c")],
    ]
    found = collate(rows, model, {})
    pad = model.tokenizer.pad_token_id
    assert found.ids.tolist() == [[0, 7, 8, 9, 6], [0, 5, 4, pad, pad]]
    assert found.labels.tolist() == [
        [IGNORE, IGNORE, 8, IGNORE, 6],
        [IGNORE, 5, 4, IGNORE, IGNORE],
    ]
    assert found.positions.tolist() == [[0, 1, 2, 0, 1], [0, 1, 2, 0, 0]]
    assert found.documents.tolist() == [[1, 1, 1, 2, 2], [1, 1, 1, 0, 0]]
    assert found.samples == ("a", "b", "c")
    assert found.images == {} and found.instructions == {}
    kinds = (found.ids.dtype, found.labels.dtype, found.positions.dtype, found.documents.dtype)
    assert kinds == (torch.int64, torch.int64, torch.int64, torch.int32)


def test_examples_are_not_changed(model: Architecture) -> None:
    own = example([4, 5], [4, 5])
    own.labels.flags.writeable = own.ids.flags.writeable = False  # as they come out of a table
    assert collate([[own]], model, {}).labels.tolist() == [[IGNORE, 5]]
    assert own.labels.tolist() == [4, 5]


def test_images_stand_in_the_order_of_their_slots(model: Architecture) -> None:
    examples, pixels = documents(model)
    found = collate([examples[:2], examples[2:]], model, pixels)
    order = [image.uri for e in examples for image in e.images]
    assert len(order) == 7
    wanted = torch.cat([pixels[uri]["pixel_values"] for uri in order])
    assert torch.equal(found.images["pixel_values"], wanted)


@given(st.lists(st.lists(st.integers(1, 6), min_size=1, max_size=4), min_size=1, max_size=4))
def test_every_token_arrives_once(model: Architecture, shape: list[list[int]]) -> None:
    rows = [[example(list(range(n)), list(range(n))) for n in row] for row in shape]
    found = collate(rows, model, {})
    assert int((found.documents > 0).sum()) == sum(map(sum, shape))
    assert found.trained == sum(n - 1 for row in shape for n in row)
    assert found.ids.shape == (len(shape), max(map(sum, shape)))
    inside = found.documents > 0
    assert torch.equal(found.ids[inside], found.positions[inside])


def test_labels_of_an_encoder_decoder_have_a_width_of_their_own(model: Architecture) -> None:
    rows = [[example([5, 6, 7], [8])], [example([5], [9, 10])]]
    found = collate(rows, Like(model, seq2seq=True), {})  # type: ignore[arg-type]
    assert found.labels.tolist() == [[8, IGNORE], [9, 10]]
    assert found.ids.shape == (2, 3)


def test_the_q_former_reads_the_instruction_of_each_image(model: Architecture) -> None:
    image = Image(uri="a", width=40, height=30)
    slot = list(model.slot(image))
    places = ((0, len(slot)), (len(slot), 2 * len(slot)))
    two = example(slot * 2, name="two", images=(image, image), slots=places, instruction="compare")
    one = example(slot, name="one", images=(image,), slots=places[:1], instruction="what is it?")
    text = example([5, 6], name="text", instruction="never read")
    other = Like(model)
    found = collate([[two], [text], [one]], other, {"a": blank(model)})  # type: ignore[arg-type]
    assert other.told == ["compare", "compare", "what is it?"]
    assert found.instructions["qformer_input_ids"].shape == (3, 1)


def test_documents_do_not_share_a_row_of_what_does_not_pack(model: Architecture) -> None:
    with pytest.raises(ValueError, match="does not pack"):
        collate([[example([5]), example([6])]], Like(model), {})  # type: ignore[arg-type]


def test_images_without_slots_are_refused(model: Architecture) -> None:
    with pytest.raises(ValueError, match="e: 1 images for 0 slots"):
        collate([[example([5], images=(BLANK,))]], model, {BLANK.uri: blank(model)})


def test_a_batch_of_nothing(model: Architecture) -> None:
    found = collate([], model, {})
    assert found.trained == 0 and found.samples == () and found.images == {}
    found = collate([[]], model, {}, all_parts=True)
    assert found.images["pixel_values"].shape[0] == 1 and found.samples == ()


def test_all_parts_of_the_model_take_part(model: Architecture) -> None:
    texts = [[example([0, 7, 8, 9], [IGNORE, 7, 8, 9], "a")], [example([0, 5], [IGNORE, 5], "b")]]
    alone = collate(texts, model, {})
    found = collate(texts, model, {}, all_parts=True)
    assert found.trained == alone.trained and found.samples == alone.samples
    assert found.documents[1].max() == 2  # beside the shorter row
    model.model.eval()
    set_attention(model, "segments")
    losses = []
    for batch in (alone, found):
        model.model.zero_grad()
        loss = summed(model.hidden(batch, mask(batch, "segments", torch.float32)), batch, model.head, False)
        loss.backward()  # type: ignore[no-untyped-call]
        losses.append(float(loss.detach()))
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    seen = dict(model.model.named_parameters())
    # CLIP's last layer is not read, and so without a gradient whatever the batch.
    trained = [n for n in seen if "vision_tower.encoder.layers.1" not in n and "post_layernorm" not in n]
    assert all(seen[n].grad is not None for n in trained)
    assert all(not seen[n].grad.any() for n in trained if "multi_modal_projector" in n)


def test_all_parts_adds_nothing_to_a_batch_with_images(model: Architecture) -> None:
    examples, pixels = documents(model)
    one, other = (collate([examples], model, pixels, all_parts=a) for a in (False, True))
    assert torch.equal(one.ids, other.ids)


def test_nothing_is_learnt_from_the_idle_document(model: Architecture) -> None:
    assert idle(model, image=True).trained == idle(model, image=False).trained == 0


def test_images_of_unequal_size_are_named() -> None:
    parts = [{"pixel_values": torch.zeros(1, 3, n, n)} for n in (4, 5)]
    with pytest.raises(ValueError, match="pixel_values cannot be stacked"):
        stacked(parts)
    assert stacked([]) == {}


def test_a_batch_on_a_device_is_the_same(tmp_path: Path, model: Architecture) -> None:
    examples, pixels = documents(model)
    found = collate([examples], model, pixels)
    assert torch.equal(found.to(torch.device("cpu")).images["pixel_values"], found.images["pixel_values"])
