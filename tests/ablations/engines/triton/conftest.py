"""Triton's interpreter runs the kernels of these tests on the CPU; without Triton they are skipped."""

import pytest


@pytest.fixture(scope="session")
def interpreted():
    """Replace the functions of CUDA's library, which the interpreter does not have."""
    pytest.importorskip("triton", reason='the triton engine needs Triton: pip install "whygates[gpu]"')
    from ablations.engines.triton import run
    from tests.ablations.engines.triton.numpy_libdevice import NumpyLibdevice

    load = run.load

    def load_for_the_interpreter(source):
        module = load(source)
        module.libdevice = NumpyLibdevice()
        return module

    patch = pytest.MonkeyPatch()
    patch.setattr(run, "load", load_for_the_interpreter)
    yield
    patch.undo()
