"""Predicates and their arguments, read from dependency trees.

A tree is a list of words with universal part of speech, head and relation. Of it are taken

* **frames**: content verbs, each with the nominals that depend on it as subject, object or oblique, also
  through "and"; a noun that a verb modifies ("a man *riding* a horse") is an argument of that verb;
* **elements**: the content verbs, and the nouns and names that are arguments of anything: subjects of "is" and
  of adjectives, modifiers of other nouns ("colour of the *car*"), and roots ("a detailed *description*").

Pronouns, question words and numbers stand for no content and do not count. Relations are those of Universal
Dependencies; trees with the labels of spaCy's English models are translated first (``universal``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a tree."""

    text: str
    tag: str  #: universal part of speech: NOUN, VERB, AUX ...
    head: int  #: place of its head in the list; -1 for a root
    relation: str  #: with or without a subtype: "nsubj:pass"


@dataclass(frozen=True)
class Frame:
    """A content verb and its arguments."""

    predicate: int  #: place in the list
    arguments: tuple[tuple[str, int], ...]  #: role and place, by place


_CONTENT = frozenset(("NOUN", "PROPN", "SYM", "X"))
_OF_VERBS = frozenset(("nsubj", "csubj", "obj", "iobj", "obl", "ccomp", "xcomp"))
_ELEMENTS = _OF_VERBS | {"nmod", "acl", "root", "attr", "advcl", "parataxis", "vocative", "list"}
#: Labels of spaCy's English models (ClearNLP) that have another name; "pobj" is decided by what it hangs on.
_CLEAR = {
    "ROOT": "root",
    "dobj": "obj",
    "dative": "iobj",
    "nsubjpass": "nsubj:pass",
    "csubjpass": "csubj:pass",
    "relcl": "acl:relcl",
    "poss": "nmod:poss",
    "npadvmod": "obl:npmod",
    "oprd": "xcomp",
    "acomp": "xcomp",
}
_CASES = frozenset(("prep", "agent"))
_LONGEST_CHAIN = 64


def frames(tree: Sequence[Word]) -> list[Frame]:
    """Content verbs with their arguments, in order."""
    found: dict[int, list[tuple[str, int]]] = {i: [] for i, word in enumerate(tree) if word.tag == "VERB"}
    for i, word in enumerate(tree):
        if word.tag in _CONTENT:
            relation, head = _standing(tree, i)
            if relation in _OF_VERBS and head in found:
                found[head].append((relation, i))
        elif word.tag == "VERB":
            relation, head = _standing(tree, i)
            if relation == "acl" and head >= 0 and tree[head].tag in _CONTENT:
                found[i].append(("acl", head))
    return [Frame(i, tuple(sorted(arguments, key=lambda a: a[1]))) for i, arguments in found.items()]


def elements(tree: Sequence[Word]) -> list[int]:
    """Places of the semantic elements: content verbs, and nominals in any argument's place."""
    return [
        i
        for i, word in enumerate(tree)
        if word.tag == "VERB" or (word.tag in _CONTENT and _standing(tree, i)[0] in _ELEMENTS)
    ]


def _standing(tree: Sequence[Word], i: int) -> tuple[str, int]:
    """Relation without subtype and head of a word; of "cats" in "dogs and cats" those of "dogs"."""
    for _ in range(_LONGEST_CHAIN):
        word = tree[i]
        relation = word.relation.partition(":")[0].lower()
        if relation not in ("conj", "appos") or word.head < 0:
            break
        i = word.head
    return relation, word.head


def universal(tree: Sequence[Word]) -> list[Word]:
    """The tree with spaCy's English labels translated; other labels stay as they are.

    There a preposition hangs on the verb or noun and the noun on the preposition; here the noun hangs on the
    verb ("obl") or the noun ("nmod"), as in Universal Dependencies.
    """
    found: list[Word] = []
    for word in tree:
        relation, head = _CLEAR.get(word.relation, word.relation), word.head
        if word.relation in ("pobj", "pcomp") and head >= 0:
            for _ in range(_LONGEST_CHAIN):  # "out of the box": two prepositions
                if head < 0 or tree[head].relation not in (*_CASES, "pcomp") or tree[head].tag == "VERB":
                    break
                head = tree[head].head
            on_noun = head >= 0 and tree[head].tag in _CONTENT | {"PRON", "NUM", "DET"}
            relation = "nmod" if on_noun else "obl"
            relation = relation if word.relation == "pobj" else "acl" if on_noun else "advcl"
        found.append(replace(word, relation=relation, head=head))
    return found
