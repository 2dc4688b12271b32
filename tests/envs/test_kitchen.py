"""The kitchen: rules against a plain twin, states as dicts, partners and cooks."""

import copy
from typing import Any

import numpy as np
import pytest
from kitchen_twin import Twin

import rollout
from rollout.envs.kitchen import ACTIONS, BOTS, EVENTS, load_layout

THREE_COOKS = """\
orders: ooo oot t
bonus_orders: oot
order_bonus: 3
onion_value: 5
tomato_value: 7
cook_time: 4

XXPXPXX
O 1 2 T
X  3  X
X     S
XXDXXXX
"""


def make(n: int = 1, **kwargs: Any) -> Any:
    env = rollout.make_vec("Kitchen-v0", n, events=True, **kwargs)
    env.reset(seed=0)
    return env


def plain(state: dict) -> dict:
    """Return a state without what follows from the layout, in one order."""
    state = copy.deepcopy(state)
    for item in [*state["objects"], *(p["held"] for p in state["players"] if p["held"])]:
        item.pop("cook_time", None)
        if "ingredients" in item:
            item["ingredients"] = list(item["ingredients"])
    state["objects"].sort(key=lambda item: item["position"])
    return state


# the rules ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dynamics", ["old", "new"])
@pytest.mark.parametrize(
    "layout",
    [
        "cramped_room",
        "forced_coordination",
        "cramped_room_single",
        "multiplayer_schelling",
        "tutorial_1",
        THREE_COOKS,
    ],
)
def test_every_step_is_the_twins(layout: str, dynamics: str) -> None:
    facts = load_layout(layout)
    if dynamics == "old" and any(len(recipe) < 3 for recipe in facts.orders):
        return  # refused, see test_bad_options
    horizon, rows, players = 120, 6, facts.num_players
    env = make(rows, layout=layout, dynamics=dynamics, horizon=horizon)
    twin = Twin(list(facts.grid), facts.values, facts.cook_times, dynamics, horizon, EVENTS)
    states = [plain(state) for state in env.get_attr("state")]
    for t in range(horizon):
        bots = [env.bot_actions("cook", i, 0.4, seed=100 * i) for i in range(players)]
        actions = np.stack(bots, axis=1)
        obs, _, _, _, infos = env.step(actions)
        native = env.get_attr("state")
        for row in range(rows):
            states[row], sparse, shaped, events = twin.step(states[row], actions[row])
            assert plain(native[row]) == plain(states[row]), (t, row)
            assert infos["sparse_reward"][row].tolist() == sparse.tolist()
            assert infos["shaped_reward"][row].tolist() == shaped.tolist()
            assert infos["events"].reshape(rows, players, -1)[row].tolist() == events.tolist()
        for view in range(players):
            row = t % rows
            assert np.array_equal(obs[row, view], twin.encode(states[row], view)), (t, view)


def test_a_collision_holds_everybody_and_marks_who_wanted_to_move() -> None:
    env = make(layout=THREE_COOKS, dynamics="new")
    state = env.get_attr("state")[0]
    for player, cell in zip(state["players"], [(1, 2), (3, 2), (5, 3)], strict=True):
        player["position"] = cell
    env.set_attr("state", state)
    # the first two want (2, 2); the third a free cell
    infos = env.step([[2, 3, 0]])[-1]
    after = env.get_attr("state")[0]["players"]
    assert [p["position"] for p in after] == [(1, 2), (3, 2), (5, 3)]
    assert [p["orientation"] for p in after] == ["E", "W", "N"]
    assert infos["events"][0, :, EVENTS.index("collision")].tolist() == [1, 1, 1]
    # who only turns at a wall wanted nothing
    infos = env.step([[2, 3, 2]])[-1]
    assert infos["events"][0, :, EVENTS.index("collision")].tolist() == [1, 1, 0]


def test_dynamics_differ_in_who_starts_a_full_pot() -> None:
    for dynamics, ticks in (("old", [1, 2, 3]), ("new", [-1, 1, 2])):
        env = make(dynamics=dynamics)
        state = env.get_attr("state")[0]
        pot = {"name": "soup", "ingredients": ["onion"] * 3, "tick": -1, "position": (2, 0)}
        state["objects"] = [pot]
        state["players"][0].update(position=(2, 1), orientation="N")
        env.set_attr("state", state)
        seen = []
        for action in (4, 5, 4):
            env.step([[action, 4]])
            seen.append(env.get_attr("state")[0]["objects"][0]["tick"])
        assert seen == ticks


