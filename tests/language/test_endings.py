"""How texts end."""

from __future__ import annotations

import pytest

from vlit.language.endings import dangles, ends_open, last_line


@pytest.mark.parametrize(
    ("text", "open_"),
    [
        ("A man stands on the", True),
        ("A dog,", True),
        ("A dog.", False),
        ("A dog", False),
        ("a b c d e f g h i j k l m n", True),  # 14 words without a full stop
        ("First.\n- an item and", False),
        ("Well.\n2) of the", False),
        ("**The end**", False),
        ("", False),
    ],
)
def test_open_ends(text: str, open_: bool) -> None:
    assert ends_open(text) is open_


def test_last_lines() -> None:
    assert last_line("one\ntwo**  \n") == "two"
    assert len(last_line("x" * 900)) == 400
    assert dangles("of The") and not dangles("they")
