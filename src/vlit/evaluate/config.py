"""The recipe's ``evaluate:`` key: which models answer which benchmarks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import pydantic
from pydantic import Field

from vlit.evaluate.benchmark import AnyBenchmark
from vlit.evaluate.registry import BENCHMARKS
from vlit.run import stage
from vlit.run.named import check_named
from vlit.teacher.config import BudgetConfig, EndpointConfig, PriceConfig
from vlit.tune.config import DataConfig

#: Key of a benchmark's settings that names it, where the recipe calls it otherwise.
_KIND = "benchmark"
#: What the model that the run has tuned is called.
TUNED = "tuned"


class EvaluatedModel(stage.Config):
    """A model that answers. A text in the recipe stands for ``{model: text}``."""

    model: str | None = Field(
        None, description="hub id, folder, or `pocket`; by default the model that the run has tuned"
    )
    name: str | None = Field(None, description="of its folder below evaluation/, and in tables")
    template: str | None = Field(
        None, description="a chat template of vlit or a .jinja file; by default that of the model"
    )
    endpoint: EndpointConfig | None = Field(
        None, description="an OpenAI-compatible server that has the model; a URL stands for {url: ...}"
    )
    longest_side: int | None = Field(
        None, ge=32, description="pixels; makes photos smaller for an endpoint; by default they are as they are"
    )
    extra: Mapping[str, Any] = Field({}, description="fields of the endpoint alone, sent in each request")
    prices: Mapping[str, PriceConfig] = Field({}, description="of the endpoint, as in `teacher`")
    budget: BudgetConfig = BudgetConfig()

    @pydantic.model_validator(mode="before")
    @classmethod
    def _text_is_a_model(cls, given: Any) -> Any:
        return {"model": given} if isinstance(given, str) else given

    @pydantic.field_validator("endpoint", mode="before")
    @classmethod
    def _url_is_an_endpoint(cls, given: Any) -> Any:
        return {"url": given} if isinstance(given, str) else given

    @pydantic.model_validator(mode="after")
    def _endpoint_has_a_model(self) -> Self:
        if self.endpoint is not None and self.model is None:
            raise ValueError("name the model as the endpoint knows it: `model:`")
        if self.endpoint is not None and self.template is not None:
            raise ValueError("an endpoint lays out its own chat template; leave out `template:`")
        return self

    @property
    def folder(self) -> str:
        """Name of its folder."""
        name = self.name or (TUNED if self.model is None else Path(self.model.rstrip("/")).name)
        return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "model"


class EvaluateConfig(stage.Config):
    """Every model answers every benchmark."""

    models: tuple[EvaluatedModel, ...] = Field(
        (EvaluatedModel(),), description="by default the model that the run has tuned"
    )
    benchmarks: Mapping[str, dict[str, Any] | None] = Field(
        {"held_out": None},
        description="by name, each with its files; another name needs `benchmark:`, e.g. "
        "{seed_ranking: {benchmark: seed, protocol: ranking}}",
    )
    batch: int | None = Field(
        None, ge=1, description="prompts at once; by default 8 on a CPU, 32 on a GPU; halved where memory ends"
    )
    device: str = "auto"
    limit: int | None = Field(
        None,
        ge=1,
        description="questions of each benchmark at most, drawn in whole units (MME: those of a photo), "
        "at least one; the score is then partial",
    )
    contamination: bool = Field(
        True, description="look for questions and photos among the samples that the model was tuned on"
    )
    training: DataConfig | None = Field(
        None,
        description="the set that the models were tuned on, {path: ..., images: ...}; by default the run's",
    )
    seed: int | None = Field(None, ge=0, description="of limits and intervals; by default that of the recipe")

    @pydantic.field_validator("benchmarks", mode="before")
    @classmethod
    def _known(cls, value: Any) -> Any:
        if isinstance(value, Mapping):
            for name, given in value.items():
                kind, settings = _named(name, given)
                check_named({kind: settings}, BENCHMARKS)
        return value

    @pydantic.model_validator(mode="after")
    def _something_once(self) -> Self:
        if not self.models or not self.benchmarks:
            raise ValueError("name at least one model and one benchmark")
        names = [model.folder for model in self.models]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two models have the folder {twice[0]!r}; give one of them a `name:`")
        if odd := [name for name in self.benchmarks if not re.fullmatch(r"\w[\w.-]*", str(name))]:
            raise ValueError(f"{odd[0]!r} names a folder: letters, digits, '_', '-' and '.'")
        return self

    def make(self) -> dict[str, AnyBenchmark]:
        """The benchmarks by the names that the recipe gives them.

        Raises:
            VlitError: When one has no such protocol.
        """
        found: dict[str, AnyBenchmark] = {}
        for name, given in self.benchmarks.items():
            kind, settings = _named(name, given)
            cls: type[AnyBenchmark] = BENCHMARKS.load(kind)
            found[name] = cls(cls.Config.model_validate(settings or {}))
        return found


def _named(name: Any, given: Any) -> tuple[Any, Any]:
    """The benchmark that a key stands for, and its settings."""
    if not isinstance(given, Mapping) or _KIND not in given:
        return name, given
    return given[_KIND], {key: value for key, value in given.items() if key != _KIND}
