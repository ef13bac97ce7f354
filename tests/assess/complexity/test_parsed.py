"""Frames and elements of dependency trees, and the parsers that make them."""

import json

import pytest

from tests.assess.small import sample
from vlit.assess.complexity.frames import Word, elements, frames, universal
from vlit.assess.complexity.objects import ObjectComplexityParsed, ParsedConfig
from vlit.assess.complexity.parsers import fingerprint, from_spacy, parser
from vlit.assess.seen import Part
from vlit.data.errors import VlitError

#: Universal Dependencies, heads counted from 1 as in CoNLL-U, 0 for the root.
COLOUR = """
What PRON 0 root
is AUX 1 cop
the DET 4 det
colour NOUN 1 nsubj
of ADP 7 case
the DET 7 det
car NOUN 4 nmod
? PUNCT 1 punct
"""
RIDING = """
The DET 2 det
man NOUN 6 nsubj
in ADP 4 case
black NOUN 2 nmod
is AUX 6 aux
riding VERB 0 root
a DET 8 det
horse NOUN 6 obj
and CCONJ 11 cc
a DET 11 det
mule NOUN 8 conj
on ADP 14 case
the DET 14 det
beach NOUN 6 obl:loc
. PUNCT 6 punct
"""
HOLDING = """
Describe VERB 0 root
the DET 3 det
woman NOUN 1 obj
who PRON 5 nsubj
gave VERB 3 acl:relcl
him PRON 5 iobj
two NUM 8 nummod
apples NOUN 5 obj
and CCONJ 10 cc
explain VERB 1 conj
why ADV 13 advmod
she PRON 13 nsubj
laughs VERB 10 ccomp
"""
DETAIL = """
A DET 3 det
detailed ADJ 3 amod
description NOUN 0 root
of ADP 6 case
the DET 6 det
photo NOUN 3 nmod
"""


def tree(text):
    rows = [line.split() for line in text.strip().splitlines()]
    return [Word(w, tag, int(head) - 1, relation) for w, tag, head, relation in rows]


def told(text, words=None):
    words = words or tree(text)
    return [
        (words[f.predicate].text, [(role, words[i].text) for role, i in f.arguments]) for f in frames(words)
    ]


def named(words):
    return [words[i].text for i in elements(words)]


def test_a_question_about_one_thing():
    assert told(COLOUR) == []
    assert named(tree(COLOUR)) == ["colour", "car"]


def test_arguments_through_and_and_with_subtypes():
    assert told(RIDING) == [
        ("riding", [("nsubj", "man"), ("obj", "horse"), ("obj", "mule"), ("obl", "beach")]),
    ]
    assert named(tree(RIDING)) == ["man", "black", "riding", "horse", "mule", "beach"]


def test_relative_clauses_and_several_predicates():
    assert told(HOLDING) == [
        ("Describe", [("obj", "woman")]),
        ("gave", [("acl", "woman"), ("obj", "apples")]),
        ("explain", []),
        ("laughs", []),
    ]
    assert named(tree(HOLDING)) == ["Describe", "woman", "gave", "apples", "explain", "laughs"]


def test_a_phrase_without_a_verb():
    assert named(tree(DETAIL)) == ["description", "photo"]
    assert frames([]) == elements([]) == []


def test_a_circle_of_conjuncts_ends():
    assert elements([Word("a", "NOUN", 1, "conj"), Word("b", "NOUN", 0, "conj")]) == []


SPACY = """
The DET 2 det
man NOUN 6 nsubj
in ADP 2 prep
black NOUN 3 pobj
is AUX 6 aux
riding VERB 0 ROOT
a DET 8 det
horse NOUN 6 dobj
and CCONJ 8 cc
a DET 11 det
mule NOUN 8 conj
out ADP 6 prep
of ADP 12 prep
the DET 15 det
gate NOUN 13 pobj
"""
GIVEN = """
Bananas NOUN 3 nsubjpass
were AUX 3 auxpass
given VERB 0 ROOT
to ADP 3 dative
monkeys NOUN 4 pobj
by ADP 3 agent
the DET 8 det
keeper NOUN 6 pobj
who PRON 10 nsubj
feeds VERB 8 relcl
them PRON 10 dobj
"""


def test_labels_of_spacys_english_models():
    words = universal(tree(SPACY))
    assert told("", words) == [
        ("riding", [("nsubj", "man"), ("obj", "horse"), ("obj", "mule"), ("obl", "gate")]),
    ]
    assert named(words) == ["man", "black", "riding", "horse", "mule", "gate"]
    assert named(universal(tree(GIVEN))) == ["Bananas", "given", "monkeys", "keeper", "feeds"]
    assert told("", universal(tree(GIVEN)))[1] == ("feeds", [("acl", "keeper")])
    assert universal(tree(RIDING)) == tree(RIDING)


