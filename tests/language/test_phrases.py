"""The quick look at words finds every rule that a search for each piece of text finds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlit.language.phrases import Rule, Section, likely, plain_lower, rules, search

SECTIONS: tuple[Section, ...] = ("leak", "refusal", "thinking")
RULES = [(section, rule) for section in SECTIONS for rule in rules(section)]
WORDS = sorted({word for _, rule in RULES for piece in rule.has for word in piece.split()})


@pytest.mark.parametrize(("section", "rule"), RULES, ids=lambda x: x.example if isinstance(x, Rule) else x)
def test_each_rule_is_likely_where_it_catches(section: Section, rule: Rule) -> None:
    for text in (rule.example, rule.example.upper(), f"'{rule.example}'", f"*{rule.example}*"):
        assert rule in likely(section, text)
    assert search(likely(section, rule.example), rule.example)


@given(st.lists(st.sampled_from([*WORDS, "the", "a", "is", "in", "dog", ",", "'", '"', "-"]), max_size=25))
def test_nothing_is_missed_in_any_text(words: list[str]) -> None:
    text = " ".join(words)
    lower = plain_lower(text)
    for section in SECTIONS:
        found = [rule for rule in rules(section) if not rule.start and search([rule], text)]
        assert set(found) <= set(likely(section, text)), lower


def test_a_plain_text_holds_nothing() -> None:
    assert likely("leak", "A brown dog sleeps on a sofa.") == ()
    assert likely("refusal", "") == ()
