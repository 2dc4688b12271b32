"""AlphaZero over native worlds: against solvers, and against the same search through Python."""

import game_solvers
import numpy as np
import pytest
import torch

import rollout
import rollout.search as search
from rollout.envs.snapshot import Snapshot
from rollout.planning import AlphaZero

FIELDS = (
    "node_visits",
    "node_values",
    "raw_values",
    "children_index",
    "children_visits",
    "children_rewards",
    "children_discounts",
)


def blank(actions):
    """Know nothing: a uniform prior, and a value of 0."""
    return lambda obs: (torch.zeros(len(obs), actions), torch.zeros(len(obs)))


def network(shape, actions, players=None):
    """A fixed random network, the same for a row in any company."""
    generator = torch.Generator().manual_seed(5)
    size = int(np.prod(shape))
    weights = torch.randn(size, actions + (players or 1), generator=generator) / size**0.5

    def evaluate(obs):
        # summed in float64 one row at a time, so that the batch's size does not show
        out = torch.stack([(row.flatten().double()[:, None] * weights).sum(0) for row in obs])
        out = out.float()
        value = out[:, actions:].tanh()
        return 3 * out[:, :actions], value if players else value[:, 0]

    return evaluate


def midgame(id, rows, moves, **kwargs):
    env = rollout.make_vec(id, rows, autoreset_mode="disabled", **kwargs)
    rng = np.random.default_rng(3)
    _, infos = env.reset(seed=3)
    for _ in range(moves):
        mask = infos.get("action_mask", np.ones((rows, env.single_action_space.n), np.int8))
        infos = env.step(np.argmax(mask * rng.random(mask.shape), axis=1))[4]
    return env


@pytest.mark.parametrize("opponent", ["perfect", "random"])
def test_never_loses_tic_tac_toe(opponent):
    env = rollout.make_vec("TicTacToe-v0", 16, num_threads=1)
    planner = AlphaZero(
        env,
        blank(9),
        num_simulations=2500,
        dirichlet_fraction=0.0,
        temperature=0.0,
        qtransform=search.qtransform_scaled(span="none", unvisited="parent"),
    )
    lost = game_solvers.losses_against(
        env,
        game_solvers.TIC_TAC_TOE,
        lambda worlds: planner.plan(worlds).action.numpy(),
        opponent,
        seed=1,
    )
    assert lost == 0


# with no network Gumbel's rule needs more than these simulations to see through deep traps
@pytest.mark.parametrize(("rule", "empty"), [("puct", 12), ("gumbel", 8)])
def test_solves_connect_four_endgames(rule, empty):
    env = rollout.make_vec("ConnectFour-v0", 32, autoreset_mode="disabled", num_threads=1)
    game_solvers.connect_four_endgames(env, seed=2, empty=empty)
    planner = AlphaZero(
        env,
        blank(7),
        num_simulations=1200,
        rule=rule,
        dirichlet_fraction=0.0,
        temperature=0.0,
        gumbel_scale=0.0,
        qtransform=search.qtransform_scaled(span="none", unvisited="parent")
        if rule == "puct"
        else None,
    )
    plan = planner.plan()
    game = game_solvers.CONNECT_FOUR
    positions = game_solvers.positions(env, game)
    values = [game.value(position) for position in positions]
    assert {-1, 0, 1} <= set(values)
    best = [game.best_actions(position) for position in positions]
    hard = [len(game.moves(p)) - len(b) for p, b in zip(positions, best, strict=True)]
    assert sum(count > 0 for count in hard) > 10
    assert [row for row in range(32) if int(plan.action[row]) not in best[row]] == []
    # the visits go where it is good, and so the mean leans the right way
    assert rule == "gumbel" or all(
        v * q > 0 for v, q in zip(values, plan.value.tolist(), strict=True) if v != 0
    )


