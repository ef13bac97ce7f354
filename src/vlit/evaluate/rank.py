"""Likelihood ranking: the loss of each option's content, given images and question; the lowest answers.

The model need not follow any instruction, so it is how SEED-Bench's script (2023) asks. Neither letters nor the
other options are in the prompt. What it takes of an option differs by its interfaces:

    InstructBLIP, from LAVIS          sum over the option's tokens, its end included
    InstructBLIP, from transformers   mean over them, its end included
    LLaVA-1.5, in the second version  mean over them, its end included

Hence the defaults here; ``option_loss`` of a benchmark names the others. By the sum without the end, an option
that begins another one never loses to it. The script makes a pass for each option, prompt and all; here images
and question are computed once, see ``likelihood``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from vlit.data.sample import Sample
from vlit.evaluate import likelihood
from vlit.evaluate.answerer import sample_of
from vlit.evaluate.likelihood import Asked, Ready, Way
from vlit.evaluate.question import Question
from vlit.tune.answer import READERS, ahead, chunks, evaluating
from vlit.tune.chat.dialogue import Message, dialogue_of
from vlit.tune.chat.encode import Encoder, build
from vlit.tune.example import Refused
from vlit.tune.models.architecture import Architecture


def losses(
    model: Architecture,
    encoder: Encoder,
    questions: Sequence[Question],
    *,
    batch: int,
    mean: bool = True,
    end: bool = True,
) -> Iterator[tuple[int, tuple[float, ...] | str]]:
    """The loss of each option of each question, as they are made; each question once.

    Where memory runs out the batch is halved. In bfloat16 sums are rounded by shape: where two options are as
    good as equal, another batch may prefer the other.

    Args:
        model: On its device; put into evaluation while it answers.
        encoder: Lays out prompt and options as those of training.
        questions: With options; the prompt does not have to name them.
        batch: Questions at once, at most.
        mean: Over the option's tokens; else their sum, which favours short options.
        end: Whether the end of the answer is among the tokens.

    Yields:
        Place of the question, and nats for each option, or the reason why it could not be asked.

    Raises:
        VlitError: When memory runs out for a single question.
    """
    from vlit.weights.device import in_batches

    kept: dict[int, Asked] = {}
    for place, question in enumerate(questions):
        try:
            kept[place] = _fitting(model, asked_of(encoder, question, end=end))
        except Refused as reason:
            yield place, str(reason)
    places = list(kept)
    prompts = [kept[place].prompt for place in places]
    longest = max((asked.length for asked in kept.values()), default=0)
    with evaluating(model), likelihood.sharing(model, longest) as way, ThreadPoolExecutor(READERS) as readers:
        tried = False
        for opened in ahead(model, chunks(prompts, batch, 0, None), readers):
            yield from ((places[index], why) for index, _, why in opened if isinstance(why, str))
            own = [places[index] for index, _, pixels in opened if not isinstance(pixels, str)]
            ready = [Ready(kept[places[i]], pixels) for i, _, pixels in opened if not isinstance(pixels, str)]
            if ready and not tried:
                telling = max(ready, key=lambda one: sum(map(len, one.asked.options)))
                way, tried = _proved(model, way, telling), True
            found = in_batches(ready, max(len(ready), 1), partial(way, model), model.name)
            for place, sums in zip(own, found, strict=True):
                counts = [len(option) if mean else 1 for option in kept[place].options]
                yield place, tuple(total / n for total, n in zip(sums, counts, strict=True))


def asked_of(encoder: Encoder, question: Question, *, end: bool = True) -> Asked:
    """A question, and each option as the answer of the chat template would be, spaces in front included.

    Raises:
        Refused: When there is no option, one is empty, or something cannot be read.
    """
    if not question.options:
        raise Refused("there are no options to rank")
    sample = sample_of(question)
    prompt = encoder.prompt(sample)
    said = _answer_of(encoder, sample, end=end)
    found = []
    for number, option in enumerate(question.options):
        name = chr(ord("A") + number)
        if not option.strip():
            raise Refused(f"option {name} is empty")
        try:
            ids = said(option.strip())
        except Refused as reason:
            raise Refused(f"option {name}: {reason}") from None
        if not ids:
            raise Refused(f"option {name} has no token")
        found.append(tuple(ids))
    return Asked(prompt, tuple(found))


def _answer_of(encoder: Encoder, sample: Sample, *, end: bool) -> Callable[[str], Sequence[int]]:
    """Text to the ids that it has as an answer to a sample."""
    if encoder.model.seq2seq:
        eos = encoder.model.tokenizer.eos_token_id
        tail = [int(eos)] if end and eos is not None else []
        return lambda text: [*encoder.tokens.read([(text, False)], None), *tail]
    dialogue = dialogue_of(sample)
    pieces = encoder.layout.pieces([*dialogue.messages, Message("assistant", ("",))])
    at = max(place for place, piece in enumerate(pieces) if piece.kind == "answer")
    behind = pieces[at + 1 : at + 2] if end else []  # an answer's end is the next piece, always

    def read(text: str) -> Sequence[int]:
        own = [*pieces[:at], replace(pieces[at], text=text), *behind]
        draft = build(encoder.tokens, own, dialogue.images, encoder.model.slot, front=encoder.layout.front)
        return draft.ids[draft.answer[0] :]

    return read


def _proved(model: Architecture, way: Way, telling: Ready) -> Way:
    """The way, or one that is right; where memory runs out for it, the user is told."""
    from vlit.weights.device import in_batches

    (found,) = in_batches([telling], 1, lambda one: [likelihood.proved(model, way, *one)], model.name)
    return found


def _fitting(model: Architecture, asked: Asked) -> Asked:
    most = getattr(model.decoder.config, "max_position_embeddings", None)
    if isinstance(most, int) and asked.length > most:
        raise Refused(f"{asked.length} tokens, and the model has positions for {most}")
    return asked
