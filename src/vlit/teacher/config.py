"""``teacher:`` of a recipe: which servers are asked, how fast, and for how much."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import pydantic
from pydantic_core import PydanticCustomError

from vlit.run.stage import Config

Positive = Annotated[float, pydantic.Field(gt=0)]


class EndpointConfig(Config):
    """One server that speaks the OpenAI protocol."""

    url: str = pydantic.Field(description="base URL, up to and with /v1")
    key: str | None = pydantic.Field(
        None,
        description="name of the environment variable that holds the key; none where the server needs none",
    )
    concurrency: int = pydantic.Field(
        64, ge=1, description="most calls in flight; fewer while it is overloaded"
    )
    requests_per_minute: Positive | None = None
    tokens_per_minute: Positive | None = None

    @pydantic.field_validator("url")
    @classmethod
    def _is_base(cls, url: str) -> str:
        if not url.startswith(("http://", "https://")):
            raise ValueError("a URL is needed, for example http://localhost:8000/v1")
        if "@" in urlsplit(url).netloc:
            text = "a URL without user and password is needed: `key:` names the variable that holds a key"
            raise PydanticCustomError("secret", "{text}", {"text": text})
        return url.rstrip("/").removesuffix("/chat/completions")

    @pydantic.field_validator("key")
    @classmethod
    def _is_name(cls, key: str | None) -> str | None:
        # A key that was pasted here must not be repeated in an error or kept in the run folder.
        if key is not None and not (key.isidentifier() and len(key) <= 60):
            text = "the NAME of an environment variable is needed, never the key itself"
            raise PydanticCustomError("secret", "{text}", {"text": text})
        return key


class PriceConfig(Config):
    """What a model costs, in any currency, per million tokens."""

    prompt: float = pydantic.Field(ge=0)
    completion: float = pydantic.Field(ge=0)


class BudgetConfig(Config):
    """What may be spent, over all runs that share the journal."""

    tokens: int | None = pydantic.Field(None, ge=0)
    money: float | None = pydantic.Field(None, ge=0, description="in the currency of `prices`")


class BatchConfig(Config):
    """Batch files: half the price and a day's patience."""

    submit: bool = pydantic.Field(
        True, description="false: write the files, stop, and take in the results that are put beside them"
    )
    size: int = pydantic.Field(50_000, ge=1, le=50_000, description="requests a file")
    megabytes: int = pydantic.Field(190, ge=1, le=200, description="size of a file")
    poll: Positive = pydantic.Field(60.0, description="seconds between two looks")


class TeacherConfig(Config):
    """How the teacher is asked."""

    model: str
    endpoints: tuple[EndpointConfig, ...]
    timeout: Positive = pydantic.Field(120.0, description="seconds of one attempt")
    deadline: Positive = pydantic.Field(900.0, description="seconds of a request with all its attempts")
    attempts: int = pydantic.Field(8, ge=1, description="of one request; 429 does not count")
    structured: bool = pydantic.Field(
        False, description="hold replies to a JSON schema, on servers that can: OpenAI, vLLM, SGLang, llama.cpp"
    )
    pictures: Literal["data", "url"] = pydantic.Field(
        "data", description="data: bytes in the message; url: the photo's URL, where it has one"
    )
    longest_side: int | None = pydantic.Field(
        1024,
        ge=32,
        description="pixels; bigger photos are made smaller before they are sent; none: as they are",
    )
    picture_tokens: int = pydantic.Field(
        1500, ge=0, description="most tokens that a photo counts; what is in flight is reserved at this"
    )
    prices: Mapping[str, PriceConfig] = {}
    budget: BudgetConfig = BudgetConfig()
    batch: BatchConfig | None = None
    journal: str | None = pydantic.Field(
        None, description="folder of the journal; by default `journal` in the run folder. Runs may share one"
    )
    extra: Mapping[str, Any] = pydantic.Field(
        {}, description="fields of your server alone, sent in each request"
    )

    @pydantic.field_validator("endpoints")
    @classmethod
    def _some(cls, endpoints: tuple[EndpointConfig, ...]) -> tuple[EndpointConfig, ...]:
        if not endpoints:
            raise ValueError("name at least one, for example {url: http://localhost:8000/v1}")
        return endpoints

    @pydantic.model_validator(mode="after")
    def _money_has_a_price(self) -> TeacherConfig:
        if self.budget.money is not None and self.model not in self.prices:
            raise ValueError(
                f"budget.money needs the price of {self.model!r}: "
                f"prices: {{{self.model}: {{prompt: 0.15, completion: 0.6}}}}, per million tokens"
            )
        return self
