"""Global settings of torch: the standard ones hold inside the block, the caller's are restored after it."""

import pytest
import torch

from ablations.training import torch_state

OTHER = {
    "torch.set_default_device": torch.device("meta"),
    "torch.set_default_dtype": torch.float64,
    "torch.set_grad_enabled": False,
    "torch.set_flush_denormal": False,
    "torch.set_num_threads": 3,
    "torch.set_float32_matmul_precision": "medium",
    "torch.use_deterministic_algorithms": True,
    "torch.set_autocast_enabled": True,
    "torch.autograd.set_detect_anomaly": True,
}
"""A value that differs from the standard one, for every setting."""


@pytest.mark.filterwarnings("ignore:Anomaly Detection has been enabled")
@pytest.mark.parametrize("name", torch_state.SETTINGS)
def test_setting_is_standard_in_the_block_and_restored_after_it(name: str) -> None:
    before = torch_state.current()
    try:
        torch_state.restore({name: OTHER[name]})
        changed = torch_state.current()
        assert changed[name] == OTHER[name] != torch_state.SETTINGS[name].standard
        with torch_state.standard():
            inside = torch_state.current()
        assert inside == {key: setting.standard for key, setting in torch_state.SETTINGS.items()}
        assert torch_state.current() == changed
    finally:
        torch_state.restore(before)


def test_number_of_threads_can_be_chosen() -> None:
    with torch_state.standard(threads=2):
        assert torch.get_num_threads() == 2
