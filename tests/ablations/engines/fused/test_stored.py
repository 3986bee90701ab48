"""Plans on disk are used, and used only for the cell that they were made from."""

import json
import os
from pathlib import Path

import pytest
import torch

from ablations.cells import catalogue
from ablations.contract import plugins
from ablations.engines import Sizes, choose, eager, fused
from ablations.engines.fused import planned, run, stored
from ablations.engines.fused.graph import SIZES
from ablations.engines.fused.interface import content_of, interface_from, interface_of
from ablations.engines.fused.joint import random_inputs
from ablations.engines.fused.plan import plan
from ablations.engines.fused.trace import trace
from tests.ablations.cli_runner import restored_registries
from tests.ablations.contract.example_plugins import CELL
from tests.ablations.engines.reference_scans import random_inputs as random_scan
from tests.ablations.engines.reference_scans import relative_errors, results_by_name
from tests.ablations.engines.step_cells import cell_from_step


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """The folder of an empty cache."""
    monkeypatch.setenv("WHYGATES_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(run, "_kernels", {})
    return tmp_path / "cache" / "whygates"


@pytest.fixture
def traced(monkeypatch):
    """The names of the cells that are traced."""
    names = []

    def recorded(cell, *rest):
        names.append(cell.name)
        return trace(cell, *rest)

    monkeypatch.setattr(planned, "trace", recorded)
    return names


@pytest.fixture
def new_process(monkeypatch):
    """Forget the kernels, as a new process would."""

    def forget():
        monkeypatch.setattr(run, "_kernels", {})
        stored._own_source.cache_clear()

    return forget


@pytest.mark.parametrize("cls", [pytest.param(cell, id=name) for name, cell in catalogue().items()])
def test_a_stored_interface_is_that_of_the_plan(cls):
    interface = interface_of(plan(trace(cls())), cls.name)
    read = interface_from(json.loads(json.dumps(content_of(interface))))
    assert read._replace(hoisted=None) == interface._replace(hoisted=None)
    w, _, _ = random_inputs(cls(), SIZES[0], torch.float32)
    for one, other in zip(read.hoisted(*w), interface.hoisted(*w), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("name", ["gru", "lru", "layer_norm_rnn"])
def test_another_process_does_not_trace_and_gets_the_same_numbers(cache, traced, new_process, name):
    cell, sizes = catalogue()[name](), Sizes(2, 3, 4, 8)
    inputs = random_scan(cell, 2, 5, 3, 4, 8, reset=False, dtype=torch.float32)
    assert choose("auto", cell, [sizes]).name == "fused"
    first = results_by_name(fused.scan, cell, *inputs)
    new_process()
    assert choose("auto", cell, [sizes]).name == "fused"
    second = results_by_name(fused.scan, cell, *inputs)
    assert traced == [name]
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not list(cache.glob("*.part"))


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[:100],
        lambda text: text[:-100],
        lambda text: text.replace("tanh_", "relu_", 1),
        lambda text: text.split("\n", 1)[1],
        lambda text: "\udcff",
    ],
)
def test_a_damaged_plan_is_made_again(cache, traced, new_process, damage):
    cell = catalogue()["rnn"]()
    fused.prepare(cell)
    (file,) = cache.glob("*.json")
    text = file.read_text(encoding="utf-8")
    file.write_bytes(damage(text).encode(errors="surrogateescape"))
    new_process()
    fused.prepare(cell)
    assert traced == ["rnn", "rnn"]
    assert file.read_text(encoding="utf-8") == text


