"""Blocks of memory are used again when, and only when, no tensor uses them."""

import resource
import threading
from mmap import mmap

import pytest
import torch

from ablations.cells import catalogue
from ablations.engines import fused
from ablations.engines.fused import memory
from tests.ablations.engines.reference_scans import random_inputs

LARGE = (4, 1 << 20)


@pytest.fixture(autouse=True)
def no_free_blocks(monkeypatch):
    monkeypatch.setattr(memory, "_free", {})


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_block_is_used_again_when_its_tensor_and_all_views_are_gone(dtype):
    tensor = memory.empty(*LARGE, dtype=dtype)
    assert (tensor.shape, tensor.dtype, tensor.data_ptr() % memory.ALIGNMENT) == (LARGE, dtype, 0)
    address, view = tensor.data_ptr(), tensor[1:, 5:].detach()
    del tensor
    other = memory.empty(*LARGE, dtype=dtype)
    assert other.data_ptr() != address
    del view
    assert memory.empty(*LARGE, dtype=dtype).data_ptr() == address


def test_blocks_of_other_sizes_are_given_back():
    for columns in range(1 << 18, (1 << 18) + 20):
        memory.empty(4, columns, dtype=torch.float32)
    assert sum(map(len, memory._free.values())) == 1


def test_threads_share_no_block():
    seen = []

    def use():
        for i in range(50):
            tensor = memory.empty(1 << 18, dtype=torch.float32).fill_(i)
            seen.append(bool((tensor == i).all()))

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [True] * 200


def test_a_copy_is_made_only_of_what_is_not_contiguous():
    tensor = torch.arange(1 << 19, dtype=torch.float32).view(2, -1)
    assert memory.contiguous(tensor) is tensor
    copy = memory.contiguous(tensor.T)
    assert copy.is_contiguous()
    assert torch.equal(copy, tensor.T)


def test_a_gradient_step_takes_no_new_memory_after_the_first():
    cell = catalogue()["rnn"]()
    w, x, s, _, _ = random_inputs(cell, 8, 50, 16, 2, 64, reset=False, dtype=torch.float32)
    leaves = [weight.requires_grad_() for weight in w.values()]
    V, b = torch.randn(8, 64, 2, requires_grad=True), torch.zeros(8, 1, 2, requires_grad=True)

    def step():
        outputs = fused.scan(cell, w, x, s).outputs
        torch.autograd.grad(fused.linear(outputs.flatten(1, 2), V, b).sum(), [*leaves, V, b])

    def page_faults(call):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        call()
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    outputs_bytes = x.shape[0] * x.shape[1] * x.shape[2] * 64 * 4
    outputs_pages = outputs_bytes // resource.getpagesize()
    assert (
        page_faults(lambda: mmap(-1, outputs_bytes).write(bytes(outputs_bytes))) >= outputs_pages
    )  # new memory is counted
    step()
    step()
    assert page_faults(step) < 0.2 * outputs_pages
