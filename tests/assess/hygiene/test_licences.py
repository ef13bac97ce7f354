import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.assess.judging import judged
from tests.assess.small import sample, scene
from vlit.assess.hygiene.licences import Licence, LicenceConfig, short
from vlit.data.sample import Provenance


@pytest.mark.parametrize(
    ("text", "name"),
    [
        # as the files of COCO have them
        ("Attribution-NonCommercial-ShareAlike License", "CC BY-NC-SA"),
        ("Attribution-NonCommercial License", "CC BY-NC"),
        ("Attribution-NonCommercial-NoDerivs License", "CC BY-NC-ND"),
        ("Attribution License", "CC BY"),
        ("Attribution-ShareAlike License", "CC BY-SA"),
        ("Attribution-NoDerivs License", "CC BY-ND"),
        ("No known copyright restrictions", "no known copyright"),
        ("United States Government Work", "public domain"),
        # URLs and names of data cards
        ("http://creativecommons.org/licenses/by-nc-sa/2.0/", "CC BY-NC-SA"),
        ("https://creativecommons.org/licenses/by-nc/4.0/legalcode", "CC BY-NC"),
        ("https://creativecommons.org/licenses/by/2.0/", "CC BY"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0"),
        ("https://creativecommons.org/publicdomain/mark/1.0/", "public domain"),
        ("cc-by-4.0", "CC BY"),
        ("cc_by_4.0", "CC BY"),
        ("CC BY 4.0", "CC BY"),
        ("CC-BY-NC-ND-4.0", "CC BY-NC-ND"),
        ("Creative Commons Attribution 4.0 International", "CC BY"),
        ("Creative Commons Attribution Non Commercial 4.0", "CC BY-NC"),
        ("CC0-1.0", "CC0"),
        ("apache-2.0", "Apache-2.0"),
        ("MIT License", "MIT"),
        ("bsd-3-clause", "BSD"),
        ("ODbL 1.0", "ODbL"),
        ("for research use only", "non-commercial"),
        ("All Rights Reserved.", "all rights reserved"),
        ("permitted by the owner", "permitted by the owner"),
        ("", "unknown"),
    ],
)
def test_short_names(text, name):
    assert short(text) == name


def rows():
    scenes = [
        msgspec.structs.replace(scene(id=str(i)), licence=text)
        for i, text in enumerate(["Attribution License", "Attribution-NonCommercial License", None, "by owner"])
    ]
    samples = [with_licence(str(i), None, (str(i),)) for i in range(4)]
    return [
        *samples,
        with_licence("4", "CC BY 4.0 + MIT", ("0",)),
        with_licence("5", "CC BY-NC 4.0", ("2",)),
    ], scenes


def with_licence(id, licence, scenes):
    return msgspec.structs.replace(
        sample("?", "!", id=id), provenance=Provenance(scenes=scenes, licence=licence)
    )


def test_allowed_forbidden_and_unknown():
    samples, scenes = rows()
    indicator = Licence(LicenceConfig())
    found = judged(indicator, samples, scenes)
    assert [s.value for s in found] == [1, 0, None, None, 1, 0]
    assert found[1].reason == "CC BY-NC: not allowed"
    assert found[2].reason == "a licence is not named"
    assert found[3].reason == "not known as a licence: by owner"
    assert found[4].group == "CC BY + MIT"
    whole = indicator.summarise(found)
    detail = json.loads(whole.detail)
    assert (whole.value, whole.n, detail["unknown"]) == (0.5, 4, 2)
    assert detail["licences"] == {
        "CC BY": 1,
        "CC BY + MIT": 1,
        "CC BY-NC": 1,
        "CC BY-NC + unknown": 1,
        "by owner": 1,
        "unknown": 1,
    }


def test_what_is_allowed_is_an_option_in_any_wording():
    samples, scenes = rows()
    found = judged(
        Licence(LicenceConfig(allow=("attribution-noncommercial license", "By Owner"))), samples, scenes
    )
    assert [s.value for s in found] == [0, 1, None, 1, 0, None]


def test_text_without_images_or_annotations_goes_by_its_own_licence():
    indicator = Licence(LicenceConfig())
    found = judged(
        indicator, [with_licence("a", "MIT", ()), with_licence("b", None, ()), with_licence("c", "", ("x",))]
    )
    assert [s.value for s in found] == [1, None, None]


@given(st.text(max_size=60))
def test_any_text_has_a_short_name(text):
    assert short(text) and short(short(text)) == short(text)
