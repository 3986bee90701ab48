"""`whygates check`: what it prints for files that pass, fail, and cannot be used."""

import re
from pathlib import Path

from tests.ablations.cli_runner import whygates

EXAMPLES = Path(__file__).parents[3] / "examples"
CELL, TASK = EXAMPLES / "ugrnn.py", EXAMPLES / "delayed_match.py"


def test_a_file_that_fulfils_the_contract_passes(tmp_path: Path) -> None:
    outcome = whygates("check", TASK, cwd=tmp_path)
    assert outcome.code == 0, outcome
    assert outcome.stdout.startswith("delayed_match, a task\n  passes ")
    assert "FAILS" not in outcome.stdout
    assert outcome.stdout.endswith("all checks pass\n")


def test_a_failed_check_is_printed_with_its_line(tmp_path: Path) -> None:
    mixing = "n + z * (h - n.mean(-2, keepdim=True))"
    (tmp_path / "mine.py").write_text(CELL.read_text().replace("n + z * (h - n)", mixing))
    outcome = whygates("check", "mine.py", cwd=tmp_path)
    assert outcome.code == 1
    assert re.search(r"  FAILS  .+\n +mine.py:\d+: sequences are not independent", outcome.stdout)
    assert "  passes " in outcome.stdout
    assert "engine eager (no fused kernel: " in outcome.stdout
    assert outcome.stdout.endswith("failed checks: 1\n")


def test_after_a_failed_basic_check_all_others_are_skipped(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(CELL.read_text().replace("reference = ", "source = "))
    outcome = whygates("check", "mine.py", cwd=tmp_path)
    assert outcome.code == 1
    assert "  the other 13 checks are skipped until this one passes\n" in outcome.stdout


def test_a_gradient_that_is_meant_to_differ_from_the_derivative_is_declared(tmp_path: Path) -> None:
    rounded = "n + z * (h - n) + (torch.round(n) - n).detach()"
    text = (
        CELL.read_text()
        .replace("n + z * (h - n)", rounded)
        .replace("from torch import", "import torch\nfrom torch import", 1)
    )
    (tmp_path / "mine.py").write_text(text)
    outcome = whygates("check", "mine.py", cwd=tmp_path)
    assert outcome.code == 1
    assert "straight-through estimator, declare custom_gradient = True" in outcome.stdout
    (tmp_path / "mine.py").write_text(
        text.replace("    reference = ", "    custom_gradient = True\n    reference = ", 1)
    )
    outcome = whygates("check", "mine.py", cwd=tmp_path)
    assert outcome.code == 0, outcome
    assert "  its gradients are not compared with finite differences: custom_gradient = True\n" in outcome.stdout
    assert "engine fused" in outcome.stdout
