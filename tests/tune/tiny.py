"""Tiny models of random weights, assembled as a user would assemble large ones, and samples to tune them on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import vlit
from tests.assess.encoders.tiny import clip, llama
from vlit.data.images import probe
from vlit.data.scene import Image
from vlit.tune.config import ModelConfig
from vlit.tune.example import Example
from vlit.tune.models.architecture import Architecture
from vlit.tune.models.registry import open_model

#: Turns in the manner of Vicuna; the answer's end is the tokenizer's own end of text.
TEMPLATE = (
    "{% for m in messages %}{% if m.role == 'user' %}USER: {% for c in m.content %}"
    "{% if c.type == 'image' %}<image>\n{% else %}{{ c.text }}{% endif %}{% endfor %}"
    "{% elif m.role == 'assistant' %} ASSISTANT: {{ m.content[0].text }}{{ eos_token }}"
    "{% else %}{{ m.content[0].text }} {% endif %}{% endfor %}"
    "{% if add_generation_prompt %} ASSISTANT:{% endif %}"
)


def llava(folder: Path, **settings: Any) -> Architecture:
    """A LLaVA of 4 patches an image, two layers, and a vocabulary of bytes."""
    clip(folder / "clip")
    llama(folder / "llama", longest=4096)
    config = ModelConfig(
        architecture="llava", vision=str(folder / "clip"), llm=str(folder / "llama"), **settings
    )
    found = open_model(config, folder)
    found.tokenizer.chat_template = TEMPLATE
    return found


def prompt(model: Architecture, text: str, images: Sequence[Image] = (), name: str = "") -> Example:
    """Images, then a text, as a model reads them; no template, no labels."""
    ids: list[int] = []
    slots: list[tuple[int, int]] = []
    for image in images:
        slot = list(model.slot(image))
        slots.append((len(ids), len(ids) + len(slot)))
        ids += slot
    ids += model.tokenizer.encode(text, add_special_tokens=False)
    array = np.array(ids, dtype=np.int32)
    return Example(
        id=name or text, ids=array, labels=array[:0], images=tuple(images), slots=tuple(slots), instruction=text
    )


def photos(count: int) -> list[Image]:
    """Real photos of several shapes."""
    folder = Path(vlit.__file__).parent / "demo"
    return [probe(str(path)) for path in sorted(folder.rglob("*.jpg"))[:count]]
