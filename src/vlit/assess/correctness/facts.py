"""What the annotations of one scene know, and the judgement of a claim by it.

A label is *there* when an object has it or a caption names it (the ground truth of CHAIR, Rohrbach et al.
2018). It is *absent* only when annotators searched for it, found none, and no text of the scene may mean it.
Anything else cannot be told, and neither can the number of a label that has a crowd, comes in pairs, or was
not searched for.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Literal

import msgspec

from vlit.assess.correctness.claims import Claim, claims_of
from vlit.data.scene import Object, Scene
from vlit.language.mentions import Lexicon, counts_in_pairs, lexicon

Outcome = Literal["supported", "contradicted", "unverifiable"]


class Judgement(msgspec.Struct, frozen=True, gc=False):
    """Whether the annotations bear a claim out; ``reason`` is told where they contradict it."""

    outcome: Outcome
    reason: str = ""
    kind: str = ""  #: what is claimed: "present", "count", "attribute" ...
    said: str = ""  #: the claim in words


SUPPORTED, UNVERIFIABLE = Judgement("supported"), Judgement("unverifiable")


def contradicted(reason: str) -> Judgement:
    """A claim that the annotations speak against."""
    return Judgement("contradicted", reason)


def about(kind: str, said: str, judgement: Judgement) -> Judgement:
    """The judgement with the claim that it is of."""
    return msgspec.structs.replace(judgement, kind=kind, said=said)


class Facts:
    """The annotations of a scene, by label.

    Args:
        scene: One image and everything known about it.
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.objects: dict[str, list[Object]] = defaultdict(list)
        for o in scene.objects:
            self.objects[o.label].append(o)
        self.lexicon: Lexicon = lexicon((*scene.searched, *sorted(set(self.objects) - set(scene.searched))))
        self.searched = frozenset(scene.searched)
        self.there = set(self.objects)
        self.perhaps: set[str] = set()  # named by a text that may mean something else, or that asks
        self.said: dict[tuple[str, str], set[int]] = defaultdict(set)  # (label, word) -> numbers in captions
        self._texts: dict[str, list[str]] | None = None
        self._predicates: dict[tuple[str, str], list[str]] | None = None
        self._read_texts()

    def _read_texts(self) -> None:
        find = self.lexicon.find
        for text in [*(c.text for c in self.scene.captions), *(r.phrase for r in self.scene.regions)]:
            for claim in claims_of(text, self.lexicon):
                if claim.kind == "absent":
                    continue
                (self.perhaps if claim.relation == "broader" else self.there).add(claim.label)
                if claim.kind == "count" and claim.comparison == "=" and claim.relation != "broader":
                    self.said[claim.label, _kind_of(claim)].add(claim.n)
            self.perhaps.update(m.label for m in find(text))
        for question in self.scene.questions:
            for text in (question.text, *question.choices, *(a.text for a in question.answers if a.count > 1)):
                self.perhaps.update(m.label for m in find(text))

    def texts_about(self, label: str) -> list[str]:
        """Captions, phrases of regions, and questions with answers, of those that name a label."""
        if self._texts is None:
            self._texts = defaultdict(list)
            asked = (" ".join((q.text, *(a.text for a in q.answers))) for q in self.scene.questions)
            for text in (
                *(c.text for c in self.scene.captions),
                *(r.phrase for r in self.scene.regions),
                *asked,
            ):
                for named in {m.label for m in self.lexicon.find(text)}:
                    self._texts[named].append(text)
        return self._texts.get(label, [])

    def predicates(self, subject: str, object: str) -> list[str]:
        """What annotators wrote down between objects of two labels."""
        if self._predicates is None:
            self._predicates = defaultdict(list)
            labels = {o.id: o.label for o in self.scene.objects}
            for r in self.scene.relations:
                if r.subject in labels and r.object in labels:
                    self._predicates[labels[r.subject], labels[r.object]].append(r.predicate)
        return self._predicates.get((subject, object), [])

    def exact(self, label: str) -> int | None:
        """The number of objects of a label where it can be told."""
        if (
            label not in self.searched
            or counts_in_pairs(label)
            or any(o.crowd for o in self.objects.get(label, ()))
        ):
            return None
        return len(self.objects.get(label, ()))

    def only(self, label: str) -> Object | None:
        """The one object of a label, where the annotations show that there is no other."""
        found = self.objects.get(label, [])
        return found[0] if len(found) == 1 and self.exact(label) == 1 else None

    def is_absent(self, label: str) -> bool:
        """Whether the label is known not to be in the picture."""
        return label in self.searched and label not in self.there and label not in self.perhaps

    def judge(self, claim: Claim) -> Judgement:
        """Compare one claim with the annotations."""
        if claim.relation == "broader":
            return self._broader(claim)
        if claim.kind == "absent":
            return self._absent(claim)
        if claim.kind == "count":
            return self._count(claim)
        return self._present(claim)

    def _broader(self, claim: Claim) -> Judgement:
        """The word may mean something else: it can be confirmed, and be too few for what it includes."""
        if claim.kind == "present" and claim.label in self.there:
            return SUPPORTED
        exact = self.exact(claim.label)
        if claim.kind == "count" and claim.whole and claim.comparison == "=" and exact is not None:
            if claim.n == exact:
                return SUPPORTED
            if claim.n < exact:
                return contradicted(f"says {claim.n} {claim.word}; the annotations count {exact} {claim.label}")
        return UNVERIFIABLE

    def _present(self, claim: Claim) -> Judgement:
        if claim.label in self.there:
            return SUPPORTED
        if self.is_absent(claim.label):
            return contradicted(
                f"mentions {claim.word!r}; the annotators looked for {claim.label} and found none"
            )
        return UNVERIFIABLE

    def _absent(self, claim: Claim) -> Judgement:
        if self.is_absent(claim.label):
            return SUPPORTED
        found = len(self.objects.get(claim.label, ()))
        if claim.whole and claim.relation == "equal" and claim.label in self.there:
            where = f"annotations count {found}" if found else "captions mention it"
            return contradicted(f"says that there is no {claim.word}; the {where}")
        return UNVERIFIABLE

    def _count(self, claim: Claim) -> Judgement:
        presence = self._present(claim)
        if presence.outcome != "supported":
            return presence
        said = self.said.get((claim.label, _kind_of(claim)), set())
        if claim.comparison == "=" and claim.n in said:
            return SUPPORTED
        exact = self.exact(claim.label)
        if exact is None or not exact:
            return UNVERIFIABLE
        if holds(claim.n, claim.comparison, exact):
            return SUPPORTED
        number = (
            f"{claim.n} {claim.word}"
            if claim.comparison == "="
            else f"{claim.comparison} {claim.n} {claim.word}"
        )
        wrong = contradicted(f"says {number}; the annotations count {exact}")
        if claim.comparison in (">", ">="):
            return wrong
        if claim.comparison == "about":
            return wrong if abs(claim.n - exact) > max(2, exact // 2) and claim.whole else UNVERIFIABLE
        if claim.comparison == "=" and claim.n > exact:
            return wrong
        if claim.relation == "equal" and claim.whole:
            return wrong
        if said and claim.comparison == "=" and max(said) <= exact:
            also = f"{exact}, the captions say {_either(said)}"
            return contradicted(f"says {number}; the annotations count {also}")
        return UNVERIFIABLE


def holds(n: int, comparison: str, exact: int) -> bool:
    """Whether a number that is said agrees with the true one."""
    return {
        "=": exact == n,
        "!=": exact != n,
        ">=": exact >= n,
        ">": exact > n,
        "<=": exact <= n,
        "<": exact < n,
        "about": abs(exact - n) <= max(1, exact // 4),
    }[comparison]


def _either(numbers: set[int]) -> str:
    return " or ".join(map(str, sorted(numbers)))


def _kind_of(claim: Claim) -> str:
    """What is counted: the label, or the narrower kind in one spelling for singular and plural."""
    if claim.relation == "equal":
        return ""
    word = claim.word.lower()
    return {"men": "man", "women": "woman", "children": "child"}.get(word) or word.removesuffix("s")
