"""CartPole-v1 against gymnasium's, bit for bit."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from rollout.envs import make_vec

# NumPy picks its sin and cos by processor; without these features it calls the C library's, which
# is the one that gymnasium's bits are pinned to here
BASELINE = "X86_V3 X86_V4 AVX512_ICL AVX512_SPR AVX2 FMA3 AVX512F AVX512_SKX"

ORACLE = """
import json, sys
import gymnasium, numpy as np
seed, steps = int(sys.argv[1]), int(sys.argv[2])
env = gymnasium.make("CartPole-v1")
actions = np.random.default_rng(seed).integers(0, 2, steps)
obs, _ = env.reset(seed=seed)
rows, ended = [], False
for action in actions:
    if ended:
        obs, _ = env.reset()
        reward, terminated, truncated = 0.0, False, False
    else:
        obs, reward, terminated, truncated, _ = env.step(action)
    ended = terminated or truncated
    state = [float(v).hex() for v in env.unwrapped.state]
    rows.append([state, [float(v).hex() for v in obs], reward, bool(terminated), bool(truncated)])
json.dump(rows, sys.stdout)
"""


def oracle(seed: int, steps: int) -> list:
    """Play gymnasium's own CartPole-v1 where NumPy uses the C library's sin and cos."""
    env = {**os.environ, "NPY_DISABLE_CPU_FEATURES": BASELINE}
    command = [sys.executable, "-W", "ignore", "-c", ORACLE, str(seed), str(steps)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("seed", [0, 7, 123456789012])
def test_bits_equal_gymnasium(seed: int) -> None:
    steps = 5000
    env = make_vec("CartPole-v1", 1, num_threads=1)
    actions = np.random.default_rng(seed).integers(0, 2, steps)
    env.reset(seed=seed)
    episodes = 0
    for action, (state, obs, reward, terminated, truncated) in zip(
        actions, oracle(seed, steps), strict=True
    ):
        got = env.step(actions=np.array([action]))
        assert [v.hex() for v in list(env.get_attr("state")[0].values())[:4]] == state
        assert [float(v).hex() for v in got[0][0]] == obs
        assert (got[1][0], got[2][0], got[3][0]) == (reward, terminated, truncated)
        episodes += terminated or truncated
    assert episodes > 100
