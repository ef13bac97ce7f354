from __future__ import annotations

from pathlib import Path

import numpy as np
import orjson
import PIL.Image as PILImage
import pytest

from tests.assess.small import obj, sample, scene
from vlit.assess.diversity.objects import ObjectDiversity
from vlit.assess.diversity.objects_detected import (
    Detector,
    ObjectDiversityDetected,
    ObjectDiversityDetectedConfig,
    everyday_labels,
    label_of_token,
)
from vlit.assess.indicator import NoConfig
from vlit.assess.seen import Part
from vlit.data.errors import VlitError
from vlit.data.scene import Image, Scene
from vlit.data.score import Score, SetScore

PARK = scene([obj(1, "dog"), obj(2, "Dog "), obj(3, "person", crowd=True)], id="park")
ROOM = scene([obj(1, "cup")], id="room")
BARE = scene(id="bare")  # searched, and nothing found
UNKNOWN = scene(id="unknown", searched=())


def run(*scenes_of: tuple[str, ...], scenes: tuple[Scene, ...] = (PARK, ROOM, BARE, UNKNOWN)) -> list[Score]:
    samples = [sample("a", "b", id=str(i), scenes=ids) for i, ids in enumerate(scenes_of)]
    return list(ObjectDiversity(NoConfig()).score(Part(samples, {s.id: s for s in scenes}), None))


def of_set(scores: list[Score]) -> SetScore:
    return ObjectDiversity(NoConfig()).summarise(scores)


def test_labels_of_an_image_are_counted_once_each() -> None:
    found = run(("park",), ("room",), ("bare",))
    assert [s.value for s in found] == [2, 1, 0]
    assert found[0].reason == "park: 2 dog; 1 person"


def test_all_three_readings_by_hand() -> None:
    scores = run(("park",), ("park",), ("room",), ("bare",))
    found = of_set(scores)
    detail = orjson.loads(found.detail)
    # Three images: two labels and three objects, one and one, none.
    assert found.value == pytest.approx(1) and found.n == 4
    assert detail["images"] == 3
    assert detail["distinct_per_image"] == pytest.approx(3 / 3)
    assert detail["instances_per_image"] == pytest.approx(4 / 3)
    assert detail["categories_of_the_set"] == 3
    assert detail["most_frequent"] == {"dog": 2, "cup": 1, "person": 1}


def test_several_images_have_the_mean_and_count_apart_in_the_set() -> None:
    (both,) = run(("park", "room"))
    assert both.value == 1.5 and both.reason == "park: 2 dog; 1 person | room: 1 cup"
    assert orjson.loads(of_set([both, *run(("park",))]).detail)["images"] == 2


def test_without_annotations_there_is_a_reason() -> None:
    found = run(("unknown",), ("elsewhere",), ())
    assert [s.value for s in found] == [None, None, None]
    assert found[0].reason == "its image has no annotated objects"
    assert found[1].reason == found[2].reason == "no annotations are known for its image"
    assert (of_set(found).value, of_set(found).n) == (None, 0)


def test_labels_and_ids_with_our_own_signs_do_no_harm() -> None:
    odd = scene([obj(1, "tv; screen: flat | wide"), obj(2, "12 cups")], id="a: b | c")
    (found,) = run(("a: b | c",), scenes=(odd,))
    detail = orjson.loads(of_set([found]).detail)
    assert found.value == 2
    assert detail["categories_of_the_set"] == 2 and detail["images"] == 1
    assert detail["most_frequent"] == {"12 cups": 1, "tv, screen, flat , wide": 1}


WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "person", "dog", "hot", "teddy", "bear")
LABELS = ("person", "dog", "Hot Dog", "teddy bear")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MM Grounding DINO of random weights."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("detector")
    torch.manual_seed(0)
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
    config = transformers.MMGroundingDinoConfig(
        backbone_config=transformers.SwinConfig(
            image_size=32, patch_size=4, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2],
            window_size=2, out_features=["stage2", "stage3", "stage4"],
        ),
        text_config=transformers.BertConfig(
            vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
            intermediate_size=16, max_position_embeddings=64,
        ),
        d_model=32, encoder_layers=1, encoder_ffn_dim=16, decoder_layers=2, decoder_ffn_dim=16,
        num_queries=10, max_text_len=14, **heads,
    )  # fmt: skip
    transformers.MMGroundingDinoForObjectDetection(config).save_pretrained(folder)
    kind = getattr(transformers, "GroundingDinoImageProcessorPil", None)
    if kind is None:
        pytest.skip("this version of transformers reads images through torchvision alone")
    tokenizer = transformers.BertTokenizerFast(vocab={word: i for i, word in enumerate(WORDS)})
    size = {"shortest_edge": 64, "longest_edge": 128}
    transformers.GroundingDinoProcessor(kind(size=size), tokenizer).save_pretrained(folder)
    return folder


