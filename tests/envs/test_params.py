"""Rows with parameters of their own: the same bits as separate envs, drawn anew, refused."""

import numpy as np
import pytest
from random_play import actions_for, chances

from rollout.envs import Snapshot, VectorEnv, make_vec

PENDULUMS = [{"g": 9.0 + 0.5 * k} for k in range(5)]
# an environment with StepMany, one without, and one whose rows end at different times
MIXTURES = [
    ("Pendulum-v1", PENDULUMS),
    ("CartPole-v1", [{"max_episode_steps": 30}, {}, {"sutton_barto_reward": True}]),
    ("Kitchen-v0", [{"dynamics": "new"}, {"layout": "cramped_room", "horizon": 50}, {}]),
    ("Nim-v0", [{"misere": True}, {"random_heap": False}, {"max_episode_steps": 2}]),
]


def trace(env: VectorEnv, tape: np.ndarray) -> list[list[np.ndarray]]:
    """What was seen at each step, [steps] of arrays [n, ...]."""
    env.reset(seed=list(range(40, 40 + env.num_envs)))
    seen = []
    for chance in tape:
        obs, *rest, infos = env.step(actions_for(env, chance, env.view().action_mask))
        parts = list(obs.values()) if isinstance(obs, dict) else [obs]
        seen.append([*parts, *rest, *[infos[name] for name in sorted(infos)]])
    return seen


@pytest.mark.parametrize(("id", "params"), MIXTURES)
def test_rows_are_bit_equal_with_envs_of_their_own(id: str, params: list[dict]) -> None:
    env = make_vec(id, 70, params=params, num_threads=3, events=True)
    tape = chances(env, 90)
    together = trace(env, tape)
    for which, values in enumerate(params):
        rows = np.arange(which, 70, len(params))
        alone = make_vec(id, 70, num_threads=1, events=True, **values)
        for mixed, plain in zip(together, trace(alone, tape), strict=True):
            for a, b in zip(mixed, plain, strict=True):
                assert np.array_equal(a[rows], b[rows])


def test_equal_dicts_share_one_entry() -> None:
    params = [{"g": 9.0}, {"g": 10.0}, {"g": 9.0}]
    env = make_vec("Pendulum-v1", 6, params=params, max_episode_steps=7)
    env.reset()
    assert env.params == ({"g": 9.0}, {"g": 10.0})
    assert env.get_attr("params") == tuple(params * 2)
    assert env.keywords["max_episode_steps"] == "7"


def test_a_row_takes_its_params_along_in_a_snapshot() -> None:
    env = make_vec("Pendulum-v1", 4, params=PENDULUMS[:4])
    env.reset(seed=0)
    snapshot = Snapshot.from_bytes(env.snapshot().to_bytes())
    torque = np.full((4, 1), 0.5, np.float32)
    after = env.step_from(snapshot, torque)
    other = make_vec("Pendulum-v1", 4, params=PENDULUMS[:4])
    other.restore(snapshot[::-1])
    assert other.get_attr("params") == tuple(reversed(PENDULUMS[:4]))
    assert np.array_equal(other.step(torque)[0], after.obs[::-1])
    assert np.array_equal(env.step(torque)[0], after.obs)


@pytest.mark.parametrize("params", [PENDULUMS[:3], list(reversed(PENDULUMS[:4])), [{"g": 9.0}] * 4])
def test_a_snapshot_of_another_table_is_refused(params: list[dict]) -> None:
    env = make_vec("Pendulum-v1", 4, params=PENDULUMS[:4])
    env.reset(seed=0)
    other = make_vec("Pendulum-v1", 4, params=params)
    with pytest.raises(ValueError, match="other keywords"):
        other.restore(env.snapshot())


def test_a_reset_may_give_rows_other_params() -> None:
    env = make_vec("Pendulum-v1", 4, params=PENDULUMS)
    mask = np.array([True, False, True, True])
    env.reset(seed=0)
    env.reset(options={"reset_mask": mask, "params": [4, 4, 3, 2]})
    assert [params["g"] for params in env.get_attr("params")] == [11.0, 9.5, 10.5, 10.0]
    states = env.get_attr("state")
    alone = make_vec("Pendulum-v1", 1, g=11.0)
    alone.reset(seed=0)
    alone.set_attr("state", states[0])
    torque = np.zeros((4, 1), np.float32)
    assert np.array_equal(env.step(torque)[0][0], alone.step(torque[:1])[0][0])


def test_each_episode_draws_its_params() -> None:
    """By the row's seed and episode alone; all of them come up about equally often."""
    kwargs = {"params": PENDULUMS, "redraw_params": True, "max_episode_steps": 1}
    env = make_vec("Pendulum-v1", 400, num_threads=2, **kwargs)
    env.reset(seed=3)
    few = make_vec("Pendulum-v1", 3, num_threads=1, **kwargs)
    few.reset(seed=[3, 202, 402])
    counts: dict[float, int] = {}
    for _ in range(6):
        drawn = [params["g"] for params in env.get_attr("params")]
        assert [params["g"] for params in few.get_attr("params")] == [
            drawn[k] for k in (0, 199, 399)
        ]
        for g in drawn:
            counts[g] = counts.get(g, 0) + 1
        for one in (env, few):
            one.step(np.zeros((one.num_envs, 1), np.float32))
            one.step(np.zeros((one.num_envs, 1), np.float32))
    assert sorted(counts) == [params["g"] for params in PENDULUMS]
    expected = 6 * 400 / 5
    chi_squared = sum((count - expected) ** 2 / expected for count in counts.values())
    assert chi_squared < 18.5  # 4 degrees of freedom: p = 0.001
    with pytest.raises(ValueError, match="episodes draw their own"):
        env.reset(options={"params": np.zeros(400, int)})


@pytest.mark.parametrize(
    ("id", "params", "error", "words"),
    [
        ("Nim-v0", [{}, {"heap": 7}], ValueError, r"params\[1\]: the observation space of Nim-v0"),
        (
            "Kitchen-v0",
            [{}, {}, {"layout": "coordination_ring"}],
            ValueError,
            r"params\[1\]: the observation space .* make a batch for each",
        ),
        ("Kitchen-v0", [{}, {"partner": "stay"}], ValueError, r"params\[1\]: the observation"),
        ("Pendulum-v1", [{}, {"gravity": 1.0}], TypeError, r"params\[1\]: unexpected keyword"),
        ("Pendulum-v1", [{}, {"g": "x"}], ValueError, r"Pendulum-v1: params\[1\]: g: expected"),
        ("Pendulum-v1", {"g": 9.0}, TypeError, "params: expected a list of dicts, .* got dict"),
        ("Pendulum-v1", [], ValueError, "at least one"),
        ("Pendulum-v1", [3], TypeError, r"params\[0\]: expected a dict"),
    ],
)
def test_what_does_not_go_together(
    id: str, params: object, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        make_vec(id, 3, params=params)


@pytest.mark.parametrize(
    ("params", "error", "words"),
    [
        ([0, 1, 2, 5], ValueError, r"expected 0\.\.4, indices into env.params, got 5 for row 3"),
        ([0, -1, 2, 3], ValueError, "got -1 for row 1"),
        ([0, 1], ValueError, r"expected shape \[n=4\], got \[2\]"),
        ([0.0] * 4, TypeError, "expected integers, got float64"),
    ],
)
def test_bad_params_at_reset(params: object, error: type[Exception], words: str) -> None:
    env = make_vec("Pendulum-v1", 4, params=PENDULUMS)
    with pytest.raises(error, match=r"options\['params'\]: .*" + words):
        env.reset(options={"params": params})
