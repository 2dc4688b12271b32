"""The conformance check passes envs that conform, and names each planted bug."""

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.envs.classic_control.cartpole import CartPoleVectorEnv
from gymnasium.envs.toy_text.frozen_lake import FrozenLakeEnv
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv, VectorWrapper
from gymnasium.vector.utils import batch_space

from rollout.envs import check_vector_env, list_envs, make_vec


def failures(env: Any, **how: Any) -> set[str]:
    return {item.name for item in check_vector_env(env, **how).failures}


@pytest.mark.parametrize("id", list_envs())
def test_ours_conform(id: str) -> None:
    report = check_vector_env(lambda **how: make_vec(id, num_threads=1, **how), steps=20)
    assert report.passed, report


def test_ours_conform_where_episodes_end() -> None:
    report = check_vector_env(lambda **how: make_vec("CartPole-v1", num_threads=2, **how), steps=60)
    assert all(item.passed for item in report.items), report


class Nested(gymnasium.Env):
    """A dict of a number and a tuple, ending after 3 + seed % 3 steps; its infos hold all kinds."""

    observation_space = spaces.Dict(
        {"a": spaces.Discrete(50), "b": spaces.Tuple([spaces.Box(0.0, 9.0), spaces.Discrete(9)])}
    )
    action_space = spaces.MultiDiscrete([3, 4])

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict]:
        super().reset(seed=seed)
        self.left = 3 + int(self.np_random.integers(3))
        self.total = 0
        return self.look(), {"left": self.left}

    def look(self) -> Any:
        return {"a": self.total % 50, "b": (np.float32([self.left]), self.total % 9)}

    def step(self, action: Any) -> Any:
        self.left -= 1
        self.total += int(action[0] * action[1])
        infos = {"left": self.left, "deep": {"vector": np.ones(2), "word": "x"}}
        return self.look(), float(self.total), self.left == 0, False, infos


SINGLES: dict[str, Callable[[], gymnasium.Env]] = {
    "CartPole-v1": lambda: gymnasium.make("CartPole-v1"),
    "FrozenLake": lambda: gymnasium.wrappers.TimeLimit(FrozenLakeEnv(), 20),
    "nested": Nested,
}


@pytest.mark.parametrize("name", SINGLES)
def test_gymnasiums_loop_conforms(name: str) -> None:
    def make(num_envs: int, autoreset_mode: AutoresetMode) -> VectorEnv:
        return SyncVectorEnv([SINGLES[name]] * num_envs, autoreset_mode=autoreset_mode)

    report = check_vector_env(make, steps=60)
    assert all(item.passed for item in report.items), report


def test_gymnasiums_processes_lack_one_refusal() -> None:
    def make(num_envs: int, autoreset_mode: AutoresetMode) -> VectorEnv:
        return AsyncVectorEnv([SINGLES["CartPole-v1"]] * num_envs, autoreset_mode=autoreset_mode)

    # its worker means to refuse a step of an ended row, but never notes that the row has ended
    assert failures(make, steps=30) <= {"ended rows refused"}


def test_what_gymnasiums_own_cartpole_vector_env_lacks() -> None:
    def make(num_envs: int, autoreset_mode: AutoresetMode) -> VectorEnv:
        return CartPoleVectorEnv(num_envs)

    lacks = {
        "rewards",  # float32
        "a seed a row",  # one generator for all rows, and no list of seeds
        "seeds go with rows",
        "no seed goes on",
        "row order",
        "batch size",
        "partial reset",
        "bad masks refused",
    }
    assert failures(make, modes=["next_step"], steps=60) == lacks
    assert failures(make, steps=60) == {"autoreset mode"}  # asked for modes that it has not


class Bug(VectorWrapper):
    """Passes everything on; each bug changes one thing."""

    @property
    def mode(self) -> AutoresetMode:
        return self.env.metadata["autoreset_mode"]


class Float32Rewards(Bug):
    def step(self, actions: Any) -> Any:
        obs, reward, *rest = self.env.step(actions)
        return obs, reward.astype(np.float32), *rest


class NanReward(Bug):
    def step(self, actions: Any) -> Any:
        obs, reward, terminated, *rest = self.env.step(actions)
        reward[terminated] = np.nan
        return obs, reward, terminated, *rest


class IntegerFlags(Bug):
    def step(self, actions: Any) -> Any:
        obs, reward, terminated, *rest = self.env.step(actions)
        return obs, reward, terminated.astype(np.uint8), *rest


class DoubleObservations(Bug):
    def reset(self, **how: Any) -> Any:
        obs, infos = self.env.reset(**how)
        return obs.astype(np.float64), infos


class SpaceOfOne(Bug):
    observation_space = property(lambda self: self.env.single_observation_space)


class ModeAsText(Bug):
    metadata = property(lambda self: {"autoreset_mode": self.mode.value})


