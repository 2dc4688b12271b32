"""Plain UCT: against its twin in Python, against solvers, and what must not change a result."""

import ctypes
import signal
import threading
from time import perf_counter

import game_solvers
import numpy as np
import pytest
import torch
import uct_twin

import rollout
import rollout.search as search


def midgame(id, rows, moves, **kwargs):
    env = rollout.make_vec(id, rows, autoreset_mode="disabled", **kwargs)
    rng = np.random.default_rng(3)
    _, infos = env.reset(seed=3)
    for _ in range(moves):
        mask = infos["action_mask"]
        infos = env.step(np.argmax(mask * rng.random(mask.shape), axis=1))[4]
    return env


@pytest.mark.parametrize(
    ("id", "moves", "simulations", "c"),
    [("TicTacToe-v0", 2, 250, 2.0), ("TicTacToe-v0", 4, 200, 0.5), ("ConnectFour-v0", 8, 60, 1.4)],
)
def test_equals_the_twin_after_every_simulation(id, moves, simulations, c):
    env = midgame(id, 2, moves, num_threads=1)
    worlds, seed = env.snapshot(), (7 << 32) + 5
    twins = [list(uct_twin.search(env, worlds[row], simulations, c, seed, row)) for row in range(2)]
    for done in [*range(1, 20), *range(20, simulations + 1, 7)]:
        output = search.uct(env, worlds, done, c=c, seed=seed)
        for row in range(2):
            visits, values = twins[row][done - 1]
            np.testing.assert_array_equal(output.visit_counts[row], visits)
            np.testing.assert_array_equal(output.values[row], values)
    assert env.snapshot() == worlds


@pytest.mark.parametrize(("id", "moves"), [("2048-v0", 6), ("TicTacToe-v0", 3)])
def test_sampled_chance_equals_the_twin(id, moves):
    env = midgame(id, 1, moves, num_threads=1)
    worlds = env.snapshot()
    for done in (1, 3, 4, 5, 12, 40):
        output = search.uct(env, worlds, done, c=200.0, seed=5, sample_chance=True)
        visits, values = uct_twin.sample(env, worlds, done, 200.0, 5)
        np.testing.assert_array_equal(output.visit_counts[0], visits)
        np.testing.assert_array_equal(output.values[0], values)


def test_sampling_gives_the_mean_over_chance_and_not_what_will_come():
    env = midgame("2048-v0", 1, 20, num_threads=1)
    worlds = env.snapshot()
    # the same position with other tiles to come
    others = worlds[np.zeros(8, int)]
    others.data[:, :8] = np.arange(8, dtype=np.uint64)[:, None].view(np.uint8)
    kinds = {}
    for sampled in (False, True):
        output = search.uct(env, others, 400, c=100.0, seed=[1] * 8, sample_chance=sampled)
        kinds[sampled] = len(output.value.unique())
    assert kinds[True] == 1
    assert kinds[False] > 1


@pytest.mark.parametrize("opponent", ["perfect", "random"])
def test_never_loses_tic_tac_toe(opponent):
    env = rollout.make_vec("TicTacToe-v0", 20, num_threads=2)
    lost = game_solvers.losses_against(
        env,
        game_solvers.TIC_TAC_TOE,
        lambda worlds: search.uct(env, worlds, 5000, seed=1).action.numpy(),
        opponent,
        seed=2,
    )
    assert lost == 0


def test_solves_connect_four_endgames():
    env = rollout.make_vec("ConnectFour-v0", 40, autoreset_mode="disabled", num_threads=2)
    game_solvers.connect_four_endgames(env, seed=4, empty=12)
    output = search.uct(env, None, 10_000)
    game = game_solvers.CONNECT_FOUR
    best = [game.best_actions(p) for p in game_solvers.positions(env, game)]
    assert [row for row in range(40) if int(output.action[row]) not in best[row]] == []


def test_results_do_not_depend_on_threads_or_on_company():
    outputs = [
        search.uct(midgame("ConnectFour-v0", 9, 8, num_threads=n), None, 500, seed=list(range(9)))
        for n in (1, 2, 5)
    ]
    env = midgame("ConnectFour-v0", 9, 8)
    outputs.append(search.uct(env, env.snapshot()[[4]], 500, seed=[4]))
    for output in outputs[1:]:
        rows = slice(None) if len(output.action) == 9 else slice(4, 5)
        for name in ("action", "visit_counts", "values", "value", "num_simulations"):
            assert torch.equal(getattr(output, name), getattr(outputs[0], name)[rows]), name
    assert outputs[0].visit_counts.sum(1).tolist() == [500] * 9


EVALUATE = ctypes.CFUNCTYPE(
    None, ctypes.POINTER(ctypes.c_uint8), ctypes.c_int32, ctypes.POINTER(ctypes.c_double)
)


