"""Outcomes of the claims of one answer, for the tests of this folder."""

import msgspec

from tests.assess.small import obj, sample
from vlit.assess.correctness.judged import judge_sample


def outcomes(room, question, answer, kind):
    """Outcomes of the claims of a kind, in order."""
    judged = judge_sample(sample(question, answer), {"s1": room})
    return [c.outcome for c in judged.claims if c.kind == kind]


def looking(id, label, *attributes, x=0):
    return msgspec.structs.replace(obj(id, label, x), attributes=attributes)
