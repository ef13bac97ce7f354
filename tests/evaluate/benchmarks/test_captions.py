"""Tests of COCO captions: golden values of pycocoevalcap 1.2 with Java 17, hand-made cases, official layout."""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Photo

from tests.conftest import shared_data
from vlit.data.errors import VlitError
from vlit.evaluate.benchmarks.captions import CocoCaptions, CocoCaptionsConfig
from vlit.evaluate.caption_scores import Caption, Cider, bleu, bleu_sums, common_length, rouge, tokens
from vlit.evaluate.meteor import jar_of, meteor
from vlit.evaluate.question import Answered, Question
from vlit.evaluate.statistics import with_intervals

WORDS = st.lists(st.sampled_from(["a", "dog", "cat", "on", "the", "mat", "sits"]), max_size=9)


#: Captions, and what the Penn Treebank tokeniser of COCO's script makes of them.
PTB = {
    "A man can't stop; he's running -- fast!": "a man ca n't stop he 's running fast",
    "I cannot see it.": "i can not see it",
    "they're gonna eat": "they 're gon na eat",
    "red/white bus and/or car": "red/white bus and/or car",
    "costs $5.00 or 50%": "costs $ 5.00 or 50 %",
    "at 3 p.m. in the U.S.": "at 3 p.m. in the u.s.",
    "Mr. Smith's dog": "mr. smith 's dog",
    "a (small) dog [here] {there}": "a -lrb- small -rrb- dog -lsb- here -rsb- -lcb- there -rcb-",
    "a sign that says \"STOP\" and 'GO'": "a sign that says stop and go",
    "rock 'n' roll": "rock 'n' roll",
    "salt & pepper": "salt & pepper",
    "#5 and @home": "# 5 and @home",
    "wait... what?!": "wait what ?!",
    "black-and-white photo": "black-and-white photo",
    "it’s a “cat”": "it 's a cat",
    "the dogs' bowl": "the dogs bowl",
    "1,000 people at 12:30": "1,000 people at 12:30",
    "on Main St.": "on main st.",
    "No. 5": "no. 5",
    "90's car in the '90s": "90 's car in the '90s",
    "d'oh o'clock": "d'oh o'clock",
    "café naïve": "café naïve",
    "a+b = c": "a + b = c",
    "cars,trucks": "cars trucks",
    "a man.He runs": "a man.he runs",
    "5'10\" tall": "5 10 tall",
    "an i-phone, i.e. a phone": "an i-phone i.e. a phone",
    "half ½ cup": "half 1/2 cup",
    "A bird - flying": "a bird flying",
    "a dog—brown and white—runs": "a dog brown and white runs",
    "New York–based, 1990–2000": "new york based 1990 2000",
    "**A dog** runs": "** a dog ** runs",
    "A dog \N{DOG FACE} runs": "a dog runs",
    "y'all come": "y' all come",
    "at 5pm, 5:30pm and 9am": "at 5pm 5:30 pm and 9am",
    "": "",
}


def of(text: str) -> Caption:
    return Caption.of(tokens(text))


@pytest.mark.parametrize(("text", "expected"), PTB.items())
def test_tokens_are_those_of_the_penn_treebank(text: str, expected: str) -> None:
    assert " ".join(tokens(text)) == expected


def test_official_quirk_brackets_stay_because_they_are_in_lower_case() -> None:
    assert tokens("a (small) dog") == ["a", "-lrb-", "small", "-rrb-", "dog"]


def test_bleu_by_hand_and_official_quirk_of_the_added_constants() -> None:
    sums = np.array(bleu_sums(of("the the the cat"), [of("the cat sat"), of("the cat is on the mat")]))
    assert sums.tolist() == [3, 1, 0, 0, 4, 3, 2, 1, 4, 3]  # "the" counts twice; 3 and 6 words: 3 is nearer
    assert bleu(sums, 1) == pytest.approx(75)
    assert bleu(sums, 2) == pytest.approx(100 * (3 / 4 * 1 / 3) ** 0.5)
    assert 0 < bleu(sums, 4) < 0.01  # not 0


def test_bleu_takes_the_shorter_of_two_references_that_are_as_near() -> None:
    assert bleu_sums(of("a b c"), [of("a b c d"), of("a b")])[-1] == 2


def test_bleu_of_a_short_caption_is_cut() -> None:
    sums = np.array(bleu_sums(of("a dog"), [of("a dog on the mat")]))
    assert bleu(sums, 1) == pytest.approx(100 * np.exp(1 - 5 / 2))


def test_official_quirk_rouge_takes_precision_and_recall_of_different_references() -> None:
    candidate, long, short = (
        of("a dog on the mat"),
        of("a dog on the mat and a cat and more of it"),
        of("a dog"),
    )
    whole, precision, recall = rouge(candidate, [long, short]), 5 / 5, 2 / 2
    assert whole == pytest.approx((1 + 1.44) * precision * recall / (recall + 1.44 * precision))
    assert whole > max(rouge(candidate, [long]), rouge(candidate, [short]))