def own_parser(texts):
    """What a user's module would offer: it knows two texts."""
    known = {"What is the colour of the car?": COLOUR, "Describe.": "Describe VERB 0 root"}
    return [[(w.text, w.tag, w.head, w.relation) for w in tree(known[text])] for text in texts]


def one_too_few(texts):
    return []


def out_of_range(texts):
    return [[("a", "NOUN", 1, "root")] for _ in texts]


def scored(config, *samples):
    indicator = ObjectComplexityParsed(ParsedConfig(**config))
    scores = list(indicator.score(Part(samples), None))
    return scores, indicator.summarise(scores)


def test_a_parser_of_the_users_own():
    name = f"{__name__}:own_parser"
    samples = [
        sample("What is the colour of the car?", "Red.", "Describe.", "A car.", id="1"),
        sample("Describe.", "A dog.", id="2"),
        sample("", "?", id="3"),
    ]
    scores, found = scored({"parser": name}, *samples)
    assert [s.value for s in scores] == [1.5, 1.0, None]
    assert (found.value, found.n) == (1.25, 2)
    assert json.loads(found.detail) == {"form": "recommended", "parser": name, "model": None}
    assert fingerprint(name).startswith(name)
    assert scored({"parser": name})[0] == []


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("no_such_package:parse", "cannot import no_such_package"),
        (f"{__name__}:nothing", "cannot import"),
        (f"{__name__}:one_too_few", "0 trees for 1 texts"),
        (f"{__name__}:out_of_range", "a head outside its tree"),
    ],
)
def test_parsers_that_do_not_parse(name, what):
    with pytest.raises(VlitError, match=what):
        scored({"parser": name}, sample("Describe.", "A dog."))


def test_unknown_parsers_are_refused_at_once():
    with pytest.raises(ValueError, match="spacy, stanza, or module:function"):
        ParsedConfig(parser="spacey")


@pytest.mark.parametrize("name", ["spacy", "stanza"])
def test_packages_and_models_that_are_not_there(name):
    with pytest.raises(VlitError) as caught:
        parser(name, "xx_no_such_model")
    assert "pip install" in caught.value.todo or "download" in caught.value.todo


def test_spacys_documents():
    spacy = pytest.importorskip("spacy")
    from spacy.tokens import Doc

    words = tree(SPACY)
    doc = Doc(
        spacy.blank("en").vocab,
        words=[w.text for w in words],
        pos=[w.tag for w in words],
        heads=[i if w.head < 0 else w.head for i, w in enumerate(words)],
        deps=[w.relation for w in words],
    )
    assert from_spacy(doc) == universal(words)


def test_a_spacy_model_that_was_trained_on_two_sentences(tmp_path):
    spacy = pytest.importorskip("spacy")
    from spacy.tokens import Doc
    from spacy.training import Example

    pipeline = spacy.blank("en")
    examples = []
    for text in (SPACY, GIVEN):
        words = tree(text)
        doc = Doc(
            pipeline.vocab,
            words=[w.text for w in words],
            pos=[w.tag for w in words],
            heads=[i if w.head < 0 else w.head for i, w in enumerate(words)],
            deps=[w.relation for w in words],
        )
        examples.append(Example(Doc(pipeline.vocab, words=[w.text for w in words]), doc))
    pipeline.to_disk(tmp_path / "blank")
    with pytest.raises(VlitError, match="does not parse"):
        parser("spacy", str(tmp_path / "blank"))
    pipeline.add_pipe("morphologizer")
    pipeline.add_pipe("parser", config={"min_action_freq": 1})
    optimizer = pipeline.initialize(lambda: examples)
    for _ in range(40):
        pipeline.update(examples, sgd=optimizer)
    pipeline.to_disk(tmp_path / "model")
    text = " ".join(w.text for w in tree(SPACY))
    (score,), _ = scored({"model": str(tmp_path / "model")}, sample(text, "Yes."))
    assert score.value == 6
    assert score.reason == "riding(nsubj man, obj horse, obj mule, obl gate)"


def test_stanzas_documents():
    pytest.importorskip("stanza")
    from stanza.models.common.doc import Document

    from vlit.assess.complexity.parsers import from_stanza

    sentences = []
    for text in (COLOUR, DETAIL):
        rows = [line.split() for line in text.strip().splitlines()]
        sentences.append(
            [
                {"id": i, "text": w, "upos": tag, "head": int(head), "deprel": relation}
                for i, (w, tag, head, relation) in enumerate(rows, start=1)
            ]
        )
    words = from_stanza(Document(sentences))
    assert named(words) == ["colour", "car", "description", "photo"]
