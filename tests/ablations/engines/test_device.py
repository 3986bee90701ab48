"""`choose_device`: the GPU or the CPU, and what is refused."""

import pytest
import torch

from ablations.cells import catalogue
from ablations.engines import choose
from ablations.engines.device import CPU, choose_device
from ablations.errors import InputError
from ablations.networks import evaluation


@pytest.fixture
def gpu(monkeypatch):
    """Pretend that there is a GPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def test_auto_is_the_gpu_if_there_is_one(gpu):
    assert choose_device("auto") == choose_device("cuda") == torch.device("cuda", 0)
    assert choose_device("cpu") == CPU


def test_without_a_gpu_auto_is_the_cpu_and_cuda_is_refused(no_gpu):
    assert choose_device("auto") == choose_device("cpu") == CPU
    with pytest.raises(
        InputError, match=r"there is no CUDA device here: torch .*; with --device cpu it runs on the CPU"
    ) as raised:
        choose_device("cuda")
    assert len(str(raised.value).splitlines()) == 1


def test_unknown_devices_are_refused():
    with pytest.raises(InputError, match="unknown device 'cud'; did you mean 'cuda'"):
        choose_device("cud")


def test_the_fused_engine_is_refused_on_a_gpu():
    with pytest.raises(InputError, match="the fused engine runs on the CPU only"):
        choose("fused", catalogue()["rnn"](), device=torch.device("cuda"))
    assert choose("eager", catalogue()["rnn"](), device=torch.device("cuda")).name == "eager"


def test_members_are_split_by_the_memory_of_the_device(monkeypatch):
    class Properties:
        total_memory = 32 * 1000

    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: Properties)
    assert evaluation.member_chunks(5, 400, torch.device("cuda")) == [slice(0, 2), slice(2, 4), slice(4, 6)]
    assert evaluation.member_chunks(5, 400) == [slice(0, evaluation.MAX_FLOATS // 400)]
