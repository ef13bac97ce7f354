"""The loss: what it is taken of, and that how a step is split changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlit.tune.example import IGNORE, Batch
from vlit.tune.loss import count, summed, targets

torch = pytest.importorskip("torch")


def batch(labels: list[list[int]], documents: list[list[int]]) -> Batch:
    wide = torch.tensor(labels)
    return Batch(
        ids=wide.clamp(min=0), labels=wide, positions=torch.zeros_like(wide), documents=torch.tensor(documents)
    )


def test_a_state_foretells_the_next_token_of_its_own_document_alone() -> None:
    # Two documents in a row: 4 5 | 6 7. The first label of each has nothing before it.
    found = targets(batch([[4, 5, 6, 7]], [[1, 1, 2, 2]]), seq2seq=False)
    assert [t.tolist() for t in found] == [[0, 2], [5, 7]]


def test_unlabelled_tokens_and_padding_are_left_out() -> None:
    labels = [[IGNORE, 5, IGNORE, IGNORE], [IGNORE, IGNORE, 3, 1]]
    found = targets(batch(labels, [[1, 1, 0, 0], [1, 1, 1, 1]]), seq2seq=False)
    assert [t.tolist() for t in found] == [[0, 5, 6], [5, 3, 1]]


def test_labels_of_an_encoder_decoder_stand_where_their_states_are() -> None:
    labels = batch([[4, 5, IGNORE]], [[1, 1, 1]])
    assert [t.tolist() for t in targets(labels, seq2seq=True)] == [[0, 1], [4, 5]]
    assert count(labels, seq2seq=True) == 2
    assert count(labels, seq2seq=False) == 1


def test_it_is_the_sum_of_cross_entropies_by_hand() -> None:
    head = torch.nn.Identity()  # states are the logits
    states = torch.tensor([[[0.0, 0.0], [1.0, 3.0], [9.0, 9.0]]])
    found = summed(states, batch([[IGNORE, 0, 1]], [[1, 1, 1]]), head, seq2seq=False)
    # -log softmax([0, 0])[0] = ln 2; -log softmax([1, 3])[1] = ln(1 + e^-2)
    assert found.item() == pytest.approx(0.693147 + 0.126928, abs=1e-5)


def test_without_labels_it_is_nothing_and_part_of_the_graph() -> None:
    head = torch.nn.Linear(2, 3)
    states = torch.ones(1, 2, 2, requires_grad=True)
    found = summed(states, batch([[IGNORE, IGNORE]], [[1, 1]]), head, seq2seq=False)
    found.backward()
    assert found.item() == 0
    assert head.weight.grad is not None and not head.weight.grad.any()
    assert states.grad is not None and not states.grad.any()


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 5))
def test_slices_change_neither_loss_nor_gradient(n: int, size: int, seed: int) -> None:
    torch.manual_seed(seed)
    head = torch.nn.Linear(4, 7).double()
    states = torch.randn(2, n, 4, dtype=torch.float64, requires_grad=True)
    labels = torch.where(torch.rand(2, n) < 0.7, torch.randint(0, 7, (2, n)), IGNORE)
    documents = torch.sort(torch.randint(1, 4, (2, n)))[0]
    given_ = batch(labels.tolist(), documents.tolist())
    found = []
    for pieces in (10**6, size):
        loss = summed(states, given_, head, seq2seq=False, size=pieces)
        found.append((loss, *torch.autograd.grad(loss, [states, head.weight])))
    for whole, sliced in zip(*found, strict=True):
        assert torch.allclose(whole, sliced, atol=1e-5)


@pytest.mark.parametrize("split", [[[0, 1, 2, 3, 4, 5]], [[0, 1, 2], [3, 4, 5]], [[4], [0, 5], [1, 2, 3]]])
@pytest.mark.parametrize("packed", [True, False])
def test_any_split_of_a_step_gives_its_gradient(split: list[list[int]], packed: bool, tmp_path: Path) -> None:
    from tests.tune import tiny
    from tests.tune.photos import examples
    from vlit.data.images import open_rgb
    from vlit.tune.attention import set_attention
    from vlit.tune.collate import collate
    from vlit.tune.objective import Objective

    model = tiny.llava(tmp_path)
    set_attention(model, "segments")
    own = examples(model, 6)
    pixels = {i.uri: model.pixels([open_rgb(i)]) for e in own for i in e.images}
    objective = Objective(model, "segments", torch.float32)

    def gradient(micros: list[list[int]], in_rows: bool) -> torch.Tensor:
        objective.zero_grad()
        for micro in micros:
            chosen = [own[i] for i in micro]
            rows = [chosen] if in_rows else [[e] for e in chosen]
            objective(collate(rows, model, pixels)).backward()
        return torch.cat([p.grad.flatten() for p in objective.parameters() if p.grad is not None])

    one_each = gradient([[i] for i in range(6)], False)
    assert torch.allclose(gradient(split, packed), one_each, atol=2e-5 * float(one_each.abs().max()))