def test_the_last_plane_announces_the_end() -> None:
    env = make(horizon=50)
    for t in range(50):
        obs = env.step([[4, 4]])[0]
        assert (obs[..., 25] == (50 - (t + 1) < 40)).all()


# partners and cooks -------------------------------------------------------------------------------


@pytest.mark.parametrize("ego", [0, 1])
@pytest.mark.parametrize("kind", BOTS)
def test_a_partner_is_a_bot_inside_the_step(kind: str, ego: int) -> None:
    rows, seed, noise = 4, 11, 0.2
    alone = make(rows, horizon=60)
    paired = make(rows, horizon=60, partner=kind, partner_noise=noise, ego=ego)
    both, _ = alone.reset(seed=seed)
    mine, _ = paired.reset(seed=seed)
    order = [ego, 1 - ego]
    rng = np.random.default_rng(0)
    episodes = 0
    for _ in range(130):
        assert np.array_equal(mine, both[:, ego])
        joint = np.empty((rows, 2), np.int64)
        joint[:, ego] = rng.integers(0, len(ACTIONS), rows)
        joint[:, 1 - ego] = alone.bot_actions(kind, 1 - ego, noise, seed=seed)
        mine, reward, _, ended, infos = paired.step(joint[:, ego])
        both, expected, _, _, full = alone.step(joint)
        episodes += ended.all()
        assert np.array_equal(reward, expected)
        for name in ("sparse_reward", "shaped_reward", "events"):
            assert np.array_equal(infos[name], full[name][:, order])
    assert episodes == 2


def test_bots_look_and_do_not_touch() -> None:
    env = make(3)
    before = env.snapshot()
    first = env.bot_actions("cook", 0, 0.5, seed=3)
    assert np.array_equal(first, env.bot_actions("cook", 0, 0.5, seed=3))
    assert np.array_equal(env.snapshot().data, before.data)


@pytest.mark.parametrize("dynamics", ["old", "new"])
@pytest.mark.parametrize(
    ("pair", "least"),
    [
        (("cook", "cook"), 180),
        (("cook", "stay"), 100),
        (("cook", "random"), 80),
        (("onions", "cook"), 160),
    ],
)
def test_cooks_cook(pair: tuple[str, str], least: float, dynamics: str) -> None:
    rows = 16
    env = make(rows, dynamics=dynamics)
    score = np.zeros(rows)
    for _ in range(400):
        actions = [env.bot_actions(kind, i, seed=5) for i, kind in enumerate(pair)]
        score += env.step(np.stack(actions, axis=1))[1]
    assert score.mean() >= least


