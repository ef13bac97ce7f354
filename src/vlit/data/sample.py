"""Sample: one training record, with the way back to what it was made from."""

from __future__ import annotations

from typing import Literal

from vlit.data.boxes import Box
from vlit.data.scene import Image, Row

Role = Literal["system", "user", "assistant"]
Paradigm = Literal["annotation_adaption", "self_instruct", "data_mixing"]

#: Stands in a turn's text for one image, in order. As in LLaVA's files.
IMAGE_TOKEN = "<image>"


class Turn(Row, frozen=True, kw_only=True):
    """One message."""

    role: Role
    text: str


class Mark(Row, frozen=True, kw_only=True):
    """A box that the text speaks of, in pixels of the first image, and the annotation it comes from."""

    label: str
    box: Box
    annotation: str | None = None


class Provenance(Row, frozen=True, kw_only=True):
    """What a sample was made from. Empty fields mean "does not apply", never "forgotten"."""

    scenes: tuple[str, ...] = ()
    annotations: tuple[str, ...] = ()  #: ids within those scenes
    recipe: str | None = None  #: e.g. "adapt/presence"
    templates: tuple[str, ...] = ()  #: ids of the instruction and response templates, in turn order
    prompt: str | None = None  #: version of the prompt, for samples that a teacher wrote
    teacher: str | None = None  #: model that wrote the reply
    reply: str | None = None  #: key of the raw reply in the teacher's journal
    seed: int | None = None
    source: str | None = None  #: dataset or file that the scene or the sample came from
    parents: tuple[str, ...] = ()  #: ``set:id`` of the records that a mixed sample was made of, in turn order
    licence: str | None = None


class Sample(Row, frozen=True, kw_only=True):
    """One training record.

    Text holds one ``<image>`` for each image, where the image is seen. A sample without images is text-only.
    """

    id: str
    turns: tuple[Turn, ...]
    images: tuple[Image, ...] = ()
    task: str = "unknown"
    paradigm: Paradigm = "annotation_adaption"
    region: Box | None = None  #: marked region that the instruction points to
    marks: tuple[Mark, ...] = ()
    provenance: Provenance = Provenance()

    def text_of(self, role: Role) -> str:
        """All text of one role, without image tokens, one turn a line."""
        return "\n".join(strip_image_tokens(t.text) for t in self.turns if t.role == role)


def strip_image_tokens(text: str) -> str:
    """The text without ``<image>`` and the line break that comes with it."""
    return text.replace(IMAGE_TOKEN, "").strip()
