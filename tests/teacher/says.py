"""What the scripted teacher says: grounded questions and answers, statements, and rewordings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain, permutations
from random import Random

from tests.teacher.seen import Seen, Thing, a, many

Pair = tuple[str, str]

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_GENERAL = (
    "What is going on in this scene?",
    "What does the image show?",
    "How would you sum up the picture in a sentence?",
    "What would a passer-by notice first here?",
    "What kind of moment has the photographer caught?",
    "What stands out in this view?",
    "What can be said about the setting?",
    "What makes up the main part of the picture?",
    "If you had to tell a friend about this photo, what would you say?",
    "What draws the eye in this image?",
    "Which situation do we look at?",
    "What is the subject of the photo?",
    "How could the scene be put in other words?",
    "What is visible at first glance?",
    "What might somebody ask about this place, and what is the answer?",
    "What story does the picture tell?",
    "Why might somebody have taken this photo?",
    "What would change the character of this scene the most?",
    "What could happen next, judging by what can be seen?",
    "Which details hint at the purpose of this place?",
)
_FILLERS = (
    "Nothing else in the view takes away from that.",
    "The light and the angle make it easy to make out.",
    "It is a scene that many people know from everyday life.",
    "The rest of the frame fits in with it.",
    "A second look only confirms the first impression.",
    "All in all the view is clear and easy to read.",
    "The parts of the picture belong together.",
    "It gives the photo a calm and natural character.",
    "From this angle the whole is taken in with ease.",
    "That is what the view comes down to.",
)
_OPENINGS = (
    "{}", "Please {}", "Could you {}", "Kindly {}", "I would like you to {}", "Take your time and {}",
    "In your own words, {}", "As well as you can, {}", "Would you {}", "For somebody who cannot see it, {}",
    "Your task is to {}", "Have a close look and {}", "With care, {}", "To begin with, {}",
)  # fmt: skip
_ENDINGS = ("", " now", " in full", " with care", " as clearly as possible", " for me")


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    return f"{text[:1].upper()}{text[1:]}."


def number(count: int) -> str:
    """In words up to ten."""
    return _NUMBERS[count] if count < len(_NUMBERS) else str(count)


def pairs(seen: Seen, random: Random) -> Iterator[Pair]:
    """Questions with grounded answers, each question once, in an order of this draw."""
    general = list(_GENERAL)
    random.shuffle(general)
    said = [sentence(s) for s in seen.sentences] or ["The picture shows an everyday scene."]
    found = [(q, said[(i + random.randrange(9)) % len(said)]) for i, q in enumerate(general)]
    found += [(f"What can be told of {t}?", sentence(s)) for s in seen.sentences for t in _topics(s)]
    found += _about_things(seen)
    found += told(seen)
    random.shuffle(found)
    rest = (
        (f"What is the {number(i)}th thing that comes to mind on seeing this?", said[i % len(said)])
        for i in range(11, 400)
    )
    yield from _once(chain(found, rest))


def told(seen: Seen) -> list[Pair]:
    """What people were asked, with what most of them said."""
    return [(question, _spoken(said)) for question, said in seen.asked]


def denials(seen: Seen, random: Random) -> Iterator[Pair]:
    """Questions about what is not there; answers begin with No."""
    for name in random.sample(seen.missing, len(seen.missing)):
        yield f"Are there {name} in the picture?", f"No, there are no {name} in it."
    for name in random.sample(seen.absent, len(seen.absent)):
        yield f"Is there {a(name)} in the picture?", f"No, there is no {name} in it."
        yield f"Can {a(name)} be made out anywhere?", f"No, {a(name)} cannot be made out."


def choices(seen: Seen, allowed: list[str], random: Random) -> Iterator[Pair]:
    """Questions whose answers are among ``allowed``."""
    if {word.lower() for word in allowed} >= {"yes", "no"}:
        spelt = {word.lower(): word for word in allowed}
        yes = [(f"Is there {a(name)} here?", spelt["yes"]) for name in seen.counts]
        no = [(f"Is there {a(name)} here?", spelt["no"]) for name in seen.absent]
        random.shuffle(no)
        yield from _alternate(yes, no)
    for question, _ in pairs(seen, random):
        yield question, random.choice(allowed)


def tagged(seen: Seen, random: Random) -> Iterator[Pair]:
    """Questions and answers that both refer to things with their boxes."""
    things = list(seen.things)
    random.shuffle(things)
    single = [pair for thing in things for pair in _about_one(thing)]
    double = [_about_two(one, two) for one, two in permutations(things[:8], 2)]
    random.shuffle(single)
    random.shuffle(double)
    yield from _once(_alternate(single, double))


def statements(seen: Seen, random: Random) -> Iterator[str]:
    """Sentences about the scene without end: the clues' own, then of things, then such as fit any scene."""
    said = [sentence(s) for s in seen.sentences]
    random.shuffle(said)
    yield from said
    things = [answer for _, answer in _about_things(seen) if not answer.startswith("Yes")]
    random.shuffle(things)
    yield from things
    while True:
        yield from random.sample(_FILLERS, len(_FILLERS))


def rewordings(text: str, random: Random) -> Iterator[str]:
    """Other ways to put an instruction, each different."""
    core = text.strip().rstrip(".?!")
    core = core[:1].lower() + core[1:]
    made = [o.format(core) + e for o in _OPENINGS for e in _ENDINGS]
    random.shuffle(made)
    yield from _once_text(sentence(m) for m in made)


