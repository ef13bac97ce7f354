"""Phrases that give a reply away: each pattern catches what it is for, and innocent sentences pass."""

from __future__ import annotations

import json

import pytest

from tests.conftest import shared_data
from tests.generate.instruct.test_replies import CORPUS
from vlit.generate.instruct.recipe import ReplyConfig
from vlit.generate.instruct.replies import Parsed, parse
from vlit.generate.instruct.replies.chatter import without_closing, without_preamble
from vlit.language.phrases import Rule, Section, plain_lower, rules, search

RULES: list[tuple[Section, Rule]] = [
    (section, rule)
    for section in ("leak", "refusal", "thinking", "preamble", "closing")
    for rule in rules(section)  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("section", "rule"), RULES, ids=lambda x: x.example if isinstance(x, Rule) else x)
def test_each_pattern_catches_its_example(section: Section, rule: Rule) -> None:
    lower = plain_lower(rule.example)
    begins = rule.start or section in ("preamble", "closing")
    assert rule.pattern.match(lower) if begins else rule.pattern.search(lower)
    assert any(piece in lower for piece in rule.has)


INNOCENT = (
    # captions, descriptions, text and boxes that a photo can really show
    "The caption on the sign reads 'Do not feed the birds'.",
    "The caption below the cartoon is printed in red.",
    "What does the caption under the photo on the wall say?",
    'The caption reads "Summer 1969".',
    "The subtitles are closed captions for the news.",
    "The description on the plaque is too small to read.",
    "The description of the exhibit hangs next to the statue.",
    "Could you give a detailed description of the image?",
    "Please provide a short description of this region.",
    "He fits the description of a tourist.",
    "The text on the box is in French.",
    "The text above the door says 'Bakery'.",
    "A cardboard box stands next to the mailbox.",
    "The boxes are stacked in three rows.",
    "The boxing match takes place in a ring.",
    "A boy is bounding across the lawn.",
    "Their outfits are well coordinated.",
    "The conductor coordinates the players.",
    "GPS coordinates are engraved in the stone.",
    "The coordinates on the map belong to a harbor.",
    "Information is provided by the board at the gate.",
    "The board gives information about the trail.",
    "Based on the information on the sign, the shop opens at nine.",
    "Shade is provided by the large tree.",
    "Lunch boxes are provided for the children.",
    "The prices are listed on the menu.",
    "Some people say that it is bad luck to open an umbrella indoors.",
    "Many people said that the tower was ugly when it was built.",
    "Two people wrote their names on the wall.",
    "The notes on the desk are yellow.",
    "The pianist plays from the notes on the stand.",
    'The notes say "Call Anna" and "Buy milk".',
    "He learned from the notes that he took in class.",
    "According to the people who run the farm, the goats are tame.",
    "As described on the board, the trail is steep.",
    "Whose name is listed on the jersey?",
    "What drink is mentioned on the poster?",
    "As mentioned before, the dog is asleep.",
    "As mentioned earlier, there are three chairs.",
    "As listed on the menu, soup costs four euros.",
    "As indicated by the shadows, it is late.",
    "The style can be described as modern.",
    "How would you describe the mood of the scene?",
    "Which word best describes the weather?",
    "The region is known for its vineyards.",
    "The hilly region in the background is covered with snow.",
    "This image was taken at a given moment of a race.",
    "Given the long shadows, it is probably evening.",
    "Given the objects on the table, somebody is baking.",
    "In this context, the helmet is a safety measure.",
    "The context of the scene is a birthday party.",
    "In the context of a wedding, flowers are common.",
    "There is no indication of rain.",
    "The speed limit is not specified on the sign.",
    "A label on the bottle says that it is water.",
    "The suitcase is labeled with a name tag.",
    "The annotated map hangs behind the desk.",
    "She is making a list of guests.",
    "The first sentence on the page is in bold.",
    "He is voting; the votes are counted in the hall.",
    "The teacher prompts the pupils to stand up.",
    "The prompt service makes the guests happy.",
    "The remote has an input button.",
    "A smoke detector is mounted on the ceiling.",
    "The dog seems to have detected a scent.",
    "The image provided a good laugh for the family.",
    "In the provided image, a man is surfing.",
    "In the image you provided, a man is surfing.",
    'The sign reads "See the description of the given text in the caption".',
    # polite or hesitant words that are no refusal
    "The man apologizes to the waiter.",
    'The card says "I\'m sorry".',
    "He looks sorry for the dog.",
    "Unfortunately, the ice cream has fallen to the ground.",
    "The girl cannot see the stage because of the crowd.",
    "It looks like your typical Sunday market.",
    "It seems that the man is about to jump.",
    "It is not possible to cross the river here.",
    "There is not enough room to turn the bus.",
    "There isn't enough information on the sign to find the way, but the guide knows it.",
    "There is not enough detail to tell the breed. However, it looks like a terrier.",
    "Can you provide more details about the image?",
    "The waiter is ready to help the guests.",
    "You can see an image of a lion on the wall.",
    "The visitors did not provide food for the ducks.",
    # words that are no thinking aloud
    "First, the man has to put on his helmet.",
    "So the driver should slow down.",
    "The man needs to think about his next move.",
    "Let's take a look at the left side: a horse is grazing there.",
    "Okay is what the gesture means.",
)


