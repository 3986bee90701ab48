"""Add the finished arms of a study's tables to a published study, and build its report again.

`python -m reports.publish FOLDER PUBLISHED`, where FOLDER is a report's folder of a study that may still be running, and PUBLISHED
one of `reports/published`. Arms that are published already stay as they are. Robustness studies, of which FOLDER has the tables if
its report was made with `--beside`, are published beside it.
"""

import json
import re
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from reports.build import build, robustness_of
from reports.join import ARM, join
from reports.tables import MEMBERS, read_curves

OF_ONE_MACHINE = ("experiment", "mlflow", "command")
"""Entries of study.json that mean something only where the study was run."""
LOSSES = ("train/loss", "eval/loss", "grad/norm")
"""Curves that no figure shows: half of all points."""


def main(folder: Path, published: Path) -> None:
    with TemporaryDirectory() as scratch:
        new, joined, out = (Path(scratch) / name for name in ("new", "joined", "out"))
        for path in (new, joined):
            path.mkdir()
        write_finished(folder, new, _read(published) if published.is_dir() else None)
        join([published, new] if published.is_dir() else [new], joined)
        _pack(joined)
        robustness = robustness_of(published)
        for name, source in robustness_of(folder).items():
            robustness[name] = target = Path(scratch) / name
            target.mkdir()
            write_finished(source, target)
            (target / "curves.parquet").unlink(missing_ok=True)  # the report shows none of them
            _pack(target)
        build(joined, out, robustness)
        shutil.rmtree(published, ignore_errors=True)
        shutil.copytree(out, published, ignore=shutil.ignore_patterns("*.pdf", "whygates-files.json"))
        for name in ("report.html", "report.md"):
            page = published / name
            page.write_text(without_pdfs(page.read_text(encoding="utf-8")), encoding="utf-8")


def _pack(folder: Path) -> None:
    """Split results.csv into confirmation networks and packed trials, without empty columns."""
    rows = pd.read_csv(folder / "results.csv", dtype=str, keep_default_na=False)
    confirmed = rows["phase"] == "confirm"
    packed: Any = {"method": "gzip", "mtime": 0}  # equal rows give equal bytes
    for name, part, compression in (
        ("results.csv", rows[confirmed], None),
        ("trials.csv.gz", rows[~confirmed], packed),
    ):
        part.loc[:, (part != "").any()].to_csv(folder / name, index=False, compression=compression)


def without_pdfs(page: str) -> str:
    """A page of a report without its links to PDFs: these are as large as all else together, and the report's command writes them."""
    return re.sub(r'<a href="[^"]+\.pdf">PDF</a> ?|\[PDF\]\([^)]+\.pdf\) ?', "", page)


def write_finished(folder: Path, target: Path, known: pd.DataFrame | None = None) -> None:
    """Write the tables of the arms of which all networks are there, and that are not known yet.

    Columns without a value are left out, and so are the curves of trials and the LOSSES.
    """
    manifest = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    results, tune = _read(folder), manifest["definition"]["tune"]
    tuned = tune["trials"] * tune["seeds"] + tune["rerank"] * tune["rerank_seeds"]
    planned = tune["searches"] * tuned + manifest["definition"]["confirm"]["seeds"]
    counts = results.groupby(ARM)["hash"].transform("size")
    keep = counts == planned
    if known is not None:
        keep &= ~results.set_index(ARM).index.isin(known.set_index(ARM).index)
    finished = results.loc[keep, (results != "").any()]
    finished.to_csv(target / "results.csv", index=False)
    if (curves := read_curves(folder)) is not None:
        confirmed = curves["hash"].isin(finished.loc[finished["phase"] == "confirm", "hash"])
        curves[confirmed & ~curves["metric"].isin(LOSSES)].to_parquet(target / "curves.parquet", index=False)
    manifest = {key: value for key, value in manifest.items() if key not in OF_ONE_MACHINE} | {"queued": 0}
    (target / "study.json").write_text(json.dumps(manifest, ensure_ascii=False), encoding="utf-8")
    print(f"{manifest['study']}: {finished.groupby(ARM).ngroups} arms are added, {len(finished):,} networks")


def _read(folder: Path) -> pd.DataFrame:
    tables = [
        pd.read_csv(folder / name, dtype=str, keep_default_na=False) for name in MEMBERS if (folder / name).is_file()
    ]
    return pd.concat(tables, ignore_index=True)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
