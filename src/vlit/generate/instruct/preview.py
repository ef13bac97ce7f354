"""What would be asked, at what cost at most; nothing is sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from typing import TypeAlias

from vlit.data.scene import Scene
from vlit.generate.instruct.exchange import exchange
from vlit.generate.instruct.instructor import Instructor
from vlit.generate.instruct.unit import Asker, Unit
from vlit.teacher.exchange import Wanted
from vlit.teacher.message import Text

#: Who rewords instructions, and each of them in place of a scene.
Rewriting: TypeAlias = tuple[Asker, Sequence[Scene]]

#: Characters of English to a token, for estimates alone.
_CHARACTERS = 4.0


@dataclass
class Estimate:
    """What one recipe asks of all scenes, when every reply is right at once."""

    requests: int = 0
    replies: int = 0
    passed_over: int = 0  #: scenes or regions that lack the clues that it needs
    characters: int = 0  #: of the prompts
    pictures: int = 0
    most_completion: int = 0  #: tokens, if every reply is as long as it may be

    def prompt_tokens(self, picture: int) -> int:
        """About how many; ``picture`` is what a picture counts."""
        return int(self.characters / _CHARACTERS) + self.pictures * picture


@dataclass
class Preview:
    """The first requests of each recipe, and what all of them are."""

    first: dict[str, list[Wanted]] = field(default_factory=dict)
    estimates: dict[str, Estimate] = field(default_factory=dict)
    scenes: int = 0  #: that were looked at
    fixed: frozenset[str] = frozenset()  #: recipes that ask the same however many scenes there are

    def scaled(self, factor: float) -> Preview:
        """The same for more scenes of the same kind."""
        estimates = {
            name: Estimate(**{key: round(value * factor) for key, value in asdict(estimate).items()})
            for name, estimate in self.estimates.items()
            if name not in self.fixed
        }
        return replace(self, estimates=self.estimates | estimates)


def preview(
    instructor: Instructor, scenes: Iterable[Scene], number: int, rewriting: Rewriting | None = None
) -> Preview:
    """Look at what would be asked.

    Args:
        instructor: The recipes.
        scenes: All of them are counted.
        number: How many requests of each recipe are kept.
        rewriting: Who rewords instructions, and which.
    """
    askers = [*([rewriting[0]] if rewriting else []), *instructor.askers]
    seen = Preview(
        {asker.prompt.name: [] for asker in askers},
        {asker.prompt.name: Estimate() for asker in askers},
        fixed=frozenset({rewriting[0].prompt.name} if rewriting else ()),
    )
    for scene in rewriting[1] if rewriting else ():
        _look(seen, askers[0], scene, number)
    for scene in scenes:
        seen.scenes += 1
        for asker in instructor.askers:
            _look(seen, asker, scene, number)
    return seen


def _look(seen: Preview, asker: Asker, scene: Scene, number: int) -> None:
    estimate, first = seen.estimates[asker.prompt.name], seen.first[asker.prompt.name]
    units = list(asker.units(scene))
    estimate.passed_over += not units
    for unit in units:
        wanted = list(_first_of(asker, unit))
        estimate.passed_over += not wanted
        for want in wanted:
            _add(estimate, want)
        first += islice(wanted, number - len(first))


def _first_of(asker: Asker, unit: Unit) -> Iterator[Wanted]:
    """The first request of each generation; generations that share one count once, with all their replies."""
    exchanging = exchange(asker, unit)
    seen: dict[str, list[Wanted]] = {}
    try:
        wanted = next(exchanging)
        while True:
            seen.setdefault(wanted.request.key, []).append(wanted)
            wanted = exchanging.send(None)
    except StopIteration:
        pass
    for same in seen.values():
        yield Wanted(same[0].request, max(len(same), same[0].n))


def _add(estimate: Estimate, want: Wanted) -> None:
    parts = [part for message in want.request.messages for part in message.parts]
    words = [len(part.text) for part in parts if isinstance(part, Text)]
    estimate.requests += 1
    estimate.replies += want.n
    estimate.characters += sum(words)
    estimate.pictures += len(parts) - len(words)
    estimate.most_completion += want.n * want.request.sampling.max_tokens
