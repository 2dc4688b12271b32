"""Plug-ins in C: the example is compiled, compared with its twin, and broken in every way."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

import rollout
from rollout import _native
from rollout.envs import (
    EnvError,
    check_vector_env,
    include_dir,
    list_envs,
    load_plugin,
    make_vec,
    spec,
)

ROOT = Path(__file__).parents[3]
SOURCE = (ROOT / "examples" / "plugin_c" / "counter.c").read_text()
STRICT = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror"]


def compile_c(
    folder: Path, source: str, name: str = "plugin", flags: Sequence[str] = STRICT
) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    assert compiler, "the native core was built by a compiler: there is one"
    code, library = folder / f"{name}.c", folder / f"lib{name}.so"
    code.write_text(source)
    command = [compiler, *flags, "-O1", "-shared", "-fPIC", f"-I{include_dir()}"]
    command += [str(code), "-o", str(library)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return library


@pytest.fixture(scope="module", autouse=True)
def counter(tmp_path_factory: pytest.TempPathFactory) -> None:
    library = compile_c(tmp_path_factory.mktemp("counter"), SOURCE, "counter")
    assert load_plugin(library) == ("Counter-v0",)


def counters(num_envs: int = 4, **how: Any) -> rollout.envs.VectorEnv:
    env = make_vec("Counter-v0", num_envs, **how)
    env.reset(seed=3)
    return env


def tape(steps: int, rows: int) -> np.ndarray:
    """Mostly up, never down: legal in every state."""
    return np.random.default_rng(0).choice([1, 2, 2], (steps, rows))


def test_it_is_an_environment_like_any_other() -> None:
    assert "Counter-v0" in list_envs()
    facts = spec("Counter-v0")
    assert facts.summary == "count up to a random goal"
    assert facts.keywords == {"max_episode_steps": "100", "size": "10.0", "slip": "0.1"}
    assert facts.event_names == ("reached", "slipped")
    assert facts.observation_space == gymnasium.spaces.Box(0.0, 1000.0, (2,), np.float32)
    assert facts.action_space == gymnasium.spaces.Discrete(3)
    env = gymnasium.make_vec("rollout/Counter-v0", num_envs=2, slip=0.0)
    env.reset(seed=0)
    assert env.step(np.array([2, 1]))[0][:, 0].tolist() == [1.0, 0.0]


def test_it_conforms() -> None:
    report = check_vector_env(
        lambda **how: make_vec("Counter-v0", num_threads=2, size=3, **how), steps=60
    )
    assert all(item.passed for item in report.items), report


class Twin:
    """The example's rules, and one row's autoreset as next_step has it."""

    def __init__(self, seed: int, size: float, slip: float, limit: int) -> None:
        self.seed, self.size, self.slip, self.limit = seed, int(size), slip, limit
        self.episode = -1
        self.begin()

    def begin(self) -> None:
        self.episode, self.moves, self.count, self.ended = self.episode + 1, 0, 0, False
        self.goal = 1 + _native.philox_below(self.seed, self.episode, 0, 0, self.size, 1)[0]

    def step(self, action: int) -> tuple[list[float], float, bool, bool, list[int]]:
        if self.ended:
            self.begin()
            return [self.count, self.goal], 0.0, False, False, [0, 0]
        self.moves += 1
        draw = _native.philox_doubles(self.seed, self.episode, self.moves, 1, 1)[0]
        slipped = draw < self.slip
        self.count += 0 if slipped else action - 1
        reached = self.count == self.goal
        truncated = self.moves >= self.limit
        self.ended = reached or truncated
        reward = 1.0 if reached else -0.01
        return [self.count, self.goal], reward, reached, truncated, [int(reached), int(slipped)]


def test_it_plays_like_its_twin() -> None:
    rules = {"size": 7, "slip": 0.3, "max_episode_steps": 12}
    env = make_vec("Counter-v0", 5, events=True, num_threads=1, **rules)
    obs, _ = env.reset(seed=2**40)
    twins = [Twin(2**40 + row, 7, 0.3, 12) for row in range(5)]
    assert obs.tolist() == [[twin.count, twin.goal] for twin in twins]
    ends = 0
    for actions in tape(200, 5):
        obs, reward, terminated, truncated, infos = env.step(actions)
        for row, twin in enumerate(twins):
            want = twin.step(int(actions[row]))
            got = (obs[row].tolist(), reward[row], terminated[row], truncated[row])
            assert (*got, infos["events"][row].tolist()) == want
        ends += int(terminated.sum()) + 1000 * int(truncated.sum())
    assert ends > 2000
    assert ends % 1000 > 20


def test_threads_and_company_change_nothing() -> None:
    def play(threads: int, rows: int) -> list[np.ndarray]:
        env = counters(rows, num_threads=threads, autoreset_mode="same_step")
        return [env.step(actions[:rows])[0][:20] for actions in tape(40, 300)]

    want = play(1, 300)
    for threads, rows in ((2, 300), (3, 300), (1, 20)):
        assert np.array_equal(play(threads, rows), want)


def test_snapshots_go_back_and_keep() -> None:
    env = counters(6)
    actions = tape(30, 6)
    for row in actions[:10]:
        env.step(row)
    kept = env.snapshot()
    went = [env.step(row)[0] for row in actions[10:]]
    env.restore(type(kept).from_bytes(kept.to_bytes()))
    assert np.array_equal([env.step(row)[0] for row in actions[10:]], went)


def test_a_branch_is_the_step() -> None:
    env = counters(6, size=1000)
    kept = env.snapshot()
    actions = np.full(6, 2)
    branch = env.step_from(kept, actions)
    obs, reward, terminated, truncated, _ = env.step(actions)
    assert np.array_equal(branch.obs, obs)
    assert np.array_equal(branch.reward, reward)
    assert branch.snapshot == env.snapshot()
    assert not (branch.terminated | branch.truncated | terminated | truncated).any()


def test_legal_actions_are_told_and_kept_to() -> None:
    env = counters(3, slip=0)
    _, infos = env.reset(seed=0)
    assert infos["action_mask"].tolist() == [[0, 1, 1]] * 3
    infos = env.step(np.array([1, 2, 2]))[-1]
    assert infos["action_mask"].tolist() == [[0, 1, 1], [1, 1, 1], [1, 1, 1]]
    before = env.snapshot()
    with pytest.raises(ValueError, match="row 0 may not play 0 now; it may play 1, 2"):
        env.step(np.array([0, 0, 0]))
    assert env.snapshot() == before


def test_a_keyword_that_does_not_fit() -> None:
    with pytest.raises(ValueError, match=r"Counter-v0: slip: expected a number in \[0, 1\], got 2"):
        make_vec("Counter-v0", 1, slip=2)
    with pytest.raises(TypeError, match=r"unexpected keyword 'sise'.*did you mean 'size'"):
        make_vec("Counter-v0", 1, sise=2)
    other = make_vec("Counter-v0", 4, slip=0.5)
    with pytest.raises(ValueError, match="other keywords"):
        other.restore(counters().snapshot())


def lift(env: rollout.envs.VectorEnv, row: int, count: int) -> None:
    """Put a row's count where a step may overflow it."""
    states = list(env.get_attr("state"))
    states[row]["bytes"] = np.array([count, 2000], np.int32).tobytes()
    env.set_attr("state", states)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("mode", ["next_step", "same_step", "disabled"])