def config_of(model: Path, **fields: object) -> ObjectDiversityDetectedConfig:
    values = {"model": str(model), "labels": LABELS, "device": "cpu", "threshold": 1e-6, **fields}
    return ObjectDiversityDetectedConfig.model_validate(values)


def test_a_detector_looks_at_each_photo(tiny: Path, tmp_path: Path) -> None:
    for name in ("red", "blue", "green"):
        PILImage.new("RGB", (50, 40), name).save(tmp_path / f"{name}.png")
    paths = [(f"{name}.png",) for name in ("red", "blue", "green")] + [
        ("red.png", "gone.png"),
        ("gone.png",),
        (),
    ]
    samples = [
        sample(
            "a",
            "b",
            id=str(i),
            images=tuple(Image(uri=str(tmp_path / p), width=1, height=1) for p in of_sample),
        )
        for i, of_sample in enumerate(paths)
    ]
    indicator = ObjectDiversityDetected(config_of(tiny, batch_size=2))
    scores = list(indicator.score(Part(samples), None))
    found = indicator.summarise(scores)
    # At so low a threshold each of the 10 boxes counts, for one of the labels.
    assert all(1 <= (s.value or 0) <= 4 for s in scores[:4])
    assert scores[3].value == scores[0].value and scores[3].reason == scores[0].reason
    assert scores[4].value is None and "the file is missing" in (scores[4].reason or "")
    assert scores[5].reason == "the sample has no image"
    detail = orjson.loads(found.detail)
    assert (detail["images"], detail["instances_per_image"], detail["asked_for"]) == (3, 10, 4)
    assert set(detail["most_frequent"]) <= {"person", "dog", "hot dog", "teddy bear"}
    assert detail["form"] == "recommended" and detail["threshold"] == 1e-6
    nothing = ObjectDiversityDetected(config_of(tiny, threshold=0.999)).score(Part(samples[:1]), None)
    assert [s.value for s in nothing] == [0]


def test_labels_that_do_not_fit_into_one_prompt_are_asked_for_in_several(tiny: Path) -> None:
    # Of 14 tokens two are special; each word costs one and each full stop another.
    assert Detector(config_of(tiny))._prompts == [["person", "dog", "hot dog", "teddy bear"]]
    assert Detector(config_of(tiny, labels=(*LABELS, "bear", "hot")))._prompts == [
        ["person", "dog", "hot dog", "teddy bear", "bear"],
        ["hot"],
    ]


def test_tokens_belong_to_their_labels(tiny: Path) -> None:
    detector = Detector(config_of(tiny))
    tokenizer = detector._processor.tokenizer
    owners = label_of_token(tokenizer, tokenizer("person. hot dog. bear.")["input_ids"])
    assert owners == [-1, 0, -1, 1, 1, -1, 2, -1, -1]


def test_a_box_counts_for_the_label_of_its_best_token(tiny: Path) -> None:
    detector = Detector(config_of(tiny, threshold=0.5))
    owners = np.array([-1, 0, -1, 1, 1, -1])
    scores = np.array(
        [
            [0.9, 0.6, 0.9, 0.1, 0.5, 0.9],  # the first label; what belongs to none does not count
            [0.0, 0.1, 0.0, 0.2, 0.7, 0.0],  # the second, by its second token
            [0.0, 0.4, 0.0, 0.4, 0.4, 0.0],  # below the threshold
        ]
    )
    assert detector._owned(scores, owners) == [0, 1]


def test_a_model_that_is_not_there_is_told(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    with pytest.raises(VlitError, match="cannot be loaded"):
        Detector(config_of(tmp_path))


def test_coco_is_asked_for_where_nothing_is_named() -> None:
    assert len(set(everyday_labels())) == 80
    assert all(isinstance(label, str) for label in everyday_labels())
