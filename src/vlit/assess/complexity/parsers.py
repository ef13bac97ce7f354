"""Dependency parsers that are imported where they are used: spaCy, stanza, or a function of the user's own."""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeAlias

from vlit.assess.complexity.frames import Word, universal
from vlit.data.errors import VlitError
from vlit.data.score import shown
from vlit.data.seeds import hash64

Tree: TypeAlias = list[Word]
#: Trees of some texts, one for each, in their order. Sentences of a text follow each other in one list.
Parser: TypeAlias = Callable[[Sequence[str]], Iterable[Tree]]

_WHERE = "assess.indicators.object_complexity_parsed"
_FIRST_MODEL = {"spacy": "en_core_web_sm", "stanza": "en"}


@functools.lru_cache(maxsize=2)
def parser(name: str, model: str | None = None) -> Parser:
    """A parser, loaded once in each process.

    Args:
        name: "spacy", "stanza", or "module:function". Such a function takes a list of texts and gives for each
            an iterable of ``(text, universal part of speech, head, relation)``; heads are counted from 0, and a
            root has -1.
        model: For spaCy the name or folder of a pipeline with a parser, for stanza a language.

    Raises:
        VlitError: When the package or the model is not there.
    """
    if name == "spacy":
        return _spacy(model or _FIRST_MODEL[name])
    if name == "stanza":
        return _stanza(model or _FIRST_MODEL[name])
    return _own(name)


def _spacy(model: str) -> Parser:
    try:
        import spacy
    except ImportError as error:
        raise _missing("spaCy", "pip install spacy", error) from None
    try:
        pipeline = spacy.load(model, exclude=["ner", "lemmatizer", "textcat"])
    except OSError as error:
        raise VlitError(
            f"spaCy has no model {model!r}: {shown(str(error))}",
            where=f"{_WHERE}.model",
            todo=f"python -m spacy download {model}, or give the folder of a model",
        ) from None
    names = set(pipeline.pipe_names)
    if "parser" not in names or not names & {"tagger", "morphologizer"}:
        raise VlitError(
            f"the spaCy model {model!r} does not parse: it has {', '.join(pipeline.pipe_names) or 'nothing'}",
            where=f"{_WHERE}.model",
            todo="take one with a tagger and a parser, such as en_core_web_sm",
        )
    return lambda texts: map(from_spacy, pipeline.pipe(texts))


def from_spacy(doc: Any) -> Tree:
    """The tree of a parsed ``spacy.tokens.Doc``."""
    rows = [Word(t.text, t.pos_, -1 if t.head.i == t.i else t.head.i, t.dep_) for t in doc]
    return universal(rows)


def _stanza(language: str) -> Parser:
    try:
        import stanza
    except ImportError as error:
        raise _missing("stanza", "pip install stanza", error) from None
    try:
        pipeline = stanza.Pipeline(
            language, processors="tokenize,pos,lemma,depparse", download_method=None, verbose=False
        )
    except (FileNotFoundError, ValueError) as error:
        raise VlitError(
            f"stanza has no models for {language!r}: {shown(str(error))}",
            where=f"{_WHERE}.model",
            todo=f"python -c 'import stanza; stanza.download(\"{language}\")'",
        ) from None
    return lambda texts: [from_stanza(doc) for doc in pipeline.bulk_process(list(texts))]


def from_stanza(doc: Any) -> Tree:
    """The trees of a parsed ``stanza.Document``, one after the other."""
    found: Tree = []
    for sentence in doc.sentences:
        start = len(found)
        found += [Word(w.text, w.upos, start + w.head - 1 if w.head else -1, w.deprel) for w in sentence.words]
    return found


def _own(name: str) -> Parser:
    module, colon, function = name.partition(":")
    if not colon:
        raise VlitError(
            f"no parser {name!r}",
            where=f"{_WHERE}.parser",
            todo="spacy, stanza, or module:function of your own",
        )
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise _missing(name, "install its package, or correct the name", error) from None

    def parse(texts: Sequence[str]) -> Iterable[Tree]:
        trees = [[Word(*row) for row in rows] for rows in found(list(texts))]
        if len(trees) != len(texts):
            raise VlitError(f"{name} gave {len(trees)} trees for {len(texts)} texts", where=f"{_WHERE}.parser")
        for tree in trees:
            if any(not -1 <= word.head < len(tree) for word in tree):
                raise VlitError(
                    f"{name} gave a head outside its tree",
                    where=f"{_WHERE}.parser",
                    todo="count words from 0 within each text; -1 is a root",
                )
        return trees

    return parse


def fingerprint(name: str) -> str:
    """Name and version of a parser, or the bytes of the file of an own one, as a hash.

    Raises:
        VlitError: When the package is not there.
    """
    if name in _FIRST_MODEL:
        try:
            return f"{name} {version(name)}"
        except PackageNotFoundError as error:
            raise _missing(name, f"pip install {name}", error) from None
    _own(name)
    file = sys.modules[name.partition(":")[0]].__file__
    return f"{name} {hash64(Path(file).read_bytes()) if file else 0:x}"


def _missing(what: str, todo: str, error: Exception) -> VlitError:
    return VlitError(f"cannot import {what}: {error}", where=f"{_WHERE}.parser", todo=todo)