def test_official_quirk_of_cider_short_captions_and_single_images() -> None:
    two = [[of("red dog")], [of("big cat")]]
    # The same as its reference; yet without three and four words in a row half of the four parts are nothing.
    assert Cider(two).score(of("red dog"), two[0]) == pytest.approx(5)
    # A word of two, one pair of words less: 1 / sqrt(2) of the first part, times exp(-1 / 72).
    assert Cider(two).score(of("red"), two[0]) == pytest.approx(10 / 4 * 0.5**0.5 * np.exp(-1 / 72))
    assert Cider(two[:1]).score(of("red dog"), two[0]) == 0, "of one image every word is as common as can be"


@given(WORDS, WORDS)
def test_common_length_is_symmetric_and_bounded(first: list[str], second: list[str]) -> None:
    found = common_length(first, second)
    assert found == common_length(second, first) <= min(len(first), len(second))
    assert common_length(first, first) == len(first)


@given(st.lists(WORDS, min_size=2, max_size=4))
def test_scores_of_any_captions_are_in_their_range(texts: list[list[str]]) -> None:
    candidate, *references = map(Caption.of, texts)
    assert 0 <= rouge(candidate, references) <= 1 + 1e-12
    assert 0 <= Cider([references, [candidate]]).score(candidate, references) <= 10 + 1e-9
    assert 0 <= float(bleu(np.array(bleu_sums(candidate, references)), 4)) <= 100 + 1e-9


def test_cider_of_a_caption_that_is_the_reference_is_10() -> None:
    references = [[of("a dog runs over wet grass")], [of("two cats sleep under a table")]]
    cider = Cider(references)
    assert cider.score(references[0][0], references[0]) == pytest.approx(10)
    assert cider.score(references[1][0], references[0]) == 0  # "a" is in both: it weighs nothing
    assert cider.score(of(""), references[0]) == 0


def official() -> tuple[list[Question], list[Answered]]:
    data = shared_data("bench/captions")
    captions = defaultdict(list)
    for one in json.loads((data / "refs_1000_val2014.json").read_text())["annotations"]:
        captions[one["image_id"]].append(one["caption"])
    rows = json.loads((data / "captions_val2014_fakecap_results.json").read_text())
    questions = [
        Question(id=str(r["image_id"]), prompt="", references=tuple(captions[r["image_id"]])) for r in rows
    ]
    return questions, [Answered(question=q, text=r["caption"]) for q, r in zip(questions, rows, strict=True)]


#: Of pycocoevalcap on COCO's example, with its tokeniser, in percent.
GOLDEN = {
    "BLEU-1": 57.93995754573356,
    "BLEU-2": 40.439129741018104,
    "BLEU-3": 27.85363856619147,
    "BLEU-4": 19.08290437674253,
    "ROUGE-L": 39.625269357570847,
}


def test_example_of_coco_has_its_official_scores() -> None:
    _, rows = official()
    bench = CocoCaptions(CocoCaptionsConfig(annotations="", images=""))
    found = {m.name: m for m in bench.aggregate(bench.scored(rows))}
    assert {name: found[name].value for name in GOLDEN} == pytest.approx(GOLDEN, abs=1e-9)
    # A full stop and three fractions are parted otherwise than by the official tokeniser: 59.97905185.
    assert found["CIDEr"].value == pytest.approx(59.98952026835711, abs=1e-9)
    assert found["CIDEr"].n == 1000
    low, high = with_intervals([found["CIDEr"]])[0].interval or (0, 0)
    assert low < 59.99 < high and high - low < 8


