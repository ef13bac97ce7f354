"""What may still be spent: calls in flight are counted at the most that they can cost."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Any

import msgspec
import orjson

from vlit.data.errors import VlitError
from vlit.teacher.config import PriceConfig, TeacherConfig
from vlit.teacher.journal import Totals
from vlit.teacher.message import Request, Text
from vlit.teacher.reply import BudgetSpent

#: Tokens that a chat template adds: to a conversation (some bring a system prompt along), to each message.
_TEMPLATE, _MESSAGE = 64, 16


class Most(msgspec.Struct, frozen=True, gc=False):
    """Tokens that one call can cost at most."""

    prompt: int
    completion: int  #: of each reply


def most_of(request: Request, picture_tokens: int) -> Most:
    """An upper bound from the request alone: no tokenizer makes more tokens of a text than it has bytes."""
    prompt = _TEMPLATE + len(request.schema or "") + len(request.extra)
    for message in request.messages:
        prompt += _MESSAGE
        for part in message.parts:
            if isinstance(part, Text):
                prompt += len(part.text) if part.text.isascii() else len(part.text.encode("utf-8", "replace"))
            else:
                prompt += picture_tokens
    completion = request.sampling.max_tokens
    if request.extra:
        completion = max(completion, _told_most(orjson.loads(request.extra)))
    return Most(prompt, completion)


def _told_most(extra: Mapping[str, Any]) -> int:
    told = (extra.get(name) for name in ("max_tokens", "max_completion_tokens", "max_new_tokens"))
    return max((value for value in told if isinstance(value, int)), default=0)


def money(prices: Mapping[str, PriceConfig], model: str, spent: Totals) -> float | None:
    """What it cost at most, in the currency of the prices; ``None`` where the model has no price."""
    if (price := prices.get(model)) is None:
        return None
    known = spent.prompt * price.prompt + spent.completion * price.completion
    return (known + spent.unknown * max(price.prompt, price.completion)) / 1e6


class Budget:
    """Holds every call against what may be spent.

    Args:
        config: Its budget and prices.
        spent: By model, what the journal knows already: calls of this session are counted from here on.
    """

    def __init__(self, config: TeacherConfig, spent: Mapping[str, Totals]) -> None:
        self._most, self._prices = config.budget, config.prices
        self.totals = {model: msgspec.structs.replace(totals) for model, totals in spent.items()}
        self.before = {model: msgspec.structs.replace(totals) for model, totals in spent.items()}
        self.flying = 0  #: calls whose cost is not known yet
        self.reserved = 0  #: tokens that they can cost at most
        self.excess = 0  #: tokens by which a call passed its bound: pictures, hidden prompts
        self._limited = self._most.tokens is not None or self._most.money is not None
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def admit(self, model: str, most: int) -> None:
        """Come back when a call of at most ``most`` tokens may be made; ``sent`` has to follow at once.

        Raises:
            BudgetSpent: When it could pass the budget, and no call is in flight that may turn out cheaper.
            VlitError: When there is a budget in money and the model has no price.
        """
        if not self._limited:
            return
        while not self._fits(model, most):
            if not self.flying:
                raise BudgetSpent(self._words(most))
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            await waiter
        self._wake_next()

    def sent(self, model: str, most: int) -> None:
        """A call leaves."""
        totals = self._totals(model)
        totals.calls += 1
        totals.unknown += most
        self.flying += 1
        self.reserved += most

    def answered(self, model: str, most: int, prompt: int, completion: int) -> None:
        """It was answered and cost this many tokens."""
        totals = self._totals(model)
        totals.replies += 1
        totals.unknown -= most
        totals.prompt += prompt
        totals.completion += completion
        self._landed(most)

    def learn(self, excess: int) -> None:
        """A call cost so many tokens more than its bound; from now on each one may."""
        self.excess = max(self.excess, excess)

    def failed(self, model: str, most: int, cost: int | None) -> None:
        """It was not answered; ``None``: nobody knows what it cost, and it stays counted at the most."""
        totals = self._totals(model)
        totals.failed += 1
        if cost is not None:
            totals.unknown -= most
            totals.completion += cost
        self._landed(most)

    def _landed(self, most: int) -> None:
        self.flying -= 1
        self.reserved -= most
        if self._waiting:
            if self.flying:
                self._wake_next()
            else:  # whoever does not fit now never will
                while self._waiting:
                    self._wake_next()

    def _wake_next(self) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def _fits(self, model: str, most: int) -> bool:
        tokens = self._most.tokens
        if tokens is not None and sum(t.most for t in self.totals.values()) + most > tokens:
            return False
        if self._most.money is None:
            return True
        if model not in self._prices:
            raise VlitError(
                f"there is a budget in money, but the model {model!r} has no price",
                where="teacher.prices",
                todo=f"add its price per million tokens: {{{model}: {{prompt: 0.15, completion: 0.6}}}}",
            )
        price = self._prices[model]
        dearest = most * max(price.prompt, price.completion) / 1e6
        return (self.money or 0.0) + dearest <= self._most.money

    @property
    def money(self) -> float | None:
        """What all calls of the journal cost at most; ``None`` where no model of it has a price."""
        return self._money(self.totals)

    @property
    def money_since_start(self) -> float | None:
        """The same, of this session alone."""
        now = self._money(self.totals)
        return None if now is None else now - (self._money(self.before) or 0.0)

    def _money(self, spent: Mapping[str, Totals]) -> float | None:
        known = [m for model, t in spent.items() if (m := money(self._prices, model, t)) is not None]
        return sum(known) if known else None

    def _totals(self, model: str) -> Totals:
        if (totals := self.totals.get(model)) is None:
            totals = self.totals[model] = Totals()
        return totals

    def _words(self, most: int) -> str:
        spent = f"{sum(t.most for t in self.totals.values()):,} tokens"
        if (cost := self.money) is not None:
            spent += f" ({cost:,.2f} in money)"
        return (
            f"{spent} are spent at most; the next call could cost {most:,} tokens, which is more than is left"
        )
