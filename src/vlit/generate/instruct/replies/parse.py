"""From the text of a reply to what it holds, or to what is wrong in it."""

from __future__ import annotations

from collections.abc import Callable, Collection

from vlit.generate.instruct.recipe import ReplyConfig
from vlit.generate.instruct.replies.clean import unwrap
from vlit.generate.instruct.replies.contract import Flaws, Parsed
from vlit.generate.instruct.replies.conversations import read_conversations
from vlit.generate.instruct.replies.items import read_items
from vlit.generate.instruct.replies.judge import Problem
from vlit.generate.instruct.replies.reading import Reading
from vlit.generate.instruct.replies.text import read_text
from vlit.generate.instruct.tags import BoxValues

#: What servers say of a reply that reached the limit of tokens, or their content filter.
_CUT = {"length", "max_tokens", "max_length", "model_length", "max_output_tokens"}
_FILTERED = {"content_filter", "safety", "recitation", "prohibited_content"}
_READERS: dict[str, Callable[[str, Reading], Parsed | Flaws]] = {
    "pairs": read_conversations,
    "topics": read_conversations,
    "text": read_text,
    "list": read_items,
}


def parse(
    text: str, finish: str | None, reply: ReplyConfig, boxes: Collection[BoxValues] = ()
) -> Parsed | Flaws:
    """Read a reply and hold it to its contract.

    Whatever can be put right without doubt is put right, and named in ``repairs``. Where enough remains, items
    that break the contract are left out, and a conversation ends before its first pair that does: later ones
    may take it up. Of more than were asked for, the first ones are kept.

    Args:
        text: The reply.
        finish: The server's word for why it ended: "stop", "length", "content_filter"; None where it said none.
        reply: The contract.
        boxes: The boxes that the teacher was shown; with `boxes: tagged` every other one is invented, except
            where this is empty.

    Returns:
        What the reply holds, or its flaws: at least one, at most one of each kind.
    """
    finish = (finish or "").lower()
    reading = Reading(reply, set(boxes), finish in _CUT)
    unwrapped = unwrap(text)
    reading.repairs.update(unwrapped.repairs)
    if finish in _FILTERED:
        return reading.flaws([Problem("refusal", "", "the server's content filter stopped the reply")])
    if unwrapped.unclosed:
        return reading.flaws([Problem("truncated", "", "it ends while still thinking")])
    if not unwrapped.text:
        return reading.flaws([Problem("empty", "", "the reply has no text")])
    return _READERS[reply.form](unwrapped.text, reading)