class OldStep(Bug):
    def step(self, actions: Any) -> Any:
        obs, reward, terminated, _, infos = self.env.step(actions)
        return obs, reward, terminated, infos


class ShortRewards(Bug):
    def step(self, actions: Any) -> Any:
        obs, reward, *rest = self.env.step(actions)
        return obs, reward[:-1], *rest


class RowsComeBackRotated(Bug):
    def step(self, actions: Any) -> Any:
        obs, *rest = self.env.step(actions)
        return np.roll(obs, 1, axis=0), *rest


class ActionsRotated(Bug):
    def step(self, actions: Any) -> Any:
        return self.env.step(np.roll(actions, 1))


class NoSeeds(Bug):
    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        return self.env.reset(options=options)


class OneSeedForAll(Bug):
    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        seed = [seed] * self.num_envs if isinstance(seed, int) else seed
        return self.env.reset(seed=seed, options=options)


class SeedsByPlace(Bug):
    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        if isinstance(seed, list) and None not in seed:
            seed = sorted(seed)
        return self.env.reset(seed=seed, options=options)


class NewEntropyWithoutSeed(Bug):
    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        if seed is None and options is None:
            seed = int(np.random.default_rng().integers(2**40))
        return self.env.reset(seed=seed, options=options)


class KnowsItsBatch(Bug):
    def step(self, actions: Any) -> Any:
        obs, reward, *rest = self.env.step(actions)
        return obs, reward / self.num_envs, *rest


class RewardWhileResetting(Bug):
    def reset(self, **how: Any) -> Any:
        self.waiting = np.zeros(self.num_envs, bool)
        return self.env.reset(**how)

    def step(self, actions: Any) -> Any:
        obs, reward, terminated, truncated, infos = self.env.step(actions)
        if self.mode is AutoresetMode.NEXT_STEP:
            reward[self.waiting] = 1.0
        self.waiting = terminated | truncated
        return obs, reward, terminated, truncated, infos


class FinalIsTheNext(Bug):
    def step(self, actions: Any) -> Any:
        obs, *rest, infos = self.env.step(actions)
        if "final_obs" in infos:
            for row in np.flatnonzero(infos["_final_obs"]):
                infos["final_obs"][row] = obs[row].copy()
        return obs, *rest, infos


class FinalWithoutMask(Bug):
    def step(self, actions: Any) -> Any:
        *rest, infos = self.env.step(actions)
        infos.pop("_final_obs", None)
        return *rest, infos


class NoFinal(Bug):
    def step(self, actions: Any) -> Any:
        return *self.env.step(actions)[:4], {}


class EndsBecomeTruncations(Bug):
    def step(self, actions: Any) -> Any:
        obs, reward, terminated, truncated, infos = self.env.step(actions)
        if self.mode is AutoresetMode.SAME_STEP:
            terminated, truncated = truncated, terminated
        return obs, reward, terminated, truncated, infos


class EndedRowsGoOn(Bug):
    def step(self, actions: Any) -> Any:
        if self.mode is AutoresetMode.DISABLED and self.last[2].any():
            return self.last
        self.last = self.env.step(actions)
        return self.last

    def reset(self, **how: Any) -> Any:
        self.last = (None, None, np.zeros(1, bool))
        return self.env.reset(**how)


class MaskResetsAll(Bug):
    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        return self.env.reset(seed=seed)


class MaskForgetsSeeds(Bug):
    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        return self.env.reset(seed=None if options else seed, options=options)


class AnyMask(Bug):
    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        if options and not isinstance(options["reset_mask"], np.ndarray):
            options = {"reset_mask": np.array(options["reset_mask"], bool)}
        return self.env.reset(seed=seed, options=options)


class SameArraysAgain(Bug):
    def step(self, actions: Any) -> Any:
        obs, *rest = self.env.step(actions)
        self.kept = obs if not hasattr(self, "kept") else self.kept
        self.kept[...] = obs
        return self.kept, *rest


class ReadsWhatItReturned(Bug):
    def step(self, actions: Any) -> Any:
        obs, reward, *rest = self.env.step(actions)
        reward = reward + self.last[:, 0]
        self.last = obs
        return obs, reward, *rest

    def reset(self, **how: Any) -> Any:
        self.last, infos = self.env.reset(**how)
        return self.last, infos


class WritesActions(Bug):
    def step(self, actions: Any) -> Any:
        out = self.env.step(actions)
        actions[...] = 0
        return out


class InfosWithoutMask(Bug):
    def step(self, actions: Any) -> Any:
        *rest, infos = self.env.step(actions)
        return *rest, infos | {"speed": np.zeros(self.num_envs)}


class InfosOfOneRow(Bug):
    def step(self, actions: Any) -> Any:
        *rest, infos = self.env.step(actions)
        mask = np.ones(self.num_envs, bool)
        return *rest, infos | {"deep": {"speed": 1.0, "_speed": mask}, "_deep": mask}


