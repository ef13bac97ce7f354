"""Parts of a config that other components declare: settings by name, checked all at once.

Pydantic sees one recipe; what a task or an indicator takes, only that component knows. The mistakes found here
carry their place within the config, so that the recipe can tell the line of each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pydantic
from pydantic_core import InitErrorDetails, PydanticCustomError

from vlit.data.errors import nearest
from vlit.data.registry import Registry

#: Pydantic's types of mistakes that it words for people who write Python.
_WORDS = {
    "missing": "the key is missing",
    **dict.fromkeys(("tuple_type", "list_type"), "a list is needed: `[one, two]`, or `- one` a line"),
    **dict.fromkeys(("dict_type", "model_type", "mapping_type"), "keys with values are needed: `key: value`"),
    "string_type": "text is needed (a number or a date goes in quotes)",
    "string_too_short": "text is needed",
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "a whole number is needed"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number is needed"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false is needed"),
    "invalid_key": "a key is text: put it in quotes",
}


def check_named(settings: Mapping[Any, Any], registry: Registry) -> None:
    """Check settings by name, such as ``{counting: {per_scene: 2}, presence: null}``.

    Args:
        settings: Name of a component to its settings, or to null for its defaults.
        registry: Of components that have a ``Config``.

    Raises:
        pydantic.ValidationError: With every unknown name, unknown key and wrong value.
    """
    found: list[InitErrorDetails] = []
    for name, given in settings.items():
        if name not in registry.targets():
            text = f"there is no {registry.noun} {name!r}; {nearest(str(name), registry.targets())}"
            found.append(mistake("unknown_name", text, (str(name),), given))
            continue
        config: type[pydantic.BaseModel] = registry.load(name).Config
        try:
            config.model_validate({} if given is None else given)
        except pydantic.ValidationError as error:
            found += within(error, config, (str(name),))
    if found:
        raise pydantic.ValidationError.from_exception_data(registry.group, found)


def within(
    error: pydantic.ValidationError, model: type[pydantic.BaseModel], at: Iterable[str] = ()
) -> Iterator[InitErrorDetails]:
    """The mistakes of a part, placed in the whole; an unknown key is told the keys that this model takes."""
    for item in error.errors():
        kind, message = item["type"], worded(item)
        if kind == "extra_forbidden":
            kind, message = "unknown_name", f"unknown key; {nearest(str(item['loc'][-1]), model.model_fields)}"
        yield mistake(kind, message, (*at, *item["loc"]), item["input"])


def told(error: pydantic.ValidationError) -> Iterator[str]:
    """Each mistake as ``key: what is wrong``."""
    for item in error.errors():
        yield f"{'.'.join(map(str, item['loc']))}: {worded(item)}"


def worded(item: Any) -> str:
    """A mistake in the words of people who write YAML, not of pydantic."""
    message: str = _WORDS.get(item["type"], item["msg"])
    return message.removeprefix("Value error, ").replace("Input should be", "it has to be")


def mistake(kind: str, message: str, location: tuple[int | str, ...], value: Any) -> InitErrorDetails:
    """One mistake, in pydantic's form."""
    text = PydanticCustomError(kind, "{message}", {"message": message})
    return InitErrorDetails(type=text, loc=location, input=value)
