import orjson
import pytest

from tests.assess.judging import judged
from tests.assess.small import obj, sample, scene
from vlit.assess.correctness.chair import HallucinatedObjects

#: Boxes of a dog and a person; a caption also names a cup, another one a "bike".
ROOM = scene([obj(1, "dog"), obj(2, "person")], captions=["A dog beside a cup.", "A bike."])

CAPTIONS = (
    "A dog and a cat by a toaster.",  # 3 mentions, cat and toaster are not there: 2/3
    "A man with a cup and a dog.",  # 3 mentions, all there: 0
    "The cat sees another cat.",  # 2 mentions of the same thing: 2/2
    "A nice day.",  # none
)


def scores(*answers, of=ROOM, **config):
    kind = HallucinatedObjects(HallucinatedObjects.Config(**config))
    found = judged(kind, [sample("Describe.", text, id=str(i)) for i, text in enumerate(answers)], [of])
    return found, kind.summarise(found)


def test_the_definition_by_hand():
    found, whole = scores(*CAPTIONS)
    assert [s.value for s in found] == [pytest.approx(2 / 3), 0.0, 1.0, None]
    assert found[0].reason == "2 of 3 mentions of objects are of things that are not there: 'cat', 'toaster'"
    assert whole.value == pytest.approx((2 + 0 + 2) / (3 + 3 + 2))  # CHAIRi counts mentions of all together
    detail = orjson.loads(whole.detail)
    assert detail["chair_s"] == 2 / 4  # two of four captions hallucinate
    assert (detail["form"], detail["mentions"], detail["hallucinated"], whole.n) == ("faithful", 8, 4, 4)


def test_words_that_may_mean_something_else_confirm_and_never_accuse():
    found, _ = scores("A bicycle.", "A vehicle.", "A motorcycle.")
    assert [s.value for s in found] == [0.0, None, 0.0]


def test_denied_objects_count_only_where_wanted():
    text = "There is no cat and no toaster, but a dog."
    assert scores(text)[0][0].value == 0.0
    assert scores(text, count_denied=True)[0][0].value == pytest.approx(2 / 3)


def test_without_a_search_nothing_is_known_to_be_absent():
    (found,), whole = scores("A cat.", of=scene([obj(1, "dog")], searched=()))
    assert found.value is None and "searched" in found.reason
    assert (whole.value, whole.n) == (None, 0)


def test_without_a_scene_there_is_a_reason():
    kind = HallucinatedObjects(HallucinatedObjects.Config())
    (found,) = judged(kind, [sample("a", "A cat.", scenes=())], [ROOM])
    assert (found.value, found.reason) == (None, "no annotations are known for its image")
