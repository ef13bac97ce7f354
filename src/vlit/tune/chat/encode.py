"""From a sample to what a model reads: ids and labels together, turn by turn.

What is trained of a turn is the answer and its end, nothing else. Spaces of the template in front of an answer
are read with the answer's first word, as a tokenizer reads them in running text; the prompt ends without them,
so that its ids begin the ids of every dialogue that goes on from it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from vlit.data.sample import IMAGE_TOKEN, Sample
from vlit.data.scene import Image
from vlit.tune.chat.compare import differences
from vlit.tune.chat.dialogue import Dialogue, dialogue_of
from vlit.tune.chat.layout import Piece
from vlit.tune.chat.template import Template
from vlit.tune.chat.tokens import Part, Tokens
from vlit.tune.example import IGNORE, Example, Refused
from vlit.tune.models.architecture import Architecture


@dataclass
class Draft:
    """Ids and labels in the making."""

    ids: list[int] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    slots: list[tuple[int, int]] = field(default_factory=list)
    answer: tuple[int, int] = (0, 0)  #: where the last answer stands, its end included

    def put(self, ids: Sequence[int], *, trained: bool) -> None:
        """Go on with these ids."""
        self.ids += ids
        self.labels += ids if trained else [IGNORE] * len(ids)

    @property
    def previous(self) -> int | None:
        """The last id."""
        return self.ids[-1] if self.ids else None


class Encoder:
    """Encodes samples for one model, template and length.

    Args:
        model: Gives tokenizer and image slots; its weights are not used.
        template: How dialogues are laid out.
        max_length: Tokens of an example, image features counted; of an encoder-decoder, source and answer
            together.
        overlong: ``shorten`` drops last question-answer pairs, then cuts the end of the answer that is left;
            ``refuse`` refuses the sample.

    Attributes:
        remarks: What the user should know of this tokenizer and template, a sentence each.
        stops: Ids that end an answer; generation has to stop at them. An end of several tokens of which the
            last is a word like any other is not among them: it needs a stop string.

    Raises:
        VlitError: When tokenizer or template are of no use for training.
    """

    def __init__(
        self,
        model: Architecture,
        template: Template,
        *,
        max_length: int,
        overlong: Literal["shorten", "refuse"] = "shorten",
    ) -> None:
        self.model, self.template, self.max_length, self.overlong = model, template, max_length, overlong
        self.layout = template.fit(_image_texts(model))
        self.tokens = Tokens(model.tokenizer, also=(self.layout.end, self.layout.image), lenient=model.seq2seq)
        self.stops = self._stops()
        self.remarks = differences(self)

    def examples(self, sample: Sample) -> list[Example]:
        """What a sample trains: one example; of an encoder-decoder one for each answer, ``<id>#1`` and so on.

        Raises:
            Refused: When nothing of it can be trained.
        """
        dialogue = dialogue_of(sample)
        if not dialogue.answers:
            raise Refused("there is no answer to train on")
        if self.model.seq2seq:
            return self._pairs(sample.id, dialogue)
        whole = dialogue.first(dialogue.ends[-1])
        notes = [] if whole == dialogue else ["a last turn without an answer is left out"]
        draft, kept = self._short_enough(whole)
        if len(kept.ends) < len(whole.ends):
            notes.append(
                f"{len(whole.ends) - len(kept.ends)} of {len(whole.ends)} question-answer pairs are left out: "
                f"more than {self.max_length} tokens"
            )
        if len(draft.ids) > self.max_length:
            notes.append(self._cut(draft))
        return [_example(sample.id, draft, kept, dialogue.instruction, notes)]

    def prompt(self, sample: Sample) -> Example:
        """Ids up to where the model has to answer the last turn of the user; no labels, and no limit of length.

        Raises:
            Refused: When there is nothing to answer.
        """
        dialogue = dialogue_of(sample)
        asked = dialogue.question()
        if not asked.messages or asked.messages[-1].role != "user":
            raise Refused("there is no turn of the user to answer")
        draft = self._source(asked)
        draft.labels = [] if self.model.seq2seq else [IGNORE] * len(draft.ids)
        return _example(sample.id, draft, asked, dialogue.instruction, [])

    def _stops(self) -> tuple[int, ...]:
        eos = self.model.tokenizer.eos_token_id
        ends = [] if self.model.seq2seq else self.tokens.read([(self.layout.end, True)], -1)
        if len(ends) > 1 and not self.tokens.special(ends[-1]):
            ends = []
        return tuple(dict.fromkeys([*ends[-1:], *([] if eos is None else [int(eos)])]))

    def _short_enough(self, whole: Dialogue) -> tuple[Draft, Dialogue]:
        """The most question-answer pairs that fit, and at least one."""
        draft = self._of(whole)
        if len(draft.ids) <= self.max_length:
            return draft, whole
        if self.overlong == "refuse":
            raise Refused(f"longer than max_length ({self.max_length})", f"{len(draft.ids)} tokens")
        least = whole.first(whole.ends[0])
        best = self._of(least), least
        fits, over = 1, len(whole.ends)  # numbers of pairs
        while over - fits > 1 and len(best[0].ids) <= self.max_length:
            middle = (fits + over) // 2
            tried = whole.first(whole.ends[middle - 1])
            draft = self._of(tried)
            if len(draft.ids) <= self.max_length:
                fits, best = middle, (draft, tried)
            else:
                over = middle
        return best

    def _cut(self, draft: Draft) -> str:
        """Cut the end of the last answer, and say so."""
        begin, end = draft.answer
        at = self.max_length
        if all(label == IGNORE for label in draft.labels[:at]):
            raise Refused(
                f"what stands before the answer fills max_length ({at}): nothing is left to train",
                f"{begin} tokens before the answer",
            )
        del draft.ids[at:], draft.labels[at:]
        if not begin < at < end:
            return f"what follows the answer, or a second answer, is cut after {at} tokens"
        return f"the answer is cut after {at - begin} of {end - begin} tokens, so its end is not trained"

    def _of(self, dialogue: Dialogue) -> Draft:
        return self._draft(self.layout.pieces(dialogue.messages), dialogue.images)

    def _source(self, asked: Dialogue) -> Draft:
        """Up to where an answer begins; of an encoder-decoder, all that the encoder reads."""
        pieces = self.layout.prompt(asked.messages)
        if not self.model.seq2seq:
            return self._draft(pieces, asked.images)
        draft = self._draft([piece for piece in pieces if not piece.added], asked.images)
        draft.put(self.tokens.after, trained=False)
        return draft

    def _draft(self, pieces: Sequence[Piece], images: Sequence[Image]) -> Draft:
        return build(self.tokens, pieces, images, self.model.slot, front=self.layout.front)

    def _pairs(self, name: str, dialogue: Dialogue) -> list[Example]:
        """For an encoder-decoder: an example for each answer, with all that was said before it as source."""
        found: list[Example] = []
        lost: list[str] = []
        for number, place in enumerate(dialogue.answers, start=1):
            source = dialogue.first(place)
            draft = self._source(source)
            said = dialogue.messages[place].parts[0] or ""
            eos = self.model.tokenizer.eos_token_id
            target = self.tokens.read([(said, False)], None) + ([] if eos is None else [int(eos)])
            room = self.max_length - len(draft.ids)
            notes = []
            if len(target) > room:
                if self.overlong == "refuse" or room < 1 or found:
                    lost.append(f"answer {number} with {len(draft.ids) + len(target)} tokens")
                    continue
                notes.append(
                    f"the answer is cut after {room} of {len(target)} tokens, so its end is not trained"
                )
            draft.labels = target[:room]
            found.append(_example(f"{name}#{number}", draft, source, dialogue.instruction, notes))
        if not found or (lost and self.overlong == "refuse"):
            raise Refused(f"longer than max_length ({self.max_length})", ", ".join(lost))
        if lost:
            left_out = (f"left out: {answer}, max_length is {self.max_length}" for answer in lost)
            found[0] = replace(found[0], notes=(*found[0].notes, *left_out))
        return found


def build(
    tokens: Tokens,
    pieces: Sequence[Piece],
    images: Sequence[Image],
    slot: Callable[[Image], Sequence[int]],
    *,
    front: bool = False,
) -> Draft:
    """Ids and labels of the pieces of a dialogue.

    Args:
        tokens: Reads text.
        pieces: In order.
        images: In the order of their pieces.
        slot: The ids that stand for an image.
        front: Images stand in front of everything, BOS included.

    Raises:
        Refused: When a text cannot be read, or an image has no place.
    """
    draft, run, left = Draft(), list[Part](), iter(images)
    begun = False  # whether BOS is in

    def flush(*, spaces: bool = True) -> str:
        """Read what waits; where it may not end in spaces, give them back."""
        nonlocal begun
        kept = ""
        if run and not spaces and run[-1][1]:
            text = run[-1][0].rstrip(" ")
            kept = run[-1][0][len(text) :]
            run[-1] = (text, True)
        ids = tokens.read(run, draft.previous if begun else None)
        if not begun:
            if tuple(ids[: len(tokens.before)]) != tokens.before:
                draft.put(tokens.before, trained=False)
            begun = True
        draft.put(ids, trained=False)
        run.clear()
        return kept

    for piece in pieces:
        if piece.kind == "image":
            if run or not front:
                flush()
            ids = [int(i) for i in slot(next(left))]
            if not ids:
                raise Refused("the model has no placeholder for an image")
            draft.slots.append((len(draft.ids), len(draft.ids) + len(ids)))
            draft.put(ids, trained=False)
        elif piece.kind == "answer":
            space = flush(spaces=False)
            begin = len(draft.ids)
            if piece.text:
                draft.put(tokens.read([(space + piece.text, False)], draft.previous), trained=True)
            draft.answer = (begin, len(draft.ids))
        elif piece.kind == "end":
            draft.put(tokens.read([(piece.text, True)], draft.previous), trained=True)
            draft.answer = (draft.answer[0], len(draft.ids))
        else:
            run.append((piece.text, piece.kind == "template"))
    flush(spaces=False)
    return draft


def _example(name: str, draft: Draft, shown: Dialogue, instruction: str, notes: Sequence[str]) -> Example:
    return Example(
        id=name,
        ids=np.array(draft.ids, dtype=np.int32),
        labels=np.array(draft.labels, dtype=np.int32),
        images=shown.images,
        slots=tuple(draft.slots),
        instruction=instruction,
        notes=tuple(notes),
    )


def _image_texts(model: Any) -> tuple[str, ...]:
    """What a template may write for an image, most likely first."""
    named = [
        getattr(place, attribute, None)
        for attribute in ("image_token", "boi_token", "start_image_token")
        for place in (model.processor, model.tokenizer)
    ]
    texts = [str(getattr(token, "content", token)) for token in named if token is not None]
    return tuple(dict.fromkeys([*texts, IMAGE_TOKEN]))
