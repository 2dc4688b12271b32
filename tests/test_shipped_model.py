"""The kitchen model that comes with the package: it loads, is small, and plays as its card says."""

import json

import numpy as np

import rollout
from rollout.cli.kitchen_model import ASSETS, load_kitchen_model
from rollout.envs.kitchen import load_layout
from rollout.evaluation import PlannerPlayer, PolicyPlayer, score
from rollout.goals import parse
from rollout.planning import TreeSearch

NAME = "kitchen_cramped_room"


def test_it_scores_what_was_recorded() -> None:
    assert (ASSETS / f"{NAME}.safetensors").stat().st_size <= 4 << 20
    learned = load_kitchen_model(load_layout("cramped_room"))
    recorded = json.loads((ASSETS / f"{NAME}.json").read_text())["recorded"]
    env = rollout.make_vec(
        "Kitchen-v0",
        recorded["kitchens"],
        layout="cramped_room",
        **{k: v for k, v in learned.card.env_options.items() if k.startswith("partner")},
    )
    planner = TreeSearch(
        learned.model,
        num_simulations=learned.card.simulations,
        discount=learned.card.discount,
        goal=parse(learned.card.goal),
        gumbel_scale=0.0,
        paths=False,
    )
    seed = recorded["seed"]
    planned = score(env, PlannerPlayer(planner, seed=seed), seed=seed)
    head = score(env, PolicyPlayer(learned.model, greedy=False, seed=seed), seed=seed)
    # another machine may round otherwise and so take other turns: equal within four standard errors
    assert abs(planned.mean - recorded["planner"]) <= 4 * recorded["error"]
    assert planned.mean >= 120
    ahead = planned.returns - head.returns
    assert ahead.mean() > 3 * ahead.std(ddof=1) / np.sqrt(len(ahead))
