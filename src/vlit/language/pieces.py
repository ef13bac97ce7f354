"""What is known of a text piece by piece: a piece is what stands between white space."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

_REMEMBERED = 1 << 17  #: pieces
_WORTH = 40  #: characters of the longest piece that is remembered: what is written without spaces never recurs


class Pieces(dict[str, T], Generic[T]):
    """Piece -> what a function says of it, remembered: most pieces of a text have been seen before.

    Only for what depends on the piece alone, not on what stands around it.
    """

    def __init__(self, function: Callable[[str], T]) -> None:
        super().__init__()
        self._function = function

    def __missing__(self, piece: str) -> T:
        found = self._function(piece)
        if len(piece) <= _WORTH:
            if len(self) >= _REMEMBERED:
                self.clear()
            self[piece] = found
        return found

    def of(self, text: str) -> Iterator[T]:
        """What is said of each piece of a text, in order."""
        return map(self.__getitem__, text.split())