def through_python(env, snapshot, evaluate, discount):
    """The same model, with the environment stepped by `step_from`."""

    def wrap(state):
        return Snapshot(env.env_id, env.fingerprint, np.ascontiguousarray(state.numpy()))

    def recurrent_fn(action, state):
        out = env.step_from(wrap(state), action.numpy())
        logits, value = evaluate(torch.from_numpy(out.obs))
        reward = torch.from_numpy(out.reward).float()
        if value.dim() == 2:
            reward = torch.from_numpy(out.signals["rewards"])
        ended = torch.from_numpy(out.terminated | out.truncated)
        invalid = None if out.action_mask is None else torch.from_numpy(out.action_mask == 0)
        to_play = None if out.to_play is None else torch.from_numpy(out.to_play)
        counts = torch.where(torch.from_numpy(out.terminated), 0.0, discount)
        output = search.RecurrentOutput(reward, counts, logits, value, invalid, ended, to_play)
        return output, torch.from_numpy(out.snapshot.data)

    view = env.view(snapshot)
    logits, value = evaluate(torch.from_numpy(view.obs))
    to_play = None if view.to_play is None else torch.from_numpy(view.to_play)
    root = search.Root(logits, value, torch.from_numpy(snapshot.data), to_play)
    mask = None if view.action_mask is None else torch.from_numpy(view.action_mask == 0)
    return root, recurrent_fn, mask


CASES = [
    ("TicTacToe-v0", 2, 1.0, None, {}),
    ("TicTacToe-v0", 3, 1.0, 2, {}),
    ("ConnectFour-v0", 8, 0.9, None, {}),
    ("Go-v0", 6, 1.0, None, {"size": 4, "superko": "draw"}),
    ("CartPole-v1", 3, 0.99, None, {"max_episode_steps": 6}),
    ("2048-v0", 5, 0.99, None, {}),
]


@pytest.mark.parametrize("rule", ["puct", "gumbel"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[3]}")
def test_equals_the_search_through_python(rule, case):
    id, moves, discount, players, kwargs = case
    env = midgame(id, 6, moves, num_threads=1, **kwargs)
    snapshot, actions = env.snapshot(), int(env.single_action_space.n)
    evaluate = network(env.single_observation_space.shape, actions, players)
    root, recurrent_fn, mask = through_python(env, snapshot, evaluate, discount)
    policy = search.muzero_policy if rule == "puct" else search.gumbel_muzero_policy
    settings = {"dirichlet_legal_only": True} if rule == "puct" else {}
    for limits in ({}, {"wave": 3, "early_stop": True}):
        twin = policy(root, recurrent_fn, 40, invalid_actions=mask, seed=9, **settings, **limits)
        ours = search.alphazero_policy(
            env, snapshot, evaluate, 40, rule=rule, discount=discount, seed=9, **limits
        )
        np.testing.assert_array_equal(ours.action, twin.action)
        np.testing.assert_array_equal(ours.action_weights, twin.action_weights)
        for name in FIELDS:
            a, b = (getattr(out.search_tree, name) for out in (ours, twin))
            np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=name)
        reached = ours.search_tree.node_visits > 0
        assert torch.equal(
            ours.search_tree.embeddings[reached], twin.search_tree.embeddings[reached]
        )
    assert env.snapshot() == snapshot


def test_what_is_against_the_rules_is_never_tried_and_ends_are_ends():
    env = midgame("TicTacToe-v0", 8, 4, num_threads=1)
    tree = search.alphazero_policy(env, None, blank(9), 150).search_tree
    worlds = tree.embeddings
    tried = tree.children_visits > 0
    ends = 0
    for row in range(8):
        nodes = torch.arange(151)[tree.node_visits[row] > 0]
        view = env.view(Snapshot(env.env_id, env.fingerprint, worlds[row, nodes].numpy()))
        legal = torch.from_numpy(view.action_mask != 0)
        assert not (tried[row, nodes] & ~legal).any()
        ends += int((~legal.any(1)).sum())
    assert ends > 0


def test_a_step_limit_keeps_the_networks_word_and_an_end_does_not():
    env = rollout.make_vec("CartPole-v1", 1, max_episode_steps=1, num_threads=1)
    env.reset(seed=0)
    evaluate = lambda obs: (torch.zeros(len(obs), 2), torch.full((len(obs),), 7.0))  # noqa: E731
    tree = search.alphazero_policy(env, None, evaluate, 6, discount=0.5).search_tree
    np.testing.assert_allclose(tree.summary().qvalues, [[1 + 0.5 * 7] * 2])
    assert int((tree.node_visits > 0).sum()) == 3  # nothing comes after the limit

    game = rollout.make_vec("TicTacToe-v0", 1, num_threads=1)
    game.reset(seed=0)
    state = dict(game.get_attr("state")[0], board=["xx.", "oo.", "..."], to_play=0)
    game.set_attr("state", state)
    evaluate = lambda obs: (torch.zeros(len(obs), 9), torch.full((len(obs),), 0.5))  # noqa: E731
    tree = search.alphazero_policy(game, None, evaluate, 40).search_tree
    assert float(tree.summary().qvalues[0, 2]) == 1.0