def test_a_c_function_scores_leaves():
    calls = []

    @EVALUATE
    def evaluate(obs, to_play, returns):
        mine, theirs = (sum(obs[k : k + 9]) for k in (0, 9))
        calls.append((mine, theirs, to_play))
        corner = obs[0] - obs[9]  # who holds the first cell is thought to win
        returns[to_play], returns[1 - to_play] = corner, -corner

    env = rollout.make_vec("TicTacToe-v0", 1, num_threads=1)
    env.reset(seed=0)
    output = search.uct(env, None, 300, evaluate=evaluate)
    assert int(output.action[0]) == 0
    assert all(to_play == (mine != theirs) for mine, theirs, to_play in calls)
    by_address = search.uct(env, None, 300, evaluate=ctypes.cast(evaluate, ctypes.c_void_p).value)
    assert torch.equal(output.visit_counts, by_address.visit_counts)

    @EVALUATE
    def broken(obs, to_play, returns):
        returns[0] = float("nan") if sum(obs[:18]) > 1 else 0.0
        returns[1] = 0.0

    with pytest.raises(ValueError, match="evaluate: it gave a value that is not finite in row 0"):
        search.uct(env, None, 300, evaluate=broken)


def test_a_numba_function_scores_leaves():
    numba = pytest.importorskip("numba")
    types = numba.types
    signature = types.void(
        types.CPointer(types.float32), types.int32, types.CPointer(types.float64)
    )

    @numba.cfunc(signature)
    def upright(obs, to_play, returns):
        returns[0] = -100.0 * abs(obs[2])

    env = rollout.make_vec("CartPole-v1", 3, num_threads=2)
    env.reset(seed=1)
    output = search.uct(env, None, 400, c=20.0, evaluate=upright)
    assert output.visit_counts.sum(1).tolist() == [400] * 3
    assert not torch.equal(output.visit_counts, search.uct(env, None, 400, c=20.0).visit_counts)


def test_forbidden_actions_ended_rows_and_deadlines():
    env = rollout.make_vec("TicTacToe-v0", 2, autoreset_mode="disabled", num_threads=1)
    env.reset(seed=0)
    for moves in ([0, 0], [3, 1], [1, 3], [4, 2], [2, 4]):
        env.step(moves)  # row 0 is won, row 1 goes on
    forbidden = torch.zeros(2, 9, dtype=torch.bool)
    forbidden[:, 5:7] = True
    for sampled in (False, True):
        output = search.uct(env, None, 100, invalid_actions=forbidden, sample_chance=sampled)
        assert output.visit_counts.sum(1).tolist() == [0, 100]
        assert (output.visit_counts[1] > 0).nonzero().flatten().tolist() == [7, 8]
    more = midgame("ConnectFour-v0", 4, 2, num_threads=1)
    output = search.uct(more, None, 10**8, deadline_ms=200.0)
    assert (output.num_simulations > 0).all()
    assert output.seconds < 5.0


def test_ctrl_c_ends_a_long_search():
    env = midgame("TicTacToe-v0", 2, 0, num_threads=2)
    start = perf_counter()
    timer = threading.Timer(0.3, signal.raise_signal, [signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        search.uct(env, None, 10**9, deadline_ms=20_000.0)
    assert perf_counter() - start < 10.0
    assert search.uct(env, None, 100).num_simulations.tolist() == [100, 100]


def test_several_playouts_a_leaf_and_their_limit():
    env = midgame("ConnectFour-v0", 1, 4, num_threads=1)
    one, two = (search.uct(env, None, 200, playouts=n) for n in (1, 2))
    assert not torch.equal(one.visit_counts, two.visit_counts)
    short = search.uct(env, None, 7, max_playout_steps=1)
    assert short.values.tolist() == [[0.0] * 7]


def test_refusals_name_the_argument():
    env = midgame("TicTacToe-v0", 2, 2, num_threads=1)
    bad = [
        ({"c": -1.0}, "c: expected a finite number"),
        ({"playouts": 0}, "playouts: expected at least 1, got 0"),
        ({"max_playout_steps": 0}, "max_playout_steps: expected at least 1"),
        ({"deadline_ms": float("nan")}, "deadline_ms: expected a finite number"),
        ({"seed": [1]}, "seed: expected an int, or B=2 ints"),
        ({"invalid_actions": torch.zeros(2, 3)}, r"invalid_actions: expected bool \[B=2, A=9\]"),
        ({"invalid_actions": torch.ones(2, 9)}, "row 0 forbids every legal action; allow it one"),
    ]
    for kwargs, message in bad:
        with pytest.raises(ValueError, match=message):
            search.uct(env, None, 5, **kwargs)
    with pytest.raises(ValueError, match="num_simulations: expected 1 to"):
        search.uct(env, None, 0)
    with pytest.raises(TypeError, match="evaluate: expected a C function"):
        search.uct(env, None, 5, evaluate=lambda obs: 0.0)
    pendulum = rollout.make_vec("Pendulum-v1", 1)
    pendulum.reset(seed=0)
    with pytest.raises(ValueError, match="env: Pendulum-v1 has no single discrete action"):
        search.uct(pendulum, None, 5)
    with pytest.raises(ValueError, match="snapshot: expected one of TicTacToe-v0"):
        search.uct(env, pendulum.snapshot(), 5)
