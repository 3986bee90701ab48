"""Groups and names of tasks."""

from hypothesis import given
from hypothesis import strategies as st

from reports.statistics.strata import base_name


@given(base=st.text(alphabet="abc_", min_size=1), options=st.lists(st.text(alphabet="abc0", min_size=1)))
def test_base_name_of_a_label_drops_its_options(base: str, options: list[str]) -> None:
    assert base_name("+".join([base, *options])) == base
