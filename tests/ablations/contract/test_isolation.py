"""Isolation of plug-ins: settings are restored, replaced attributes are restored and refused, whenever the code runs."""

import contextlib
import os
import random
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tasks
from ablations.cells import base
from ablations.contract import plugins
from ablations.contract.isolation import isolated
from ablations.errors import InputError
from ablations.training import torch_state
from tests.ablations.contract.example_plugins import CELL, TASK

pytestmark = pytest.mark.usefixtures("registries")


def umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


SETTINGS: dict[str, Callable[[], Any]] = {
    "torch.set_default_dtype(torch.float64)": torch.get_default_dtype,
    "torch.set_default_device('meta')": torch.get_default_device,
    "torch.set_num_threads(3)": torch.get_num_threads,
    "torch.set_grad_enabled(False)": torch.is_grad_enabled,
    "torch.use_deterministic_algorithms(True)": torch.are_deterministic_algorithms_enabled,
    "torch.set_float32_matmul_precision('medium')": torch.get_float32_matmul_precision,
    "torch.set_autocast_enabled('cpu', True)": lambda: torch.is_autocast_enabled("cpu"),
    "torch.autograd.set_detect_anomaly(True)": torch.is_anomaly_enabled,
    "torch.set_flush_denormal(True)": lambda: (torch.tensor(2e-38) * 0.1).item(),
    "torch.manual_seed(5)": lambda: torch.get_rng_state().tolist(),
    "import numpy; numpy.random.seed(5)": lambda: np.random.get_state()[1].tolist(),  # noqa: NPY002
    "import numpy; numpy.seterr(all='raise')": np.geterr,
    "import random; random.seed(5)": random.getstate,
    "import os; os.environ['MLFLOW_TRACKING_URI'] = 'http://nowhere'": lambda: dict(os.environ),
    "import os; os.environ.pop('PATH')": lambda: dict(os.environ),
    "import os; os.chdir('/')": os.getcwd,
    "import os; os.umask(0o777)": umask,
    "import sys; sys.path.insert(0, '/nowhere')": lambda: list(sys.path),
    "import sys; sys.meta_path.clear()": lambda: list(sys.meta_path),
    "import sys; sys.setrecursionlimit(5000)": sys.getrecursionlimit,
    "import sys, io; sys.stdout = io.StringIO()": lambda: sys.stdout,
    "import warnings; warnings.simplefilter('ignore')": lambda: list(warnings.filters),
    "import signal; signal.signal(signal.SIGINT, lambda *_: None)": lambda: signal.getsignal(signal.SIGINT),
}
"""Statements of a plug-in that change a setting, and what reads it."""

REPLACED = {
    "torch.sigmoid = torch.tanh": "torch.sigmoid",
    "torch.Tensor.sigmoid = torch.Tensor.tanh": "torch.Tensor.sigmoid",
    "torch.nn.functional.softplus = torch.relu": "torch.nn.functional.softplus",
    "torch.nn.Module.train = None": "torch.nn.modules.module.Module.train",
    "import math; math.sqrt = abs": "math.sqrt",
    "import builtins; builtins.sum = max": "builtins.sum",
    "import numpy; numpy.zeros = numpy.ones": "numpy.zeros",
    "from ablations.cells.lstm import LSTM; LSTM.remember = None": "ablations.cells.lstm.LSTM.remember",
    "from ablations.cells.lstm import LSTM; del LSTM.remember": "ablations.cells.lstm.LSTM.remember",
    "from ablations.cells import base; base.registry['lstm'] = base.registry['gru']": "ablations.cells.base.registry.lstm",
    "from tasks import recall; recall.Recall.lag_means = 'a'": "tasks.recall.Recall.lag_means",
    "from ablations.training import population; population.MAX_NORM = 1": "ablations.training.population.MAX_NORM",
    "from ablations.hyperparameters import DEFAULTS; DEFAULTS['clip_norm'] = 1.0": "ablations.hyperparameters.DEFAULTS.clip_norm",
    "import sys; sys.modules['tasks.recall'] = sys": "sys.modules.tasks.recall",
    "torch.set_default_device('meta'); torch.relu = torch.tanh": "torch.relu",
    "torch.overrides.BaseTorchFunctionMode().__enter__()": "leaves a torch mode on",
    "torch.utils._python_dispatch.TorchDispatchMode().__enter__()": "leaves a torch mode on",
}
"""Statements of a plug-in that replace what other cells use, and what the message names."""