class ClosesOnce(Bug):
    def close(self, **how: Any) -> None:
        assert not getattr(self, "gone", False), "closed already"
        self.gone = True


BUGS: dict[type[Bug], set[str]] = {
    SpaceOfOne: {"spaces"},
    ModeAsText: {"autoreset mode"},
    OldStep: {"returns"},
    ShortRewards: {"returns"},
    DoubleObservations: {"observations in space"},
    Float32Rewards: {"rewards"},
    NanReward: {"rewards"},
    IntegerFlags: {"flags"},
    InfosWithoutMask: {"infos layout"},
    InfosOfOneRow: {"infos layout"},
    NoSeeds: {"same seed, same game"},
    OneSeedForAll: {"a seed a row"},
    SeedsByPlace: {"seeds go with rows"},
    NewEntropyWithoutSeed: {"no seed goes on"},
    RowsComeBackRotated: {"row order"},
    ActionsRotated: {"row order"},
    KnowsItsBatch: {"batch size"},
    RewardWhileResetting: {"step that resets"},
    FinalIsTheNext: {"final observation"},
    FinalWithoutMask: {"final observation"},
    NoFinal: {"final observation"},
    EndedRowsGoOn: {"ended rows refused"},
    EndsBecomeTruncations: {"modes agree"},
    MaskResetsAll: {"partial reset"},
    MaskForgetsSeeds: {"partial reset"},
    AnyMask: {"bad masks refused"},
    SameArraysAgain: {"arrays stay"},
    ReadsWhatItReturned: {"arrays not read"},
    WritesActions: {"actions untouched"},
    ClosesOnce: {"closes"},
}


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_named(bug: type[Bug]) -> None:
    def make(num_envs: int, autoreset_mode: AutoresetMode) -> VectorEnv:
        env = make_vec("CartPole-v1", num_envs, num_threads=1, autoreset_mode=autoreset_mode)
        return bug(env)

    found = failures(make, steps=40)
    assert BUGS[bug] <= found, found


def test_every_item_has_a_bug_that_fails_it() -> None:
    report = check_vector_env(make_vec("CartPole-v1", 2), steps=5)
    assert set().union(*BUGS.values()) == {item.name for item in report.items}


def test_an_env_alone_is_asked_what_it_can_answer() -> None:
    env = make_vec("CartPole-v1", 3)
    report = check_vector_env(env, steps=40)
    assert report.passed
    skipped = {item.name: item.detail for item in report.items if item.passed is None}
    assert skipped["batch size"] == "needs a function that makes envs"
    assert skipped["final observation"] == "same_step is not among the modes"
    env.step(np.zeros(3, np.int64))  # it was not closed
    with pytest.raises(ValueError, match="modes: an env has its own"):
        check_vector_env(env, modes=["next_step"])


def test_what_was_not_seen_is_not_passed() -> None:
    report = check_vector_env(lambda **how: make_vec("CartPole-v1", **how), steps=3)
    unsure = {item.name: item.detail for item in report.items if item.passed is None}
    assert unsure.keys() == {
        "step that resets",
        "final observation",
        "ended rows refused",
        "modes agree",
    }
    assert set(unsure.values()) == {"no episode ended in 3 steps; give more steps"}


def test_rows_with_parameters_of_their_own() -> None:
    def make(num_envs: int, autoreset_mode: AutoresetMode) -> VectorEnv:
        limits = range(10, 10 + num_envs)
        single = [
            lambda limit=limit: gymnasium.make("CartPole-v1", max_episode_steps=limit)
            for limit in limits
        ]
        return SyncVectorEnv(single, autoreset_mode=autoreset_mode)

    found = failures(make, steps=40)
    assert found == {"seeds go with rows", "batch size"}
    assert not failures(make, steps=40, ignore=found)


def test_bad_arguments() -> None:
    def make(**how: Any) -> VectorEnv:
        return make_vec("CartPole-v1", **how)

    with pytest.raises(ValueError, match=r"ignore: no item is called \['row odor'\]; there are"):
        check_vector_env(make, ignore=["row odor"])
    with pytest.raises(ValueError, match=r"modes: expected some of .*, got 'later'"):
        check_vector_env(make, modes=["later"])
    with pytest.raises(ValueError, match="modes: expected at least one"):
        check_vector_env(make, modes=[])


def test_a_report_reads_as_a_table() -> None:
    class Wide(Bug):
        observation_space = property(lambda self: batch_space(self.single_observation_space, 9))

    text = str(check_vector_env(Wide(make_vec("CartPole-v1", 2)), steps=5))
    assert text.startswith("Wide (next_step): 1 of 23 failed\nFAILED  spaces ")
    assert text.count("not asked") == 22
