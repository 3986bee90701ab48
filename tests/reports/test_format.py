"""Exact texts of numbers and lists, and the sign convention."""

import math
import subprocess
import sys

import pytest

from reports import format

HEAVY = ("numpy", "pandas", "scipy", "matplotlib", "torch", "jinja2")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (-0.0, "0"),
        (9.996e6, "1.00 × 10⁷"),
        (float("nan"), "–"),
        (0.01234, "0.0123"),
        (-0.01234, "−0.0123"),
        (3.0, "3"),
        (123.4, "123"),
        (12345.0, "12,345"),
        (-12345, "−12,345"),
        (7.7e7, "7.70 × 10⁷"),
        (1.5e12, "1.50 × 10¹²"),
    ],
)
def test_number(value: float | None, text: str) -> None:
    assert format.number(value) == text


def test_number_with_two_significant_digits() -> None:
    assert format.number(0.01234, 2) == "0.012"
    assert format.number(7.7e7, 2) == "7.7 × 10⁷"


def test_span_of_equal_ends_is_one_number() -> None:
    assert format.span(33, 66) == "33 to 66"
    assert format.span(33, 33) == "33"


@pytest.mark.parametrize(
    ("share", "text"), [(0.416, "+42"), (-0.834, "−83"), (0.0, "0"), (0.004, "0"), (-0.004, "0"), (1.0, "+100")]
)
def test_difference_in_points_shows_its_sign(share: float, text: str) -> None:
    assert format.points(share) == text


@pytest.mark.parametrize(
    ("value", "unit", "threshold", "effect"),
    [
        (0.42, "points", "42 points", "+42 points"),
        (-0.42, "points", "−42 points", "−42 points"),
        (0.01, "points", "1 point", "+1 point"),
        (-0.01, "points", "−1 point", "−1 point"),
        (0.0, "points", "0 points", "0 points"),
        (0.314, "", "0.31", "+0.31"),
        (-0.314, "", "−0.31", "−0.31"),
        (-0.001, "", "0.00", "0.00"),
        (0.62, "%", "62 %", "62 %"),
        (-0.2, "%", "−20 %", "−20 %"),
        (0.514, "×", "×0.51", "×0.51"),
        (2.31, "×", "×2.3", "×2.3"),
        (12.3, "×", "×12", "×12"),
        (1e9, "×", "×1e+09", "×1e+09"),
    ],
)
def test_amount_shows_plus_only_for_differences(value: float, unit: str, threshold: str, effect: str) -> None:
    assert format.amount(value, unit) == threshold
    assert format.amount(value, unit, plus=True) == effect


def test_confidence_limits() -> None:
    assert format.confidence_limits(-0.97, -0.6) == "−97 to −60"
    assert format.confidence_limits(-0.03, 0.27) == "−3 to +27"
    assert format.confidence_limits(0.22, 0.4, "") == "+0.22 to +0.40"
    assert format.confidence_limits(1.81, 3.12, "×") == "1.81 to 3.1"
    assert format.confidence_limits(0.48, 0.75, "%") == "48 to 75"


def test_percent() -> None:
    assert format.percent(0.834) == "83 %"
    assert format.percent(0.0125, 1) == "1.2 %"
    assert format.percent(1) == "100 %"


def test_probability() -> None:
    assert format.probability(0.0123) == "p = 0.012"
    assert format.probability(1e-9) == "p < 0.0001"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.25, "0.25 s"),
        (9.96, "10 s"),
        (45, "45 s"),
        (89, "89 s"),
        (90, "2 min"),
        (720, "12 min"),
        (12240, "3.4 h"),
        (7.2e6, "2,000.0 h"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert format.duration(seconds) == text


def test_count() -> None:
    assert format.count(1, "cell") == "1 cell"
    assert format.count(0, "cell") == "0 cells"
    assert format.count(1200, "cell") == "1,200 cells"
    assert format.count(2, "search", "searches") == "2 searches"


def test_listed() -> None:
    assert format.listed([]) == ""
    assert format.listed(["a"]) == "a"
    assert format.listed(["a", "b"]) == "a and b"
    assert format.listed(iter("abca")) == "a, b and c"
    assert format.listed("abc", " or ") == "a, b or c"


def test_short() -> None:
    assert format.short("lstm") == "lstm"
    assert format.short("x" * 26) == "x" * 26
    assert format.short("single_network", 8) == "single_…"


def test_import_loads_no_heavy_package() -> None:
    code = f"import sys, reports.format; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("value", "text"), [(0.9860285, "0.986028"), (math.nextafter(0.9860285, 1), "0.986028"), (1e-9 / 3, "3.33333e-10")]
)
def test_last_digits_of_a_double_do_not_decide_how_it_is_rounded(value: float, text: str) -> None:
    assert f"{format.rounded(value):.6g}" == text
