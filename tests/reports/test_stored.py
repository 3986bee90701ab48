"""The tables that a report keeps: trials apart, curves thinned, and the same report from them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reports.aggregates.outcomes import GRID
from reports.build import build
from reports.stored import stored, thinned
from reports.tables import Tables, read
from tests.reports import synthetic_study


def curves_of(lengths: dict[str, int], metric: str = "eval/score") -> pd.DataFrame:
    tables = [
        pd.DataFrame({"hash": name, "step": np.arange(n) * 25.0, "metric": metric, "value": 1 / 3})
        for name, n in lengths.items()
    ]
    return pd.concat(tables, ignore_index=True)


def members(**phases: str) -> pd.DataFrame:
    return pd.DataFrame({"hash": list(phases), "phase": list(phases.values()), "task": "recall", "lag": 5.0})


@pytest.mark.parametrize("length", [1, 2, 60, 61, 62, 119, 121, 122, 1000])
def test_a_curve_keeps_about_sixty_points_with_its_ends_and_thinning_again_changes_nothing(length: int) -> None:
    lengths = {"a": length, "b": length // 2 + 1}
    once = thinned(Tables(members(a="confirm", b="confirm"), curves_of(lengths), {}))
    assert once.curves is not None
    for name, points in once.curves.groupby("hash"):
        whole = curves_of({name: lengths[name]})["step"]
        assert points["step"].iloc[[0, -1]].tolist() == whole.iloc[[0, -1]].tolist()
        assert len(points) <= GRID + 1
    assert len(once.curves) >= min(length, GRID / 2)
    by_member = once.curves.groupby("hash")["step"].apply(list)
    assert set(by_member["b"][:-1]) <= set(by_member["a"]), "the points of a stratum lie at the same steps"
    pd.testing.assert_frame_equal(thinned(once).curves, once.curves)


def test_curves_of_trials_are_left_out_and_single_sequences_are_whole() -> None:
    curves = pd.concat([curves_of({"a": 500, "t": 500, "stray": 3}), curves_of({"a": 500}, "trace/event/cue")])
    thin = thinned(Tables(members(a="confirm", t="tune"), curves, {})).curves
    assert thin is not None
    counts = thin.groupby(["hash", "metric"]).size()
    assert set(counts.index) == {("a", "eval/score"), ("a", "trace/event/cue"), ("stray", "eval/score")}
    assert counts["a", "trace/event/cue"] == 500


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_report_from_a_table_of_all_phases_and_from_its_own_folder(tmp_path: Path) -> None:
    made = synthetic_study.study({"recall": [20]}, searches=2, trials=2, confirm=2)
    random = np.random.default_rng(0)
    long = curves_of(dict.fromkeys(made.results["hash"], 400), "grad/norm")
    long["value"] = random.normal(size=len(long))
    folder = synthetic_study.write(tmp_path / "in", made._replace(curves=pd.concat([made.curves, long])))
    out = build(folder, tmp_path / "out").parent
    assert contents(build(out, tmp_path / "again").parent) == contents(out)
    whole = read(folder).results
    tables = {
        name: pd.read_csv(out / name, dtype={"hash": str}) for name in ("results.csv", "trials.csv", "curves.csv")
    }
    assert set(tables["results.csv"]["phase"]) == {"confirm"}
    assert set(tables["trials.csv"]["phase"]) == {"tune"}
    assert set(tables["results.csv"]["hash"]) | set(tables["trials.csv"]["hash"]) == set(whole["hash"])
    assert set(tables["curves.csv"]["hash"]) == set(tables["results.csv"]["hash"])
    assert (out / "curves.csv").stat().st_size < (folder / "curves.csv").stat().st_size / 4


def test_curves_stay_parquet_where_they_are(tmp_path: Path) -> None:
    made = synthetic_study.study({"recall": [20]}, searches=1, trials=1, confirm=1)
    folder = synthetic_study.write(tmp_path / "in", made)
    (folder / "curves.csv").unlink()
    made.curves.astype({"step": float}).to_parquet(folder / "curves.parquet", index=False)
    thin = thinned(read(folder))
    files = dict(stored(folder, thin))
    assert "curves.csv" not in files
    assert isinstance(files["curves.parquet"], bytes)
    out = tmp_path / "out"
    out.mkdir()
    for name, content in files.items():
        (out / name).write_bytes(
            content.read_bytes()
            if isinstance(content, Path)
            else content
            if isinstance(content, bytes)
            else content.encode()
        )
    pd.testing.assert_frame_equal(read(out).curves, thin.curves)


def test_a_table_with_semicolons_and_decimal_commas_is_split_in_its_notation(tmp_path: Path) -> None:
    made = synthetic_study.study({"recall": [20]}, searches=1, trials=1, confirm=1)
    made.results.to_csv(tmp_path / "saved.csv", sep=";", decimal=",", index=False)
    tables = Tables(made.results, None, {})
    for name, text in stored(tmp_path / "saved.csv", tables):
        (tmp_path / name).write_text(str(text))
    assert sorted(read(tmp_path).results["score"]) == sorted(made.results["score"])
