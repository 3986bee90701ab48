import inspect

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def construct():
    """Construct a task without the type checks of the test run, as with the values of a study file."""

    def construct(cls, **options):
        inspect.unwrap(cls.__init__)(cls.__new__(cls), **options)

    return construct
