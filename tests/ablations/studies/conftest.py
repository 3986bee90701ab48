from pathlib import Path

import pytest

from tests.ablations.studies.small_study import SMALL_STUDY


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    """A file with the small study."""
    path = tmp_path / "small.toml"
    path.write_text(SMALL_STUDY)
    return path