def bench(meteor: str | None = None, **more: Any) -> CocoCaptions:
    return CocoCaptions(CocoCaptionsConfig(annotations="c.json", images="images", meteor=meteor, **more))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three photos, one without a caption, one lost."""
    (tmp_path / "images").mkdir()
    for i in (1, 2):
        Photo.new("RGB", (8, 8)).save(tmp_path / "images" / f"COCO_val2014_{i:012d}.jpg")
    images = [{"id": i, "file_name": f"COCO_val2014_{i:012d}.jpg"} for i in (1, 2, 3, 4)]
    captions = [(1, "A dog runs."), (1, "The dog is running on grass."), (2, "A cat on a mat."), (3, "A bird.")]
    annotations = [{"id": n, "image_id": i, "caption": text} for n, (i, text) in enumerate(captions)]
    whole = {"images": images, "annotations": annotations, "info": {}}
    (tmp_path / "c.json").write_text(json.dumps(whole))
    return tmp_path


def test_official_file_is_read_and_losses_are_told(folder: Path) -> None:
    loaded = bench().load(folder)
    assert [(q.id, len(q.references)) for q in loaded.questions] == [("1", 2), ("2", 1)]
    assert [row.reason for row in loaded.lost] == [
        "photo: there is no such photo below the image folder",
        "the image has no caption",
    ]


def test_an_odd_caption_beside_others_takes_no_question_away(folder: Path) -> None:
    whole = json.loads((folder / "c.json").read_text())
    whole["images"] = whole["images"][:2]
    whole["annotations"] += [{"id": 9, "image_id": 1, "caption": " "}, {"id": 0, "image_id": 1, "caption": "x"}]
    (folder / "c.json").write_text(json.dumps(whole))
    loaded = bench().load(folder)
    assert [len(q.references) for q in loaded.questions] == [2, 1]
    assert [(row.reason, row.action) for row in loaded.lost] == [
        ("caption is missing; it is left out", "repaired"),
        ("the id stands twice: first at record 1; it is left out", "repaired"),
    ]


@pytest.mark.parametrize(
    "split", [[2, 99], {"images": [{"cocoid": 2, "split": "test"}, {"cocoid": 1, "split": "val"}]}]
)
def test_split_is_a_list_of_ids_or_karpathys_file(folder: Path, split: Any) -> None:
    (folder / "split.json").write_text(json.dumps(split))
    loaded = bench(split="split.json").load(folder)
    assert [q.id for q in loaded.questions] == ["2"]
    assert bool(loaded.remarks) == isinstance(split, list)


def test_split_without_images_and_another_file_stop(folder: Path) -> None:
    (folder / "split.json").write_text("{}")
    with pytest.raises(VlitError, match="names no image"):
        bench(split="split.json").load(folder)
    (folder / "c.json").write_text("[]")
    with pytest.raises(VlitError, match="no images and annotations"):
        bench().load(folder)


def test_empty_and_unasked_score_nothing_and_are_counted(folder: Path) -> None:
    questions = bench().load(folder).questions
    rows = [Answered(question=questions[0], text=" .\n"), Answered(question=questions[1], problem="lost")]
    scored = bench().scored(rows)
    assert [one.value for one in scored] == [0, 0]
    for one in bench().aggregate(scored):
        assert one.value == pytest.approx(0, abs=1e-6)
        assert (one.n, one.failures, one.unasked) == (2, 1, 1)


def test_submission_is_what_the_official_script_takes(folder: Path) -> None:
    questions = bench().load(folder).questions
    rows = [Answered(question=questions[0], text="A dog\nruns."), Answered(question=questions[1], problem="x")]
    made = json.loads(bench().submission(rows)["captions_results.json"])
    assert made == [{"image_id": 1, "caption": "A dog runs."}, {"image_id": 2, "caption": ""}]


@pytest.mark.parametrize("named", ["meteor.jar", "package"])
def test_meteor_that_cannot_be_run_stops_before_a_question_is_asked(
    folder: Path, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(VlitError, match=r"there is no meteor\.jar|pycocoevalcap is not installed"):
        bench(meteor=named).load(folder)


def test_meteor_needs_the_paraphrases_beside_its_jar_and_java(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "meteor-1.5.jar").write_bytes(b"")
    with pytest.raises(VlitError, match=r"there is no data/paraphrase-en\.gz"):
        jar_of("meteor-1.5.jar", tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "paraphrase-en.gz").write_bytes(b"")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(VlitError, match="METEOR needs Java, which is not here"):
        jar_of("meteor-1.5.jar", tmp_path)


def test_answers_that_are_scored_where_meteor_is_not_keep_their_other_numbers(folder: Path) -> None:
    questions = bench().load(folder).questions
    scorer = bench(meteor="of/another/machine.jar")
    rows = scorer.scored([Answered(question=q, text="A dog runs.") for q in questions])
    *others, last = scorer.aggregate(rows)
    assert (last.name, last.value, last.n) == ("METEOR (none: there is no machine.jar)", None, 2)
    assert [m.value for m in others] == [m.value for m in bench().aggregate(rows)]


def test_meteor_that_fails_says_what_java_says(tmp_path: Path) -> None:
    if shutil.which("java") is None:
        pytest.skip("needs Java")
    (tmp_path / "broken.jar").write_bytes(b"no archive")
    with pytest.raises(VlitError, match=r"METEOR failed: Error: Invalid or corrupt jarfile"):
        meteor(tmp_path / "broken.jar", ["a dog"], [["a dog"]])


def test_meteor_of_the_example_has_its_official_score() -> None:
    pytest.importorskip("pycocoevalcap")
    if shutil.which("java") is None:
        pytest.skip("METEOR needs Java")
    _, rows = official()
    scorer = bench(meteor="package")
    found = {m.name: m.value for m in scorer.aggregate(scorer.scored(rows))}
    assert found["METEOR"] == pytest.approx(19.525467177780284, abs=0.05)
