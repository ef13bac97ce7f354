import sys

import pydantic
import pytest

from tests.assess.encoders.photos import painted
from tests.assess.small import sample
from vlit.assess.image_readability.plugin import ImageReadabilityModel, ImageReadabilityModelConfig, scorer
from vlit.assess.seen import Part
from vlit.data.errors import VlitError
from vlit.data.scene import Image

SOURCE = """
SEEN = []

def width(picture):
    SEEN.append(picture.mode)
    return picture.width

def broken(picture):
    raise RuntimeError("CUDA error: device-side assert")

def nothing(picture):
    return float("nan")

def words(picture):
    return "good"

NUMBER = 3
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "my_scorer.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_scorer", raising=False)
    scorer.cache_clear()
    yield tmp_path / "my_scorer.py"
    scorer.cache_clear()
    sys.modules.pop("my_scorer", None)


def scored(name, samples):
    indicator = ImageReadabilityModel(ImageReadabilityModelConfig(scorer=f"my_scorer:{name}"))
    return list(indicator.score(Part(samples), None))


def test_the_function_s_value_and_the_lowest_image(module, tmp_path):
    import my_scorer

    my_scorer.SEEN.clear()
    small, large = painted(tmp_path, "a", size=(30, 20)), painted(tmp_path, "b", size=(50, 20))
    gone = Image(uri=str(tmp_path / "gone.jpg"), width=1, height=1)
    samples = [
        sample("?", "!", images=(large,), id="1"),
        sample("?", "!", images=(large, small), id="2"),
        sample("?", "!", images=(), id="3"),
        sample("?", "!", images=(small, gone), id="4"),
    ]
    found = scored("width", samples)
    assert [s.value for s in found] == [50, 30, None, None]
    assert found[2].reason == "the sample has no image"
    assert found[3].reason.endswith("the file is missing")
    assert my_scorer.SEEN == ["RGB", "RGB"]  # each photo once


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("broken", "the scorer failed: RuntimeError: CUDA error"),
        ("nothing", "the scorer says nan"),
        ("words", "the scorer failed: ValueError"),
    ],
)
def test_what_the_function_cannot_judge_has_a_reason(module, tmp_path, name, told):
    (found,) = scored(name, [sample("?", "!", images=(painted(tmp_path, "a"),))])
    assert found.value is None
    assert told in found.reason


@pytest.mark.parametrize("name", ["my_scorer:absent", "no_such_module:f", "my_scorer:NUMBER"])
def test_a_function_that_is_not_there_is_an_error(module, name):
    with pytest.raises(VlitError, match="scorer"):
        scorer(name)


def test_a_name_of_another_form_is_refused():
    with pytest.raises(pydantic.ValidationError):
        ImageReadabilityModelConfig(scorer="my_scorer.width")


def test_its_source_is_part_of_the_fingerprint(module):
    indicator = ImageReadabilityModel(ImageReadabilityModelConfig(scorer="my_scorer:width"))
    (line,) = indicator.outside()
    module.write_text(SOURCE + "# changed\n")
    assert list(indicator.outside()) != [line]
