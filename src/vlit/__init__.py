"""vlit: annotated images in, measured vision-language instruction data out.

Three lines do the main job::

    scenes = vlit.Scenes.from_folder("photos")
    samples = scenes.adapt(seed=17)
    scores = samples.assess()
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vlit.api import Samples, Scenes, Scores
    from vlit.data.errors import VlitError

__all__ = ["Samples", "Scenes", "Scores", "VlitError", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # Loaded on first use: the command line starts without Arrow and the stages.
    if name in __all__:
        return getattr(import_module("vlit.data.errors" if name == "VlitError" else "vlit.api"), name)
    raise AttributeError(f"module 'vlit' has no attribute {name!r}")
