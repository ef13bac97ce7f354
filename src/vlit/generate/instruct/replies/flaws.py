"""What is wrong with a reply, in words that its teacher can act upon."""

from __future__ import annotations

from collections.abc import Iterable

from vlit.generate.instruct.recipe import ReplyConfig
from vlit.generate.instruct.replies.contract import KINDS, Flaw, FlawKind, Flaws
from vlit.generate.instruct.replies.judge import Problem

#: What stands before the places of a kind, and what is to be done about it.
_WORDS: dict[FlawKind, tuple[str, str]] = {
    "empty": ("There is nothing where text should be", "Write every question and every answer in full."),
    "refusal": ("You refused", "All that you need is in my first message: work with that."),
    "truncated": ("The reply breaks off", "Finish the last sentence, and be shorter where you must."),
    "reasoning": ("You think aloud", "Write the result alone."),
    "form": ("The form is wrong", "Keep exactly to the form that I gave."),
    "too_few": ("There is too little", "Write as many as I asked for."),
    "roles": ("Questions and answers are mixed up", "Let each question be followed by its own answer."),
    "tokens": ("There are control tokens in the text", "Leave them out."),
    "placeholder": (
        "Words of the form were left as they are",
        "Put real questions and answers in their place.",
    ),
    "tags": (
        "References to objects are missing or wrong",
        "Refer to objects in each question and each answer as <st>name<ed> [x1, y1, x2, y2], "
        "with boxes from the list that you were given.",
    ),
    "boxes": ("There are coordinates in the text", "Say in words where things are."),
    "leak": ("You speak of your source", "Write as someone who looks at the image itself."),
    "duplicate": ("Something is said twice", "Let all of them differ."),
    "answers": ("There is an answer that is not allowed", "Answer with one of these alone: {answers}."),
    "words": ("The length is wrong", "Keep between {least} and {most} words."),
    "negative": ("There are too few answers that begin with No", "Ask for more that is not there."),
}
_MOST = 3


def flaws_of(problems: Iterable[Problem], reply: ReplyConfig) -> Flaws:
    """The flaws of a reply: one for each kind of its problems, the gravest first.

    Args:
        problems: In any order; of each kind the first ones are named.
        reply: The contract.
    """
    by_kind: dict[FlawKind, list[Problem]] = {}
    for problem in problems:
        by_kind.setdefault(problem.kind, []).append(problem)
    return tuple(Flaw(kind, _said(kind, by_kind[kind], reply)) for kind in KINDS if kind in by_kind)


def _said(kind: FlawKind, problems: list[Problem], reply: ReplyConfig) -> str:
    lead, todo = _WORDS[kind]
    least, most = reply.words or (0, 0)
    places = [f"{problem.where} {problem.said}".strip() for problem in problems]
    more = f"; and {len(places) - _MOST} more" if len(places) > _MOST else ""
    todo = todo.format(answers="; ".join(reply.answers), least=least, most=most)
    return f"{lead}: {'; '.join(places[:_MOST])}{more}. {todo}"
