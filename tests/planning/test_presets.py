"""Planners by the name of their published settings."""

import pytest
import torch
from trajectory_models import Codes, Ensemble, Quadratic

from rollout.planning import (
    CEM,
    ICEM,
    MPPI,
    PRESETS,
    TDMPC,
    TreeSearch,
    make_planner,
    tdmpc2_discount,
)

KINDS = {
    "tdmpc2": TDMPC,
    "pets": CEM,
    "icem": ICEM,
    "mppi": MPPI,
    "swm-cem": CEM,
    "vjepa2-ac": CEM,
    "mctx-muzero": TreeSearch,
    "mctx-gumbel": TreeSearch,
}


def test_every_preset_is_known_here():
    assert set(PRESETS) == set(KINDS)


@pytest.mark.parametrize("preset", KINDS)
def test_a_preset_makes_a_planner_that_plans(preset):
    tree = KINDS[preset] is TreeSearch
    planner = make_planner(Codes((4,)) if tree else Quadratic(), preset)
    assert type(planner) is KINDS[preset]
    plan = planner.plan(torch.zeros(2, 2), seed=0)
    assert len(plan.action) == 2
    if preset == "vjepa2-ac":
        assert plan.action.abs().max() <= 0.05


def test_presets_look_at_the_model_and_give_way_to_settings():
    assert make_planner(Quadratic(), "tdmpc2").iterations == 6
    assert make_planner(Quadratic(20), "tdmpc2").iterations == 8
    assert make_planner(Quadratic(20), "tdmpc2", iterations=2).iterations == 2
    assert make_planner(Quadratic(), "pets").scoring.particles == 1
    pets = make_planner(Ensemble(), "pets")
    assert (pets.scoring.particles, pets.scoring.propagation) == (20, "ts1")
    with pytest.raises(ValueError, match=r"preset: expected one of tdmpc2, pets, .*, got 'cma'"):
        make_planner(Quadratic(), "cma")


def test_tdmpc2s_discount_follows_the_length_of_an_episode():
    assert tdmpc2_discount(500) == pytest.approx(0.99)
    assert tdmpc2_discount(10) == 0.95
    assert tdmpc2_discount(100000) == 0.995
