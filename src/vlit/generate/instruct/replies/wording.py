"""The words that tell a teacher the form of its reply; :mod:`.parse` holds the reply to exactly this."""

from __future__ import annotations

from vlit.generate.instruct.recipe import ReplyConfig

_PAIR = "Question: <your question>\nAnswer: <your answer>"
_TURN = "User: <your question>\nGPT: <your answer>"
_TAGS = (
    "In every question and in every answer, refer to at least one object as "
    "<st>name<ed> [x1, y1, x2, y2]: its name between the two tags, then its box with exactly the four numbers "
    "that you were given. Several objects of one name are <st>names<ed> [x1, y1, x2, y2], [x1, y1, x2, y2]. "
    "Write no box without a name and no name in tags without a box."
)
_NO_BOXES = "Write no coordinates: where things are is said in words."
_NO_LEAK = (
    "Write as someone who looks at the image itself: never say or hint that you were given captions, "
    "descriptions, annotations, lists{boxes} or any other text about it{words}."
)


def wording(reply: ReplyConfig) -> str:
    """The text for the slot ``{format}``: form, counts and conditions of a reply, in plain sentences."""
    rules = [_form(reply), _answers(reply), _NO_BOXES if reply.boxes == "none" else _TAGS]
    if not reply.leaks:
        tagged = reply.boxes == "tagged"  # boxes are asked for there, and only words about them give it away
        words = ", and say nothing about boxes or coordinates in words" if tagged else ""
        rules.append(_NO_LEAK.format(boxes="" if tagged else ", boxes", words=words))
    return "\n\n".join(filter(None, rules))


def _form(reply: ReplyConfig) -> str:
    n = reply.count
    alone = "with nothing before, between or after"
    if reply.form == "text":
        return "Reply with the text alone: no heading, no list, no remark before or after it."
    if reply.form == "list":
        what = f"a numbered list of exactly {n} items" if n > 1 else "one item, as a numbered list"
        return f"Reply with {what}, one a line, {alone}:\n\n1. <your text>"
    if reply.form == "pairs":
        what = (
            f"exactly {n} different questions, each with its answer,"
            if n > 1
            else "one question and its answer,"
        )
        return f"Reply with {what} in this form, {alone}:\n\n{_PAIR}"
    what = f"exactly {reply.topics} conversations" if reply.topics > 1 else "one conversation"
    each = f"{n} different questions with their answers" if n > 1 else "one question with its answer"
    if reply.topics > 1:
        each = f"each of another topic and with exactly {each}"
    else:
        each = f"with exactly {each}" if n > 1 else f"with {each}"
    if reply.topics > 1:
        each += " below the line with the topic"
    return f"Reply with {what}, {each}, in this form, {alone}:\n\nTopic: <your topic>\n{_TURN}"


def _answers(reply: ReplyConfig) -> str:
    alone = reply.form == "pairs" and reply.count == 1
    each = {"text": "The text", "list": "Each item"}.get(reply.form, "The answer" if alone else "Each answer")
    said = []
    if reply.answers:
        said.append(f"{each} is one of these and no other: {'; '.join(reply.answers)}.")
    if reply.words:
        least, most = reply.words
        said.append(f"{each} has {least} to {most} words." if least < most else f"{each} has {most} words.")
    if reply.negative:
        answers = "answer begins" if reply.negative == 1 else "answers begin"
        said.append(f'At least {reply.negative} {answers} with "No".')
    return " ".join(said)
