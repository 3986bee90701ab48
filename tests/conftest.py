"""For all tests."""

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="module")
def frozen_objects() -> Iterator[None]:
    """What lives after a module of tests (kernels, modules of torch) is not searched again by every garbage collection."""
    yield
    gc.collect()
    gc.freeze()
