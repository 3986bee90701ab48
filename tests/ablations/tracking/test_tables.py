"""The tables of a study do not depend on the order of runs, nor on where curves are read from."""

import pandas as pd
import pytest

from ablations.sweeps.store import Store
from ablations.tracking import tables
from ablations.tracking.manifest import manifest
from tests.ablations.tracking.member_records import FINDINGS, STUDY, member_record, probed_record, started_tracker


def test_results_do_not_depend_on_the_order_of_runs(store: Store) -> None:
    """Also where one member has a setting, and another a metric, that the others lack."""
    tracker = started_tracker(store)
    biased = member_record("b", seed=2)
    biased["settings"]["input_bias"] = -1.0
    biased["metrics"]["retained"] = 0.5
    for record in (member_record("a", seed=1), biased, member_record("c", 1, seed=0)):
        tracker.deliver(record)
    runs = list(tracker._runs("tags.kind = 'member'"))
    csv = tables.results(runs, manifest(STUDY)).to_csv(index=False)
    assert csv == tables.results(runs[::-1], manifest(STUDY)).to_csv(index=False)
    assert csv.startswith("study,phase,cell,task,group,lag,size,search,trial,seed,status,solved,score,")
    assert tables.results(runs, manifest(STUDY)).hash.tolist() == ["c", "a", "b"]


def test_results_name_the_device_and_those_of_earlier_versions_are_of_the_cpu(store: Store) -> None:
    tracker = started_tracker(store)
    tracker.deliver(member_record("a"))
    tracker.deliver(member_record("b") | {"device": "cuda"})
    runs = list(tracker._runs("tags.kind = 'member'"))
    assert tables.results(runs, manifest(STUDY)).set_index("hash").device.to_dict() == {"a": "cpu", "b": "cuda"}
    for run in runs:
        del run.data.tags["device"]
    assert set(tables.results(runs, manifest(STUDY)).device) == {"cpu"}


def test_curves_of_the_store_equal_those_of_the_tracker(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = started_tracker(store)
    for name in "ba":
        tracker.deliver(probed_record(store, name))
        tracker.deliver(member_record(name + "x"))
    from_tracker = tracker.curves(tracker.manifest())
    for name in ("b", "a", "bx", "ax"):
        store.put(name, member_record(name))
    not_uploaded = {"decode": {"metrics": {}, "curves": {"decode/true": [(0, 1.0)]}}}
    for name in "ba":
        for probe, findings in (FINDINGS | not_uploaded).items():
            store.add_findings(name, probe, findings)
    monkeypatch.setattr(tracker.client, "get_metric_history", None)
    pd.testing.assert_frame_equal(tracker.curves(tracker.manifest()), from_tracker)
    assert from_tracker.hash.tolist() == sorted(from_tracker.hash)
    assert set(from_tracker.hash) == {"a", "ax", "b", "bx"}
