"""Settings by path, and how they are chosen with each clip left out in turn."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from benchmarks.quality.harness import default_settings
from benchmarks.quality.options import RULES, UnknownSetting, parsed, with_settings, without
from benchmarks.quality.sweep import (
    ablation_table,
    as_json,
    best,
    cost,
    costs_by_clip,
    leave_one_out,
)
from benchmarks.quality.table import Row


def test_a_setting_is_changed_at_its_path_and_nothing_else_is() -> None:
    before = default_settings()
    after = with_settings(before, [("second_look.windows", 0), ("long_side", 512)])
    assert (after.second_look.windows, after.long_side) == (0, 512)
    restored = with_settings(
        after, [("second_look.windows", before.second_look.windows), ("long_side", 640)]
    )
    assert restored == before


@pytest.mark.parametrize("path", ["second_look.colour", "nothing.windows", "long_side.more"])
def test_a_path_that_leads_nowhere_is_refused(path: str) -> None:
    with pytest.raises(UnknownSetting, match=path):
        with_settings(default_settings(), [(path, 1)])


def test_a_value_out_of_bounds_is_refused() -> None:
    with pytest.raises(ValidationError):
        with_settings(default_settings(), [("second_look.windows", -1)])


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_can_be_switched_off(rule: str) -> None:
    assert with_settings(default_settings(), [without(rule)]) != default_settings()


def test_an_assignment_may_give_several_values() -> None:
    assert parsed("a.b=1,2.5,osnet") == ("a.b", [1, 2.5, "osnet"])
    for broken in ("a.b", "a.b=", "=1"):
        with pytest.raises(ValueError, match="PATH=VALUE"):
            parsed(broken)


def test_leaks_cost_twice_and_regions_stand_for_pixels_where_there_are_no_maps() -> None:
    assert cost(Row("a", visible=0.01, kept_masked=0.03)) == pytest.approx(5)
    assert cost(Row("a", keep_error=0.25, mask_error=0.1)) == pytest.approx(45)
    assert cost(Row("a", kept_masked=0.03, keep_error=0.5, mask_error=0.1)) == pytest.approx(23)
    assert cost(Row("nobody to keep", visible=0.01)) == pytest.approx(2)


def test_a_clip_counts_once_however_many_runs_it_has() -> None:
    rows = [Row("a1", kept_masked=0.1), Row("a2", kept_masked=0.3), Row("b", kept_masked=0.5)]
    found = costs_by_clip([rows], {"a1": "a", "a2": "a", "b": "b"})
    assert found["a"] == pytest.approx([20])
    assert found["b"] == pytest.approx([50])


def test_the_clip_left_out_has_no_say_in_what_is_chosen_for_it() -> None:
    costs = {"a": [0.0, 9.0], "b": [3.0, 2.0], "c": [3.0, 2.0]}
    assert best(costs) == 0
    held = {entry.clip: entry for entry in leave_one_out(costs)}
    assert (held["a"].chosen, held["a"].cost, held["a"].own_cost) == (1, 9.0, 0.0)
    assert (held["b"].chosen, held["b"].cost) == (0, 3.0)
    document = as_json(costs, ["first", "second"])
    assert document["best_on_all"] == "first"
    assert document["best_on_all_cost"] == pytest.approx(2.0)
    assert document["leave_one_out_cost"] == pytest.approx(5.0)


def test_a_rule_earns_what_its_absence_costs() -> None:
    whole = [Row("a", kept_masked=0.1), Row("b", kept_masked=0.2)]
    without_it = [Row("a", kept_masked=0.4), Row("b", kept_masked=0.1)]
    table = ablation_table([whole, without_it], ["all", "without x"], {"a": "first", "b": "second"})
    cells = {str(column.header): [*column.cells] for column in table.columns}
    assert cells["cost"] == ["15.00", "25.00"]
    assert cells["earns"] == ["+0.00", "+10.00"]
    assert (cells["helps"], cells["harms"]) == (["0", "1"], ["0", "1"])
