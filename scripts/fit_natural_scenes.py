"""Fit the reference of natural scenes on the photos that ship with vlit.

    python scripts/fit_natural_scenes.py

Writes src/vlit/assess/pictures/natural_scenes.json. Each photo is read as ``vlit.assess.pictures`` reads it;
the covariance of the patches' features is drawn to its diagonal by a tenth, since 44 photos have only about
500 patches for 36 features.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from vlit.assess.pictures.naturalness import features
from vlit.assess.pictures.pixels import pixels_of

SOURCE = Path(__file__).parents[1] / "src" / "vlit"
SHRINKAGE = 0.1


def main() -> None:
    """Fit and write."""
    photos = sorted((SOURCE / "demo" / "images").glob("*.jpg"))
    found = [f for p in photos if (f := features(pixels_of(str(p)).luminance())) is not None]
    patches = np.concatenate(found)
    covariance = np.cov(patches.T)
    covariance = (1 - SHRINKAGE) * covariance + SHRINKAGE * np.diag(np.diag(covariance))
    reference = {
        "origin": f"{len(found)} photos of src/vlit/demo/images (see ATTRIBUTION.csv), {len(patches)} patches",
        "mean": _short(patches.mean(axis=0)),
        "precision": _short(np.linalg.inv(covariance)),
    }
    out = SOURCE / "assess" / "pictures" / "natural_scenes.json"
    out.write_text(json.dumps(reference).replace("], [", "],\n[") + "\n", encoding="utf-8")


def _short(values: np.ndarray) -> list[object]:
    """Six digits."""
    return [float(f"{v:.6g}") for v in values] if values.ndim == 1 else [_short(row) for row in values]


if __name__ == "__main__":
    main()
