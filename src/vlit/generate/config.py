"""Config of annotation adaption."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import pydantic

from vlit.generate.fact import Task, TaskConfig
from vlit.generate.tasks import TASKS
from vlit.run.named import check_named
from vlit.run.stage import Config

Answers = Literal["short", "sentence", "mixed"]


class AdaptConfig(Config):
    """Instruction pools x response rules."""

    answers: Answers = "mixed"  #: short ones with a format instruction, whole sentences, or half of each
    box_format: Literal["normalised", "padded_square"] = "normalised"
    pools: str | None = None  #: folder with pools of your own; groups in it replace ours
    #: Share of the image that an object needs to be pointed at.
    min_area: float = pydantic.Field(default=0.005, ge=0, lt=1)
    #: The tasks and their settings; all of them when left out.
    tasks: Mapping[str, pydantic.SerializeAsAny[TaskConfig]] = pydantic.Field({}, validate_default=True)

    @pydantic.field_validator("tasks", mode="before")
    @classmethod
    def _typed(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value  # pydantic says what is wrong with it
        wanted = {
            name: settings.model_dump() if isinstance(settings, TaskConfig) else settings
            for name, settings in (value or dict.fromkeys(TASKS.names())).items()
        }
        check_named(wanted, TASKS)
        return {name: TASKS.load(name).Config.model_validate(s or {}) for name, s in wanted.items()}

    def make_tasks(self) -> dict[str, Task[Any]]:
        """The tasks with their settings, in the registry's order."""
        return {name: TASKS.load(name)(self.tasks[name]) for name in TASKS.names() if name in self.tasks}