@pytest.mark.parametrize(
    "layout",
    [
        "asymmetric_advantages",
        "coordination_ring",
        "counter_circuit_o_1order",
        "forced_coordination",
    ],
)
def test_cooks_find_their_way_in_every_classic_layout(layout: str) -> None:
    env = make(8, layout=layout)
    score = np.zeros(8)
    for _ in range(400):
        actions = [env.bot_actions("cook", i, seed=i) for i in (0, 1)]
        score += env.step(np.stack(actions, axis=1))[1]
    assert (score >= 100).all()


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (("chef", 0), "kind: expected 'cook', .* got 'chef'"),
        (("cook", 2), r"player: expected 0\.\.1, got 2"),
        (("cook", 0, 1.5), "noise: expected a probability"),
    ],
)
def test_bad_bot_requests(arguments: tuple[Any, ...], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        make().bot_actions(*arguments)


# options ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"layout": "cramped_rom"}, "did you mean cramped_room"),
        ({"dynamics": "older"}, "dynamics: expected 'old' or 'new', got 'older'"),
        ({"layout": "tutorial_2", "dynamics": "old"}, "pass dynamics='new'"),
        ({"horizon": 0}, "horizon: expected an integer >= 1"),
        ({"partner": "chef"}, "partner: expected 'cook'.* got 'chef'"),
        ({"partner": "cook", "layout": "cramped_room_single"}, "partner: a layout for 2 players"),
        ({"partner": "cook", "partner_noise": 1.5}, "partner_noise: expected a number in"),
        ({"ego": 1}, "ego: expected 0, or 1 with a partner"),
    ],
)
def test_bad_options(kwargs: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        rollout.make_vec("Kitchen-v0", 1, **kwargs)


def test_spaces() -> None:
    both = make(3)
    assert both.single_observation_space.shape == (2, 5, 4, 26)
    assert both.single_action_space.nvec.tolist() == [6, 6]
    mine = make(3, partner="stay")
    assert mine.single_observation_space.shape == (5, 4, 26)
    assert mine.single_action_space.n == len(ACTIONS)
    assert (mine.event_rows, mine.event_names) == (2, EVENTS)
    assert mine.reset(seed=0)[0] in mine.observation_space


# states as dicts ----------------------------------------------------------------------------------


def test_states_go_out_and_come_back() -> None:
    source, target = (make(5, layout="cramped_room_tomato", dynamics="new") for _ in range(2))
    for _ in range(150):
        source.step(np.stack([source.bot_actions("cook", i, 0.3) for i in (0, 1)], axis=1))
    target.set_attr("state", source.get_attr("state"))
    assert target.get_attr("state") == source.get_attr("state")
    # the clock came along: both end together
    for t in range(250):
        ended = [env.step(np.full((5, 2), 4))[3].tolist() for env in (source, target)]
        assert ended == [[t == 249] * 5] * 2


SOUP = {"name": "soup", "position": (2, 0), "ingredients": ["onion"], "tick": -1}


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda s: s.update(timestep=400), "timestep: expected a step before the horizon 400"),
        (lambda s: s["players"].pop(), "players: expected 2 of them"),
        (lambda s: s["players"][0].update(position=(0, 0)), r"players\[0\].position: .* floor"),
        (lambda s: s["players"][0].update(position=(9, 0)), "inside the 5 x 4 grid"),
        (lambda s: s["players"][1].update(position=(1, 2)), "a cell with no other player"),
        (lambda s: s["players"][1].update(orientation="north"), "orientation: expected 'N', 'S'"),
        (lambda s: s["players"][1].update(held={"name": "pan"}), "held.name: expected 'onion'"),
        (lambda s: s["players"][1].pop("held"), "with the key 'held'"),
        (lambda s: s["players"][1].update(held=SOUP), "out of a pot a soup is ready"),
        (lambda s: s["objects"].append({"name": "dish", "position": (2, 0)}), "soups in pots"),
        (lambda s: s["objects"].append({"name": "dish", "position": (1, 1)}), "on counters"),
        (lambda s: s["objects"].extend([SOUP, SOUP]), "one object a cell"),
        (lambda s: s["objects"].append({**SOUP, "tick": 21}), r"tick: .* up to 20 \(ready\)"),
        (lambda s: s["objects"].append({**SOUP, "tick": "1"}), "tick: expected an integer"),
        (lambda s: s["objects"].append({**SOUP, "cook_time": 3}), "cook_time: expected 20"),
        (lambda s: s["objects"].append({**SOUP, "ingredients": []}), "1 to 3 names"),
        (lambda s: s["objects"].append({**SOUP, "ingredients": ["egg"]}), "'onion' and 'tomato'"),
        (lambda s: s.update(objects=3), "objects: expected a list of dicts"),
    ],
)
def test_impossible_states_are_refused(change: Any, match: str) -> None:
    env = make()
    before = env.get_attr("state")
    state = env.get_attr("state")[0]
    change(state)
    with pytest.raises(ValueError, match=match):
        env.set_attr("state", [state])
    assert env.get_attr("state") == before


def test_branches_carry_the_partner_along() -> None:
    env = make(4, partner="cook", partner_noise=0.3)
    for _ in range(20):
        env.step(np.full(4, 4))
    actions = np.array([0, 1, 2, 5])
    branch = env.step_from(env.snapshot(), actions)
    obs, reward, _, _, infos = env.step(actions)
    assert np.array_equal(branch.obs, obs)
    assert np.array_equal(branch.reward, reward)
    assert np.array_equal(branch.events, infos["events"])
