"""Hygiene: responses that refuse, or that complain of a missing image: "As an AI", "I cannot see the image".

See ``telltale`` for how phrases are found and for limits.
"""

from __future__ import annotations

from typing import ClassVar

from vlit.assess.hygiene.telltale import Telltale
from vlit.assess.indicator import NoConfig
from vlit.language.phrases import Searched


class Refusal(Telltale[NoConfig]):
    """Share of the responses that refuse, 0 to 1."""

    name: ClassVar[str] = "refusal"
    section: ClassVar[Searched] = "refusal"
