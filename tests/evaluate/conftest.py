"""What tests of evaluation share."""

from pathlib import Path

import pytest

from tests.tune import tiny


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny LLaVA with random weights."""
    folder = tmp_path_factory.mktemp("model")
    tiny.llava(folder).save(folder / "tiny")
    return folder / "tiny"