def plugin(folder: Path, at_import: str = "", in_step: str = "") -> Path:
    """A copy of the example cell with statements at its top, and in its step."""
    text = CELL.read_text(encoding="utf-8")
    step = 'h = state["h"]'
    assert text.count(step) == 1
    text = text.replace(step, f"{in_step}; {step}" if in_step else step)
    file = folder / "mine.py"
    file.write_text(text.replace("class UGRNN", f"import torch; {at_import}\n\n\nclass UGRNN", 1), encoding="utf-8")
    return file


@pytest.mark.parametrize("statement", SETTINGS)
def test_a_setting_that_a_plugin_changes_at_import_is_restored(statement, tmp_path):
    read = SETTINGS[statement]
    with isolated():
        before = read()
        exec(f"import torch; {statement}")
        assert read() != before, "the statement changes nothing"
    file = plugin(tmp_path, at_import=statement)
    before = read()
    plugins.defined(file)
    assert read() == before


@pytest.mark.parametrize("statement", [one for one in SETTINGS if one.startswith("torch.set_") and "meta" not in one])
def test_a_setting_that_a_plugin_changes_in_its_step_is_restored(statement, tmp_path):
    before = torch_state.current()
    with contextlib.suppress(InputError):  # with another default dtype the cell may not pass its checks
        plugins.load([plugin(tmp_path, in_step=statement)])
    assert torch_state.current() == before


@pytest.mark.parametrize("statement", REPLACED)
def test_a_plugin_that_replaces_what_others_use_is_refused_and_undone(statement, tmp_path):
    lstm, recall = dict(vars(base.registry["lstm"])), dict(vars(tasks.registry["recall"]))
    functions = torch.sigmoid, torch.relu, torch.Tensor.sigmoid
    file = plugin(tmp_path, at_import=statement)
    with pytest.raises(InputError) as raised:
        plugins.defined(file)
    assert str(raised.value).startswith(f"{file}: ")
    assert REPLACED[statement] in str(raised.value)
    assert (torch.sigmoid, torch.relu, torch.Tensor.sigmoid) == functions
    assert (vars(base.registry["lstm"]), vars(tasks.registry["recall"])) == (lstm, recall)
    assert torch._C._len_torch_function_stack() == torch._C._len_torch_dispatch_stack() == 0


@pytest.mark.parametrize("statement", ["torch.sigmoid = torch.tanh", "torch.Tensor.tanh = torch.Tensor.sigmoid"])
def test_a_plugin_that_replaces_a_function_in_its_step_is_refused_and_undone(statement, tmp_path):
    functions = torch.sigmoid, torch.Tensor.tanh
    file = plugin(tmp_path, in_step=statement)
    with pytest.raises(InputError, match=r"mine\.py:\d+: GlobalChange: replaces torch\.\w+"):
        plugins.load([file])
    assert (torch.sigmoid, torch.Tensor.tanh) == functions


def test_the_examples_and_imports_of_libraries_change_nothing():
    with isolated():
        plugins.load([CELL, TASK])
    with isolated():
        import torch._dynamo  # noqa: F401


def test_state_is_restored_when_the_block_raises():
    dtype = torch.get_default_dtype()

    @isolated()
    def fails() -> None:
        torch.set_default_dtype(torch.float64)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert torch.get_default_dtype() == dtype
