"""Exchange: what was asked of a teacher about one scene by one recipe, and what came of it."""

from __future__ import annotations

from vlit.data.scene import Row


class Exchange(Row, frozen=True, kw_only=True):
    """One scene x recipe x generation: all its rounds.

    ``outcome`` is "kept", the kind of the last reply's flaw, the kind of the server's failure, or "not_asked"
    where the budget was spent before. Tokens are those of the replies, as the server counted them.
    """

    id: str  #: ``scene/recipe/generation``
    scene: str
    recipe: str
    prompt: str  #: version of the prompt: digest of its recipe
    teacher: str  #: model that was asked
    requests: tuple[str, ...]  #: keys in the teacher's journal, in order; one that was asked twice stands twice
    flaws: tuple[str, ...]  #: kind of what was wrong with each reply that was sent back, in order
    repairs: tuple[str, ...]  #: what was put right in the reply that was kept, without asking again
    cut: tuple[str, ...]  #: clues that were left out to keep the context short: ``"regions: 12"``
    outcome: str
    samples: int
    prompt_tokens: int
    completion_tokens: int
