"""Hygiene: insults, threats, obscenity and hate, as a text classifier from the hub sees them.

The value is the highest probability of a toxic label over the sample's turns, 0 to 1; the reason names the
label. The default is unitary/toxic-bert (Apache-2.0, 440 MB), a multi-label BERT that was trained on comments
in Wikipedia. Any sequence classifier does: ``labels`` names those of its labels that count, by default all but
the innocent ones. A text that is too long for it is judged in pieces. Limits: it knows what it learned from,
here English comments; the mere mention of a minority, or harsh words in the photo itself, raise the value.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import pydantic

from vlit.assess.indicator import Form, Indicator
from vlit.assess.seen import Part
from vlit.data.errors import VlitError
from vlit.data.sample import strip_image_tokens
from vlit.data.score import Score
from vlit.run.stage import Config
from vlit.weights.located import folder_lines, located

#: Labels that say that nothing is wrong, in lower case, as classifiers on the hub name them.
INNOCENT = frozenset(
    {"neutral", "normal", "non-toxic", "nontoxic", "non_toxic", "not_toxic", "not toxic", "clean", "safe", "ok"}
)
_NO_NAME = re.compile(r"label_\d+", re.IGNORECASE)
_LONGEST = 512  #: tokens, where the model does not say


class ToxicityConfig(Config):
    """The classifier, and which of its labels count."""

    model: str = "unitary/toxic-bert"  #: hub id or folder of a sequence classifier
    labels: tuple[str, ...] = ()  #: names of the toxic labels; by default all but the innocent ones
    instructions: bool = True  #: whether the user's turns are judged as well
    device: str = "auto"  #: cpu, cuda, cuda:1 ...
    batch_size: int = pydantic.Field(default=32, ge=1)


class Toxicity(Indicator[ToxicityConfig]):
    """Highest probability that one of the turns is toxic, 0 to 1."""

    name: ClassVar[str] = "toxicity"
    principle = "hygiene"
    form: ClassVar[Form] = "recommended"
    direction = "lower is better"
    models: ClassVar[tuple[str, ...]] = ("unitary/toxic-bert",)
    extra: ClassVar[str | None] = "tune"
    Config = ToxicityConfig

    def outside(self) -> Iterator[str]:
        """The files of a model that lies in a folder."""
        return folder_lines(self.config.model, self.base)

    def score(self, part: Part, state: None) -> Iterator[Score]:
        """Classify all distinct turns of the part."""
        roles = ("user", "assistant") if self.config.instructions else ("assistant",)
        turns = [
            [text for t in sample.turns if t.role in roles and (text := strip_image_tokens(t.text))]
            for sample in part.samples
        ]
        distinct = sorted({text for own in turns for text in own})
        judge = _loaded(located(self.config.model, self.base), self.config.device)
        told = dict(
            zip(distinct, judge.judged(distinct, self.config.labels, self.config.batch_size), strict=True)
        )
        for sample, own in zip(part.samples, turns, strict=True):
            if not own:
                yield self.of(sample, None, "there is no text")
                continue
            value, label = max((told[text] for text in own), key=lambda found: found[0])
            yield self.of(sample, value, f"{label} {value:.2f}" if value >= 0.5 else None)


class Classifier:
    """A sequence classifier with its tokenizer.

    Args:
        name: Hub id or folder.
        device: As in the config.

    Raises:
        VlitError: When it cannot be loaded.
    """

    def __init__(self, name: str, device: str = "auto") -> None:
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        from vlit.weights.device import load, pick_device, quiet

        quiet()
        self.name, self._device = name, pick_device(device)
        self._tokenizer: Any = load(name, lambda: AutoTokenizer.from_pretrained(name))
        model: Any = load(name, lambda: AutoModelForSequenceClassification.from_pretrained(name))
        self._model = model.float().to(self._device).eval()
        config = model.config
        self.labels = [str(config.id2label[i]) for i in range(config.num_labels)]
        # RoBERTa counts positions from behind the padding token's, so two of them cannot be used.
        fits = getattr(config, "max_position_embeddings", _LONGEST + 2) - 2
        self._longest = max(8, min(fits, self._tokenizer.model_max_length, _LONGEST))
        innocent = any(label.lower() in INNOCENT for label in self.labels)
        self._independent = config.problem_type == "multi_label_classification" or not innocent

    def toxic(self, chosen: Sequence[str]) -> list[int]:
        """Places of the labels that count.

        Raises:
            VlitError: For a label that it does not have, and for labels without names where none is chosen.
        """
        known = {label.lower(): i for i, label in enumerate(self.labels)}
        if strange := [label for label in chosen if label.lower() not in known]:
            raise VlitError(
                f"the classifier has no label {strange[0]!r}",
                where="assess.indicators.toxicity.labels",
                todo=f"take some of: {', '.join(self.labels)}",
            )
        places = [known[label.lower()] for label in chosen]
        places = places or [i for label, i in known.items() if label not in INNOCENT]
        if not chosen and (not places or all(map(_NO_NAME.fullmatch, self.labels))):
            raise VlitError(
                f"which labels of {self.name} are toxic cannot be told: {', '.join(self.labels)}",
                where="assess.indicators.toxicity",
                todo="name them as `labels: [...]`; the model's card tells what they mean",
            )
        return places

    def judged(self, texts: Sequence[str], labels: Sequence[str], batch_size: int) -> list[tuple[float, str]]:
        """The highest probability of a toxic label of each text, and the label."""
        from vlit.weights.device import in_batches

        places = self.toxic(labels)
        order = sorted(range(len(texts)), key=lambda i: (len(texts[i]), i))  # little padding
        found = in_batches([texts[i] for i in order], batch_size, self._probabilities, self.name)
        told: list[tuple[float, str]] = [(0.0, "")] * len(texts)
        for i, row in zip(order, found, strict=True):
            value, place = max((row[place], place) for place in places)
            told[i] = value, self.labels[place]
        return told

    def _probabilities(self, texts: Sequence[str]) -> list[list[float]]:
        """Probabilities of all labels, for each text the highest of its pieces."""
        import torch

        pieces = self._tokenizer(
            list(texts),
            truncation=True,
            max_length=self._longest,
            return_overflowing_tokens=True,
            padding=True,
            return_tensors="pt",
        )
        owners = pieces.pop("overflow_to_sample_mapping")
        inputs = {k: v.to(self._device) for k, v in pieces.items() if k in self._tokenizer.model_input_names}
        with torch.inference_mode():
            logits = self._model(**inputs).logits.float().cpu()
        rows = logits.sigmoid() if self._independent else logits.softmax(-1)
        best = np.zeros((len(texts), rows.shape[1]), np.float32)
        np.maximum.at(best, owners.numpy(), rows.numpy())
        found: list[list[float]] = best.tolist()
        return found


@functools.lru_cache(maxsize=2)
def _loaded(name: str, device: str) -> Classifier:
    return Classifier(name, device)
