"""Object diversity: how many kinds of things the images show, counted from their annotations.

"The number of object categories" has three readings, and the set's score gives all of them:

    distinct_per_image    mean over images of the number of different labels                        the value
    instances_per_image   mean over images of the number of objects
    categories_of_the_set number of different labels in the set

The value of a sample is the mean over its images of the number of different labels. Labels are compared
without letter case and surrounding blanks; a crowd counts as one object. An image counts once, however many
samples it has. Limits: annotations decide what a kind is: COCO knows 80, Visual Genome tells "man" from
"guy"; compare sets with the same annotations only, or let a detector look (``object_diversity_detected``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from vlit.assess.indicator import Indicator, Need, NoConfig
from vlit.assess.seen import Part
from vlit.data.scene import Scene
from vlit.data.score import Score, SetScore

#: Between images and between labels in the reasons of scores, from which the set is counted again.
_IMAGES, _LABELS, _OF = " | ", "; ", ": "


class ObjectDiversity(Indicator[NoConfig]):
    """Number of different labels of an image."""

    name: ClassVar[str] = "object_diversity"
    principle = "visual diversity"
    direction = "higher is better"
    needs: ClassVar[tuple[Need, ...]] = ("scenes",)

    def score(self, part: Part, state: Any) -> Iterator[Score]:
        """Count the objects of each sample's scenes."""
        for sample in part.samples:
            scenes = [part.scenes[id] for id in sample.provenance.scenes if id in part.scenes]
            known = [scene for scene in scenes if scene.objects or scene.searched]
            if not known:
                why = (
                    "its image has no annotated objects" if scenes else "no annotations are known for its image"
                )
                yield self.of(sample, None, why)
                continue
            counts = {scene.id: counted(scene) for scene in known}
            yield self.of(sample, distinct_labels(counts), told(counts))

    def summarise(self, scores: Iterable[Score], state: Any = None) -> SetScore:
        """Each image once, and the labels of all together."""
        value, n, detail = over_images(scores)
        return self.of_set(value, n, **detail)


def counted(scene: Scene) -> Counter[str]:
    """Objects of a scene by label."""
    return Counter(plain(o.label) for o in scene.objects)


def plain(label: str) -> str:
    """A label as it is compared, without the signs that reasons are written with."""
    found = " ".join(label.lower().split())
    for sign in (_IMAGES, _LABELS, _OF):
        found = found.replace(sign.strip(), ",")
    return found


def distinct_labels(counts: Mapping[str, Counter[str]]) -> float:
    """Mean over images of the number of different labels."""
    return sum(len(labels) for labels in counts.values()) / len(counts)


def told(counts: Mapping[str, Counter[str]]) -> str:
    """What was counted in each image: ``1: 3 person; 1 dog``, images apart by a bar."""
    return _IMAGES.join(
        image.replace("|", "/") + _OF + _LABELS.join(f"{n} {label}" for label, n in sorted(labels.items()))
        for image, labels in counts.items()
    )


def over_images(scores: Iterable[Score]) -> tuple[float | None, int, dict[str, Any]]:
    """Mean number of labels an image, number of samples with a value, and the other readings."""
    images: set[str] = set()
    labels: Counter[str] = Counter()
    samples = distinct = 0
    for score in scores:
        if score.value is None or score.reason is None:
            continue
        samples += 1
        for told_of in score.reason.split(_IMAGES):
            image, _, list_of = told_of.rpartition(_OF)
            if image in images:
                continue
            images.add(image)
            found = [item.split(" ", 1) for item in list_of.split(_LABELS) if item]
            distinct += len(found)
            labels.update({label: int(number) for number, label in found})
    n = len(images)
    return (
        distinct / n if n else None,
        samples,
        {
            "images": n,
            "distinct_per_image": distinct / n if n else None,
            "instances_per_image": labels.total() / n if n else None,
            "categories_of_the_set": len(labels),
            "most_frequent": dict(sorted(labels.items(), key=lambda item: (-item[1], item[0]))[:20]),
        },
    )
