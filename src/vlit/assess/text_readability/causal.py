"""Text readability under a causal language model: does it read like the text that the model learned from?

    value = exp(mean log P(token | all tokens before))      0 to 1, the inverse of the perplexity

over the tokens of all instructions and responses of a sample, each turn read by itself from its beginning.
Beside it stands the perplexity, and for the set the mean of log2 P. Unlike a model of the set, this one knows
English: it can tell a good set from a bad one, and one sample can be judged alone.

Limits: it prefers what is frequent (templates, boilerplate, one thing said twice) and finds numbers and names
improbable; short texts score lower than long ones, since their beginning is hard to guess; values of models
with other vocabularies cannot be compared. Source: the review's formula of readability, (1/n) sum log P, read
as the log probability of tokens, and its exponential, which lies between 0 and 1 as the review's figures do.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

import pydantic

from vlit.assess.encoders.causal import causal_model
from vlit.assess.indicator import Form, Indicator
from vlit.assess.seen import Part
from vlit.data.sample import strip_image_tokens
from vlit.data.score import Score, SetScore
from vlit.run.stage import Config
from vlit.weights.located import folder_lines, located

#: Apache-2.0, 270 MB.
MODEL = "HuggingFaceTB/SmolLM2-135M"


class TextReadabilityLMConfig(Config):
    """Which model, and how it reads."""

    model: str = MODEL  #: hub id or folder of a causal language model
    device: str = "auto"
    max_tokens: int = pydantic.Field(default=1024, ge=4)  #: window; longer texts are read in overlapping ones


class TextReadabilityLM(Indicator[TextReadabilityLMConfig]):
    """Inverse perplexity per token, 0 to 1, under a causal language model."""

    name: ClassVar[str] = "text_readability_lm"
    principle = "text readability"
    form: ClassVar[Form] = "recommended"
    direction = "higher is better"
    models: ClassVar[tuple[str, ...]] = (MODEL,)
    extra: ClassVar[str | None] = "tune"
    Config = TextReadabilityLMConfig

    def outside(self) -> Iterator[str]:
        """The files of a model that lies in a folder."""
        return folder_lines(self.config.model, self.base)

    def score(self, part: Part, state: Any) -> Iterator[Score]:
        """Read the turns of the whole part at once."""
        texts: dict[str, int] = {}
        turns = [
            [
                texts.setdefault(said, len(texts))
                for turn in sample.turns
                if turn.role != "system" and (said := strip_image_tokens(turn.text))
            ]
            for sample in part.samples
        ]
        model = causal_model(located(self.config.model, self.base), self.config.device, self.config.max_tokens)
        read = model.log_probabilities(list(texts)) if texts else []
        for sample, places in zip(part.samples, turns, strict=True):
            total = math.fsum(read[place][0] for place in places)
            tokens = sum(read[place][1] for place in places)
            if not places:
                yield self.of(sample, None, "the sample has no text")
            elif not tokens:
                yield self.of(sample, None, "the text is too short for the model to predict a token")
            elif not math.isfinite(total):
                yield self.of(sample, None, f"the probabilities of {model.name} are not finite")
            else:
                mean = total / tokens
                yield self.of(sample, math.exp(mean), f"perplexity {math.exp(-mean):.1f} over {tokens} tokens")

    def mean(self, values: Iterable[float | None]) -> SetScore:
        """The mean, with the mean of log2 P and the perplexity that it stands for."""
        found = [v for v in values if v]
        if not found:
            return self.of_set(None, 0)
        bits = math.fsum(map(math.log2, found)) / len(found)
        return self.of_set(math.fsum(found) / len(found), len(found), mean_log2_p=bits, perplexity=2**-bits)
