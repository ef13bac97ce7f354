"""All indicators. A new one is a new file and one line here, or an entry point ``vlit.indicators``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pydantic

from vlit.assess.indicator import AnyIndicator, Indicator
from vlit.data.errors import VlitError
from vlit.data.registry import Registry
from vlit.run.named import check_named, told

INDICATORS = Registry(
    "vlit.indicators",
    {
        "text_readability": "vlit.assess.text_readability.kneser_ney:TextReadability",
        "image_readability": "vlit.assess.image_readability.heuristic:ImageReadability",
        "grounded_correctness": "vlit.assess.correctness.grounding:GroundedCorrectness",
        "exact_duplicate": "vlit.assess.hygiene.exact_duplicates:ExactDuplicate",
        "near_duplicate": "vlit.assess.hygiene.near_duplicates:NearDuplicate",
        "task_balance": "vlit.assess.balance:TaskBalance",
    },
)


def embedded() -> list[str]:
    """Names of the indicators that need no model weights, in the order of the registry."""
    return [name for name in INDICATORS.names() if not INDICATORS.load(name).models]


def make(chosen: Mapping[str, Mapping[str, Any] | None] | None, seed: int = 0) -> list[AnyIndicator]:
    """Indicators by name with their configs, sorted by name; all embedded ones for ``None``.

    Raises:
        VlitError: For unknown names, and for configs that their indicators do not take.
    """
    wanted = dict.fromkeys(embedded()) if chosen is None else chosen
    try:
        check_named(wanted, INDICATORS)
    except pydantic.ValidationError as error:
        raise VlitError("; ".join(told(error)), where="assess.indicators") from None
    return [_make(name, wanted[name] or {}, seed) for name in sorted(wanted)]


def _make(name: str, values: Mapping[str, Any], seed: int) -> AnyIndicator:
    kind: type[Indicator[Any]] = INDICATORS.load(name)
    return kind(kind.Config.model_validate(dict(values)), seed)