def test_a_plan_that_cannot_be_written_is_no_error(cache, traced, new_process, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(stored.os, "replace", fail)
        cell = catalogue()["rnn"]()
        stored.Store(cell, (), torch.float32).write(interface_of(plan(trace(cell)), "rnn"))
    assert not list(cache.glob("*"))


def test_options_dtypes_and_the_engines_source_have_plans_of_their_own(cache, monkeypatch):
    kind = catalogue()["lstm"]
    stores = [
        stored.Store(kind(), (), torch.float32),
        stored.Store(kind(), (), torch.float64),
        stored.Store(kind(), [("a", int, 1)], torch.float32),
        stored.Store(kind(), [("a", float, 1.0)], torch.float32),
        stored.Store(kind(peephole=True), (), torch.float32),
    ]
    monkeypatch.setattr(stored, "_own_source", lambda: "edited")
    stores.append(stored.Store(kind(), (), torch.float32))
    monkeypatch.setattr(stored.torch, "__version__", "0")
    stores.append(stored.Store(kind(), (), torch.float32))
    names = [store.name for store in stores]
    assert all(names)
    assert len(set(names)) == len(names)


def test_the_source_of_cells_and_engines_is_part_of_the_name():
    folder = Path(fused.__file__).parents[2]
    named = {str(file.relative_to(folder)) for file in stored.source_files()}
    assert {"engines/fused/kernel.hpp", "engines/fused/plan.py", "engines/noise.py", "cells/base.py"} <= named
    assert not [file for file in folder.glob("engines/**/*.*pp") if str(file.relative_to(folder)) not in named]


HELPER = "FACTOR = 1.0\n\ndef scaled(x):\n    return FACTOR * x\n"


def results_of_plugin(folder):
    """What a new process computes for the cell of a plug-in, compared with the eager engine."""
    with restored_registries():
        (kind,) = plugins.defined(folder / "mine.py")
        cell = kind()
        inputs = random_scan(cell, 2, 5, 3, 4, 8, reset=False, dtype=torch.float32)
        results = results_by_name(fused.scan, cell, *inputs)
        expected = results_by_name(eager.scan, cell, *inputs)
    assert max(relative_errors(results, expected).values()) < 1e-4
    return results["outputs"]


@pytest.fixture
def plugin(tmp_path):
    """The folder of a plug-in that imports a file beside it."""
    folder = tmp_path / "plugin"
    folder.mkdir()
    (folder / "helper.py").write_text(HELPER)
    text = CELL.read_text().replace("z * (h - n)}", "scaled(z * (h - n))}")
    assert "scaled" in text
    (folder / "mine.py").write_text(f"from helper import scaled\n{text}")
    return folder


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [("mine.py", "scaled(z", "scaled(0.5 * z"), ("helper.py", "1.0", "0.5")],
)
def test_an_edited_plugin_or_import_has_a_new_plan(cache, traced, new_process, plugin, file, old, new):
    before = results_of_plugin(plugin)
    new_process()
    assert torch.equal(results_of_plugin(plugin), before)
    assert len(traced) == 1
    text = (plugin / file).read_text()
    (plugin / file).write_text(text.replace(old, new))
    assert (plugin / file).read_text() != text
    new_process()
    assert not torch.equal(results_of_plugin(plugin), before)
    assert len(traced) == 2
    assert len(list(cache.glob("*.json"))) == 2


def test_a_plan_is_not_used_if_the_step_computes_something_else(cache, traced, new_process, plugin, monkeypatch):
    (plugin / "helper.py").write_text("import os\n" + HELPER.replace("1.0", "float(os.environ['A_FACTOR'])"))
    for factor in ("1.0", "1.0000001", "1.0000001"):
        monkeypatch.setenv("A_FACTOR", factor)
        new_process()
        results_of_plugin(plugin)
    assert len(traced) == 2
    assert len(list(cache.glob("*.json"))) == 1


def test_a_cell_made_by_a_function_has_no_plan_on_disk(cache):
    cell = cell_from_step(lambda w, x, h: torch.tanh(x + h @ w["U"]))
    fused.prepare(cell)
    assert not list(cache.glob("*.json"))


def test_an_option_without_a_text_has_no_plan_on_disk(cache):
    store = stored.Store(catalogue()["rnn"](), [("activation", type(os.getcwd), os.getcwd)], torch.float32)
    assert store.name == ""
    assert store.read(interface_from) is None
