"""Replies that keep their contract, as samples that lead back to them."""

from __future__ import annotations

from collections.abc import Iterator

from vlit.data.boxes import Box, from_normalised
from vlit.data.sample import IMAGE_TOKEN, Mark, Provenance, Sample, Turn
from vlit.data.scene import Scene
from vlit.generate.instruct.clues import Clues
from vlit.generate.instruct.replies import Parsed
from vlit.generate.instruct.tags import find_references
from vlit.generate.instruct.unit import Asker, Unit

Pairs = tuple[tuple[str, str], ...]

#: Three decimals of a box that was told and one that came back.
_SAME = 0.0015


def samples_of(
    parsed: Parsed, asker: Asker, unit: Unit, generation: int, clues: Clues, key: str
) -> list[Sample]:
    """The samples of one reply.

    Args:
        parsed: The reply.
        asker: Recipe, teacher and seed.
        unit: What was asked about. The image of a sample about a region is not marked yet.
        generation: Which of the recipe's generations it is.
        clues: What the teacher was told: its annotations are those of the sample.
        key: Of the request, in the journal.
    """
    scene, recipe = unit.scene, asker.recipe
    provenance = Provenance(
        scenes=(scene.id,),
        annotations=clues.evidence,
        recipe=f"instruct/{asker.prompt.name}",
        prompt=asker.prompt.version,
        teacher=asker.teacher.model,
        reply=key,
        seed=asker.seed,
        source=scene.source,
        licence=scene.licence,
    )
    return [
        Sample(
            id=f"{unit.id}/{generation}/{n}",
            turns=_turns(pairs),
            images=(scene.image,),
            task=recipe.task,
            paradigm="self_instruct",
            region=unit.region,
            marks=tuple(_marks(pairs, scene)),
            provenance=provenance,
        )
        for n, pairs in enumerate(_conversations(parsed, asker, unit, generation))
    ]


def _conversations(parsed: Parsed, asker: Asker, unit: Unit, generation: int) -> Iterator[Pairs]:
    if asker.recipe.reply.form == "text":
        for text in parsed.items:
            yield ((asker.instruction(unit, generation), text),)
    for conversation in parsed.conversations:
        if asker.recipe.sample == "each":
            yield from ((pair,) for pair in conversation.pairs)
        else:
            yield conversation.pairs


def _turns(pairs: Pairs) -> tuple[Turn, ...]:
    turns = [turn for q, a in pairs for turn in (Turn(role="user", text=q), Turn(role="assistant", text=a))]
    turns[0] = Turn(role="user", text=f"{IMAGE_TOKEN}\n{turns[0].text}")
    return tuple(turns)


def _marks(pairs: Pairs, scene: Scene) -> Iterator[Mark]:
    """The boxes that the texts refer to, each once, with the annotation that they were taken from."""
    seen: set[tuple[str, tuple[float, ...]]] = set()
    width, height = scene.image.width, scene.image.height
    for text in (text for pair in pairs for text in pair):
        for reference in find_references(text):
            for values in reference.boxes:
                if (reference.name, values) not in seen:
                    seen.add((reference.name, values))
                    box = from_normalised(values, width, height)
                    yield Mark(label=reference.name, box=box, annotation=_annotation(box, scene))


def _annotation(box: Box, scene: Scene) -> str | None:
    """The object or region whose box it is."""
    slack_x, slack_y = _SAME * scene.image.width, _SAME * scene.image.height
    places = [(o.box, o.id) for o in scene.objects] + [(r.box, r.id) for r in scene.regions]
    for there, name in places:
        if (
            max(abs(there.x1 - box.x1), abs(there.x2 - box.x2)) <= slack_x
            and max(abs(there.y1 - box.y1), abs(there.y2 - box.y2)) <= slack_y
        ):
            return name
    return None