def test_a_failure_names_the_row_and_changes_none(mode: str, threads: int) -> None:
    env = counters(100, num_threads=threads, autoreset_mode=mode, slip=0, size=1000)
    lift(env, 77, 1000)
    before = env.snapshot()
    up = np.full(100, 2)
    words = (
        "Counter-v0: row 77: step failed with code 1: the count is above 1000; "
        "all rows are as they were before the call"
    )
    with pytest.raises(EnvError, match=words) as caught:
        env.step(up)
    assert (caught.value.row, caught.value.function, caught.value.code) == (77, "step", 1)
    assert caught.value.key == (3 + 77, 0, 1)
    assert np.frombuffer(caught.value.state, np.int32).tolist() == [1000, 2000]
    assert env.snapshot() == before
    with pytest.raises(EnvError, match="row 1: step failed"):
        env.step_from(before, up[:2], rows=[3, 77])
    assert env.snapshot() == before
    lift(env, 77, 5)
    assert env.step(up)[0][77].tolist() == [6.0, 2000.0]


def test_states_are_bytes() -> None:
    env = counters(2)
    state = env.get_attr("state")[1]
    assert state.keys() == {"step", "bytes"}
    assert np.frombuffer(state["bytes"], np.int32)[0] == 0
    with pytest.raises(ValueError, match="row 0: state: bytes: expected 8 of them, got b'ab'"):
        env.set_attr("state", state | {"bytes": b"ab"})


