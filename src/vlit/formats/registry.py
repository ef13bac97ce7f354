"""All training-data formats. A new one is a new file and one line here, or an entry point ``vlit.formats``."""

from __future__ import annotations

from vlit.data.registry import Registry

FORMATS = Registry(
    "vlit.formats",
    {
        "llava": "vlit.formats.llava:LLAVA",
    },
)
