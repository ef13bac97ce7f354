"""All training-data formats. A new one is a new file and one line here, or an entry point ``vlit.formats``."""

from __future__ import annotations

from typing import Annotated

import pydantic

from vlit.data.errors import nearest
from vlit.data.registry import Registry

FORMATS = Registry(
    "vlit.formats",
    {
        "llava": "vlit.formats.llava:LLAVA",
        "svit": "vlit.formats.svit:SVIT",
        "mimicit": "vlit.formats.mimicit:MIMICIT",
        "chat": "vlit.formats.chat:CHAT",
    },
)


def _known(name: str) -> str:
    if name not in FORMATS.targets():
        raise ValueError(f"there is no format {name!r}; {nearest(name, FORMATS.targets())}")
    return name


FormatName = Annotated[str, pydantic.AfterValidator(_known)]
"""The name of a format in a config."""
