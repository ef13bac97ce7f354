"""What is known of a text piece by piece."""

import vlit.language.pieces as module
from vlit.language.pieces import Pieces


def test_each_piece_is_asked_for_once_but_long_ones_each_time():
    asked = []
    known = Pieces(lambda piece: asked.append(piece) or len(piece))
    long = "x" * 41
    assert list(known.of(f" a bb\ta {long}\n{long} ")) == [1, 2, 1, 41, 41]
    assert asked == ["a", "bb", long, long]


def test_it_does_not_grow_without_end(monkeypatch):
    monkeypatch.setattr(module, "_REMEMBERED", 3)
    known = Pieces(str.upper)
    assert list(known.of("a b c d a b")) == ["A", "B", "C", "D", "A", "B"]
    assert len(known) <= 3