def _spoken(said: str) -> str:
    """A short answer as a sentence."""
    if said.lower() in ("yes", "no"):
        return "Yes, that is so." if said.lower() == "yes" else "No, that is not so."
    return f"The answer is {said}, as anybody can tell who looks at it."


def _topics(said: str) -> list[str]:
    """Noun phrases, near enough: an article and what follows it."""
    found = re.findall(r"\b(?:a|an|the|some|two|three) ((?:[a-z]+ ){0,1}[a-z]{3,})\b", said.lower())
    return [f"the {phrase}" for phrase in dict.fromkeys(found) if not phrase.endswith((" of", " with", " and"))]


def _about_things(seen: Seen) -> list[Pair]:
    found: list[Pair] = []
    for name, count in seen.counts.items():
        one = next(t for t in seen.things if t.name == name)
        if count == 1:
            found += [
                (f"How many {many(name)} can be seen?", f"There is one {name}."),
                (f"Where is the {name}?", f"The {name} is {_where(one)} of the image."),
                (f"How large does the {name} appear?", f"The {name} takes up {_share(one)} of the view."),
            ]
        else:
            found.append((f"How many {many(name)} are there?", f"There are {number(count)} {many(name)}."))
        found.append((f"Is there {a(name)} in view?", f"Yes, {a(name)} is in view."))
    alone = [t for t in seen.things if seen.counts[t.name] == 1]
    for one, two in permutations(alone[:6], 2):
        side = _side(one, two)
        found.append(
            (f"How do the {one.name} and the {two.name} lie?", f"The {one.name} is {side} {two.name}.")
        )
    return found


def _about_one(thing: Thing) -> list[Pair]:
    tag = thing.tagged
    return [
        (f"Where in the image is {tag}?", f"{tag} is {_where(thing)}."),
        (f"How large does {tag} appear?", f"{tag} takes up {_share(thing)} of the view."),
        (f"What is shown at {tag}?", f"It is {tag}, {_where(thing)}."),
        (f"Would you notice {tag} at once?", f"{tag} takes up {_share(thing)}, so it is seen accordingly."),
        (f"Is {tag} wider than it is tall?", f"{tag} is {_shape(thing)}."),
        (f"In which half does {tag} lie?", f"{tag} lies in the {_half(thing)} half."),
        (f"What could {tag} be there for?", f"{tag} belongs to the scene and stands {_where(thing)}."),
        (f"Which part of the view does {tag} fill?", f"{tag} fills {_share(thing)}, {_where(thing)}."),
        (f"How would you find {tag}?", f"Look {_where(thing)}: there is {tag}."),
        (f"Does {tag} reach the middle of the picture?", f"{tag} is {_where(thing)}, {_middle(thing)}."),
        (f"What is the outline of {tag} like?", f"The outline of {tag} is {_shape(thing)}."),
    ]


def _about_two(one: Thing, two: Thing) -> Pair:
    side = _side(one, two).removesuffix(" the")
    return f"How does {one.tagged} lie to {two.tagged}?", f"{one.tagged} is {side} {two.tagged}."


def _size(thing: Thing) -> tuple[float, float, float]:
    """Centre and area as shares of the image; boxes in pixels are taken as parts of 640 x 480."""
    w, h = (1.0, 1.0) if max(thing.x2, thing.y2) <= 1.5 else (640.0, 480.0)
    area = (thing.x2 - thing.x1) * (thing.y2 - thing.y1) / (w * h)
    return (thing.x1 + thing.x2) / 2 / w, (thing.y1 + thing.y2) / 2 / h, area


def _where(thing: Thing) -> str:
    x, y, _ = _size(thing)
    across = "left" if x < 0.4 else "right" if x > 0.6 else ""
    down = "upper" if y < 0.4 else "lower" if y > 0.6 else ""
    if across and down:
        return f"in the {down} {across} part"
    if across or down:
        return f"in the {across or down} part"
    return "in the middle"


def _half(thing: Thing) -> str:
    return "left" if _size(thing)[0] < 0.5 else "right"


def _middle(thing: Thing) -> str:
    return "so it does" if _where(thing) == "in the middle" else "a little away from it"


def _shape(thing: Thing) -> str:
    return "wider than tall" if thing.x2 - thing.x1 > thing.y2 - thing.y1 else "at least as tall as wide"


def _share(thing: Thing) -> str:
    area = _size(thing)[2]
    return "a small part" if area < 0.05 else "a fair part" if area < 0.3 else "a large part"


def _side(one: Thing, two: Thing) -> str:
    (x1, y1, _), (x2, y2, _) = _size(one), _size(two)
    if abs(x1 - x2) >= abs(y1 - y2):
        return "to the left of the" if x1 < x2 else "to the right of the"
    return "above the" if y1 < y2 else "below the"


def _alternate(first: list[Pair], second: list[Pair]) -> Iterator[Pair]:
    for i in range(max(len(first), len(second))):
        yield from first[i : i + 1]
        yield from second[i : i + 1]


def _once(found: Iterator[Pair]) -> Iterator[Pair]:
    asked: set[str] = set()
    for question, answer in found:
        same = "".join(filter(str.isalnum, question.lower()))  # a skate board is a skateboard
        if same not in asked:
            asked.add(same)
            yield question, answer


def _once_text(found: Iterator[str]) -> Iterator[str]:
    yield from dict.fromkeys(found)