@pytest.mark.parametrize("text", INNOCENT)
def test_innocent_sentences_pass(text: str) -> None:
    for section in ("leak", "refusal", "thinking"):
        assert search(rules(section), text) is None  # type: ignore[arg-type]
    found = parse(f"Question: What can be said here?\nAnswer: {text.replace('?', '.')}", "stop", ReplyConfig())
    assert isinstance(found, Parsed), found


LEAKS = (
    "As stated, the bus is red.",
    "Several people wrote that there is a canary.",
    "According to the notes, the man is a potter.",
    "The bench is listed as an object.",
    "The captions describe a busy street.",
    "According to the description, it is raining.",
    "The given text speaks of two dogs.",
    "Its bounding box is near the left edge.",
    "Based on the information provided, it is a kitchen.",
    "The bus is red, as described.",
    "As mentioned in the caption, he wears a hat.",
    "The time of day is not mentioned.",
    "A cat is mentioned in the image.",
    "The provided context does not say so.",
    "In the provided context, this is a park.",
    "The annotations list three chairs.",
    "Judging by the coordinates, the cup is left of the plate.",
    "From the region descriptions, we know that it is a sheep.",
    "One of the captions says that the man is angry.",
    "The image description does not tell.",
    "The object list holds two forks.",
    "Five of the ten annotators said that it is blue.",
    "How many people are detected in the image?",
    "What is the object detected in the upper left corner?",
    "The scene described is a market.",
    "The color is not explicitly stated.",
    "The details given in the captions point to winter.",
    "What can be inferred from the given information?",
    "The prompt says that he is a waiter.",
    "It is a wedding, according to the prompt.",
)


@pytest.mark.parametrize("text", LEAKS)
def test_leaks_are_found(text: str) -> None:
    assert search(rules("leak"), text)
    assert search(rules("leak"), text.upper())
    found = parse(f"Question: What can be said here?\nAnswer: {text.replace('?', '.')}", "stop", ReplyConfig())
    assert not isinstance(found, Parsed) and [flaw.kind for flaw in found] == ["leak"]


def test_the_quick_look_misses_nothing() -> None:
    texts = [plain_lower(text) for text in (*INNOCENT, *LEAKS, *(case["text"] for case in CORPUS))]
    for _, rule in RULES:
        for text in texts:
            assert any(piece in text for piece in rule.has) or not rule.pattern.search(text), (
                rule.example,
                text,
            )


def test_answers_of_a_good_teacher_pass() -> None:
    # 90 answers that were written from captions and boxes, and were published as clean.
    path = shared_data("llava") / "coco2014_val_gpt4_qa_30x3.jsonl"
    for record in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
        reply = f"Question: {record['instruction']}\nAnswer: {record['output']}"
        found = parse(reply, "stop", ReplyConfig())
        assert isinstance(found, Parsed), found
        found = parse(record["output"], "stop", ReplyConfig(form="text"))
        assert isinstance(found, Parsed), found


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("Sure, here's a description of the image: A cat sleeps.", "A cat sleeps."),
        ("Of course!\n\nA cat sleeps.", "A cat sleeps."),
        ("Here is my answer:\n\n**A cat sleeps.**", "**A cat sleeps.**"),
        ("**Detailed Description**\n\nA cat sleeps.", "A cat sleeps."),
        ("Answer: A cat sleeps.", "A cat sleeps."),
        ("Sure thing! That cat sleeps.", "That cat sleeps."),
        ("Sure.", "Sure."),
        ("Here are the answers:", "Here are the answers:"),
        ("Here are two cats: one sleeps.", "Here are two cats: one sleeps."),
        ("Of course the cat sleeps.", "Of course the cat sleeps."),
    ],
)
def test_preambles(text: str, rest: str) -> None:
    assert without_preamble(text)[0] == rest


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("A cat sleeps. I hope this helps! Let me know if you need more.", "A cat sleeps."),
        ("A cat sleeps.\n\n---\n\n*Note: this is based on what can be seen.*", "A cat sleeps."),
        ("A cat sleeps.\n***", "A cat sleeps."),
        ("A cat sleeps. She hopes for milk.", "A cat sleeps. She hopes for milk."),
        ("Let me know if you need more.", "Let me know if you need more."),
        (
            "A cat sleeps. If you have a cat, you know that look.",
            "A cat sleeps. If you have a cat, you know that look.",
        ),
    ],
)
def test_closings(text: str, rest: str) -> None:
    assert without_closing(text)[0] == rest