def test_results_do_not_depend_on_threads_or_on_company():
    outputs = []
    for threads in (1, 3):
        env = midgame("ConnectFour-v0", 12, 8, num_threads=threads)
        evaluate = network(env.single_observation_space.shape, 7)
        outputs.append(
            search.alphazero_policy(
                env, None, evaluate, 30, seed=list(range(12)), num_threads=threads
            )
        )
    alone = search.alphazero_policy(env, [7], evaluate, 30, seed=[7])
    for name in FIELDS:
        a, b = (getattr(out.search_tree, name).numpy() for out in outputs)
        np.testing.assert_array_equal(a, b, err_msg=name)
        np.testing.assert_array_equal(a[7:8], getattr(alone.search_tree, name), err_msg=name)


def test_ended_rows_and_budgets():
    env = rollout.make_vec("TicTacToe-v0", 2, autoreset_mode="disabled", num_threads=1)
    env.reset(seed=0)
    for moves in ([0, 0], [3, 1], [1, 3], [4, 2], [2, 4]):
        env.step(moves)  # row 0 is won, row 1 goes on
    budgets = torch.tensor([5, 20])
    output = search.alphazero_policy(env, None, blank(9), budgets)
    assert output.search_tree.children_visits[:, 0].sum(-1).tolist() == [5, 20]
    assert float(output.search_tree.summary().value[0]) == 0.0


def test_the_planner_plans_from_rows_snapshots_and_deadlines():
    env = midgame("ConnectFour-v0", 3, 4, num_threads=1)
    planner = AlphaZero(env, blank(7), num_simulations=25, seed=4)
    same = AlphaZero(env, blank(7), num_simulations=25, seed=4)
    plan, again = planner.plan(), same.plan(env.snapshot())
    assert torch.equal(plan.visit_counts, again.visit_counts)
    assert not torch.equal(planner.plan().visit_counts, plan.visit_counts)  # the next seed
    assert plan.visit_counts.sum(-1).tolist() == [25.0] * 3
    assert planner.plan([1]).action.shape == (1,)
    assert 0 < plan.model_seconds < plan.seconds
    late = planner.plan(num_simulations=100_000, deadline_ms=400.0)
    assert late.seconds < 2.0
    assert 0 < late.visit_counts.sum() < 300_000


def test_refusals_name_the_argument():
    env = midgame("TicTacToe-v0", 2, 2, num_threads=1)
    go = lambda **kwargs: search.alphazero_policy(env, None, blank(9), 5, **kwargs)  # noqa: E731
    with pytest.raises(ValueError, match="rule: expected 'puct' or 'gumbel', got 'uct'"):
        go(rule="uct")
    with pytest.raises(ValueError, match="discount: expected a number in"):
        go(discount=1.5)
    with pytest.raises(ValueError, match="invalid_actions: row 0 forbids every legal action"):
        go(invalid_actions=torch.ones(2, 9, dtype=torch.bool))
    with pytest.raises(ValueError, match="invalid_actions: expected bool"):
        go(invalid_actions=torch.ones(3, 9, dtype=torch.bool))
    pendulum = rollout.make_vec("Pendulum-v1", 1)
    pendulum.reset(seed=0)
    with pytest.raises(ValueError, match="env: expected Discrete actions"):
        search.alphazero_policy(pendulum, None, blank(3), 5)
    with pytest.raises(TypeError, match="evaluate_fn: expected \\(prior_logits"):
        search.alphazero_policy(env, None, lambda obs: torch.zeros(2, 9), 5)
    with pytest.raises(ValueError, match=r"evaluate_fn: value: expected \[L\] or \[L, P=2\]"):
        search.alphazero_policy(env, None, lambda obs: (torch.zeros(2, 9), torch.zeros(2, 3)), 5)

    calls = 0

    def breaks(obs):
        nonlocal calls
        calls += 1
        value = torch.zeros(len(obs))
        return torch.zeros(len(obs), 9), value / value if calls > 3 else value

    with pytest.raises(ValueError, match="evaluate_fn: value: row 0 is not finite"):
        search.alphazero_policy(env, None, breaks, 9)
