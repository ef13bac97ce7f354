"""Judge a small set in memory with one indicator, as the stage does it in parts and processes."""

import pickle

from vlit.assess.seen import Part, Seen


def judged(indicator, samples, scenes=(), sentences=None, parts=2):
    """Scores of all samples; the state goes through pickle, and the set through several parts."""
    return _judged(indicator, samples, scenes, sentences, parts)[0]


def summarised(indicator, samples, scenes=(), sentences=None, parts=2):
    """Scores of all samples, and the score of the set."""
    scores, state = _judged(indicator, samples, scenes, sentences, parts)
    return scores, indicator.summarise(scores, state)


def _judged(indicator, samples, scenes, sentences, parts):
    whole = indicator.fit()
    state = None
    if whole is not None:
        for sample in samples:
            whole.add(sample)
        seen = Seen(len(samples), lambda: sentences, scenes=scenes)
        state = pickle.loads(pickle.dumps(whole.state(seen)))
    known = {scene.id: scene for scene in scenes}
    scores, size = [], max(1, -(-len(samples) // parts))
    for start in range(0, len(samples), size):
        some = samples[start : start + size]
        rows = sentences.rows(range(start, start + len(some))) if sentences is not None else None
        scores += indicator.score(Part(some, known, rows), state)
    assert [s.sample for s in scores] == [s.id for s in samples]
    assert all(s.value is not None or s.reason for s in scores)
    return scores, state
