"""For all tests."""

import gc
import os
from collections.abc import Iterator

import pytest

# Triton's interpreter, which runs the kernels of the triton engine without a GPU. Triton reads this when it is first
# imported, which torch does too.
os.environ.setdefault("TRITON_INTERPRET", "1")


@pytest.fixture(autouse=True)
def without_pdf(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures of reports as SVG only, except in tests marked `pdf`: PDFs take half the time of a report."""
    if not request.node.get_closest_marker("pdf"):
        monkeypatch.setattr("reports.exhibits.pdf", lambda figure: b"%PDF")


@pytest.fixture(autouse=True, scope="module")
def frozen_objects() -> Iterator[None]:
    """What lives after a module of tests (kernels, modules of torch) is not searched again by every garbage collection."""
    yield
    gc.collect()
    gc.freeze()
