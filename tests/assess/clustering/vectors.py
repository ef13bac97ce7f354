"""Vectors like those of texts, for the tests of clustering."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def texts(
    n: int, d: int = 96, topics: int = 20, spread: float = 0.45, seed: int = 0, dtype: Any = np.float32
) -> npt.NDArray[Any]:
    """Unit rows around directions, many of them alone. Shape (n, d)."""
    random = np.random.default_rng(seed)
    centres = random.standard_normal((topics, d))
    apart = random.standard_normal((n, d)) * random.uniform(spread, 3, (n, 1))
    rows = centres[random.integers(0, topics, n)] + apart
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(dtype)
