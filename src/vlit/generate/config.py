"""Config of annotation adaption."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import pydantic

from vlit.data.errors import nearest
from vlit.generate.fact import Task, TaskConfig
from vlit.generate.tasks import TASKS
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
        wanted = value or dict.fromkeys(TASKS.names())
        return {name: _task_config(name, settings) for name, settings in wanted.items()}

    def make_tasks(self) -> dict[str, Task[Any]]:
        """The tasks with their settings, in the registry's order."""
        return {name: TASKS.load(name)(self.tasks[name]) for name in TASKS.names() if name in self.tasks}


def _task_config(name: Any, settings: Any) -> TaskConfig:
    if name not in TASKS.targets():
        raise ValueError(f"there is no task {name!r}; {nearest(str(name), TASKS.targets())}")
    kind: type[TaskConfig] = TASKS.load(name).Config
    if isinstance(settings, TaskConfig):
        settings = settings.model_dump()
    settings = settings or {}
    if not isinstance(settings, Mapping):
        raise ValueError(f"{name} takes settings such as {{per_scene: 2}}, not {settings!r}")
    for key in settings:
        if key not in kind.model_fields:
            raise ValueError(f"the task {name} has no setting {key!r}; {nearest(str(key), kind.model_fields)}")
    try:
        return kind.model_validate(settings)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{name}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
