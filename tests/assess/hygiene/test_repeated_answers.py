from tests.assess.judging import judged
from tests.assess.small import IMAGE, sample
from vlit.assess.hygiene.repeated_answers import RepeatedAnswer, RepeatedAnswerConfig
from vlit.data.scene import Image

OFFICE = Image(uri="/photos/office.jpg", width=10, height=10)
THIRD = Image(uri="/photos/3.jpg", width=10, height=10)
#: Under a photo of a baby, and again in a dialogue about an office: the slip in the review's own tables.
BABY = "The baby appears to be comfortable and curious as it looks around."


def repeated(*samples, **config):
    return judged(RepeatedAnswer(RepeatedAnswerConfig(**config)), samples)


def dialogue(id, image, *turns):
    return sample(*turns, id=id, images=(image,))


def test_an_answer_about_a_baby_in_a_dialogue_about_an_office_is_flagged():
    nursery = dialogue(
        "nursery",
        IMAGE,
        "What is in the crib?",
        "A baby lies in the crib, beside a striped blanket and two soft toys.",
        "How does the baby seem to feel?",
        BABY,
    )
    office = dialogue(
        "office",
        OFFICE,
        "What stands on the desk?",
        "A monitor, a lamp and a row of neatly labelled folders stand on the desk.",
        "Is this workspace well organised, would you say?",
        BABY,
    )
    kitchen = dialogue("kitchen", THIRD, "What is it?", "It is a small kitchen with a white stove and a sink.")
    found = repeated(nursery, office, kitchen)
    assert [s.value for s in found] == [1, 1, 0]
    assert found[1].reason == (
        '"the baby appears to be comfortable and curious as it looks …" stands under another image as well, '
        "first in nursery"
    )
    assert found[0].reason.endswith("stands under another image as well")


def test_the_number_of_other_images_by_hand():
    text = "one two three four five six seven eight"
    images = (IMAGE, IMAGE, OFFICE, THIRD)
    rows = [dialogue(str(i), image, "?", text.upper()) for i, image in enumerate(images)]
    rows.append(dialogue("own", THIRD, "?", f"{text} nine"))
    assert [s.value for s in repeated(*rows)] == [2, 2, 2, 2, 0]


def test_the_same_answer_twice_under_one_image_is_no_other_image():
    moved = Image(uri="/elsewhere.jpg", width=10, height=10, sha256=IMAGE.sha256)
    rows = [dialogue("a", IMAGE, "?", BABY, "??", BABY), dialogue("b", moved, "?", BABY)]
    assert [s.value for s in repeated(*rows)] == [0, 0]


def test_short_answers_and_samples_without_images_have_no_value():
    found = repeated(
        dialogue("a", IMAGE, "?", "one two three four five six seven"),
        sample("?", BABY, id="b", images=()),
        sample("?", id="c"),
    )
    assert [s.value for s in found] == [None, None, None]
    assert found[0].reason == "no response has 8 words" and found[1].reason == "there is no image"
    assert [
        s.value for s in repeated(sample("?", "Yes.", id="a"), dialogue("b", THIRD, "?", "Yes."), min_words=1)
    ] == [
        1,
        1,
    ]


def test_one_sample_and_none():
    assert repeated() == []
    assert [s.value for s in repeated(dialogue("a", IMAGE, "?", BABY))] == [0]