BROKEN = {
    ".abi_version = ROLLOUT_ABI_VERSION": (
        ".abi_version = 2",
        "plug-in Counter-v0: it was compiled for version 2 .* this rollout has version 1",
    ),
    ".struct_bytes = sizeof(rollout_env)": (
        ".struct_bytes = 64",
        r"plug-in Counter-v0: .*rollout_env of 64 bytes; .*include_dir\(\)",
    ),
    '.id = "Counter-v0"': ('.id = "CartPole-v1"', "plug-in CartPole-v1: an environment of rollout"),
    '.id = "Counter-v0", ': ('.id = "Count er", ', "id: expected 1 to 100 printable characters"),
    ".state_bytes = sizeof(state_t)": (".state_bytes = 0", "state_bytes: expected 1 .. 2"),
    ".state_alignment = sizeof(int32_t)": (".state_alignment = 3", "state_alignment: .*got 3"),
    ".obs_dtype = ROLLOUT_FLOAT32": (".obs_dtype = 9", "obs_dtype: expected .*got 9"),
    "obs_shape[] = {2}": ("obs_shape[] = {-2}", "obs_shape: expected sizes >= 1"),
    ".obs_bounds = 1": (".obs_bounds = 3", "obs_bounds: expected 1 or 2, got 3"),
    "low[] = {0.0}": ("low[] = {2000.0}", "obs_low: expected low <= high, got 2000"),
    ".action_size = 1": (".action_size = 0", "action_size: expected 1 .. 1024, got 0"),
    "choices[] = {NUM_ACTIONS}": ("choices[] = {0}", "action_choices: expected 1 .. 2"),
    ".num_players = 1": (".num_players = 2", "to_play: expected a function where players take"),
    ".max_episode_steps = 100": (".max_episode_steps = -1", "max_episode_steps: expected >= 0"),
    '"reached", "slipped"': ('"reached", NULL', "event_names: expected a name, got NULL"),
    '{"slip", 0.1, 0.0, 1.0}': ('{"size", 0.1, 0.0, 1.0}', "params: .*'size' twice"),
    '"slip", 0.1, 0.0': ('"slip", 0.1, 0.5', "params: expected low <= value <= high in 'slip'"),
    ".observe = observe": (".observe = NULL", "observe: expected a function"),
    "index == 0 ? &counter": ("index > 9 ? &counter", r"describes no environment: rollout_plugin"),
}


@pytest.mark.parametrize("part", BROKEN)
def test_a_wrong_description_is_refused(part: str, tmp_path: Path) -> None:
    assert SOURCE.count(part) == 1
    change, words = BROKEN[part]
    library = compile_c(tmp_path, SOURCE.replace(part, change), flags=[])
    before = list_envs()
    with pytest.raises(ValueError, match=words):
        load_plugin(library)
    assert list_envs() == before


def test_what_is_no_plugin_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"path: there is no file .*libnone\.so; compile"):
        load_plugin(tmp_path / "libnone.so")
    text = tmp_path / "libtext.so"
    text.write_text("no library")
    with pytest.raises(OSError, match=r"libtext\.so does not load as a shared library"):
        load_plugin(text)
    library = compile_c(tmp_path, "int nothing(void);\nint nothing(void) { return 0; }\n")
    with pytest.raises(ValueError, match=r"libplugin\.so has no function rollout_plugin"):
        load_plugin(library)


def test_a_later_library_takes_over_an_id(tmp_path: Path) -> None:
    source = SOURCE.replace('"Counter-v0"', '"Again-v0"')
    load_plugin(compile_c(tmp_path, source, "first"))
    old = make_vec("Again-v0", 1, slip=0)
    old.reset(seed=0)
    load_plugin(
        compile_c(tmp_path, source.replace("(int32_t)move;", "3 * (int32_t)move;"), "second")
    )
    new = make_vec("Again-v0", 1, slip=0)
    new.reset(seed=0)
    assert old.step([2])[0][0, 0] == 1.0
    assert new.step([2])[0][0, 0] == 3.0
    assert list_envs().count("Again-v0") == 1


def test_the_header_is_cpp_too() -> None:
    code = "#include <rollout/random.h>\nstatic_assert(sizeof(rollout_key) == 16);\n"
    flags = ["-x", "c++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"]
    command = ["g++", *flags, f"-I{include_dir()}", "-"]
    done = subprocess.run(command, input=code, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_example_is_short() -> None:
    assert len(SOURCE.splitlines()) < 100
