"""From the text of a reply to what it holds, or to what is wrong in it."""

from __future__ import annotations

from collections.abc import Collection

from vlit.generate.instruct.recipe import ReplyConfig
from vlit.generate.instruct.replies.contract import Flaws, Parsed

#: ``x1, y1, x2, y2`` as the teacher was given them: fractions of the image.
BoxValues = tuple[float, float, float, float]


def parse(
    text: str, finish: str | None, reply: ReplyConfig, boxes: Collection[BoxValues] = ()
) -> Parsed | Flaws:
    """Read a reply and hold it to its contract.

    Whatever can be put right without doubt is put right, and named in ``repairs``. Pairs and items that break the
    contract are left out where enough good ones remain; more than were asked for are cut to the first ones.

    Args:
        text: The reply.
        finish: The server's word for why it ended: "stop", "length", "content_filter"; None where it said none.
        reply: The contract.
        boxes: The boxes that the teacher was shown; with `boxes: tagged` every other one is invented, except
            where this is empty.

    Returns:
        What the reply holds, or its flaws: at least one, at most one of each kind.
    """
    raise NotImplementedError
