"""`import rollout` is enough to reach every public name, and costs no torch until one needs it."""

import subprocess
import sys

import pytest

import rollout


def test_parts_and_functions_are_reached_from_the_package():
    assert rollout.goals.Goal
    assert rollout.models.load
    assert callable(rollout.imagine)
    assert rollout.models.RecurrentOutput is rollout.search.RecurrentOutput
    with pytest.raises(AttributeError, match="no attribute 'imagin'"):
        _ = rollout.imagin


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import rollout; print('torch' in sys.modules)", "False"),
        ("import rollout; rollout.imagine; print('torch' in sys.modules)", "True"),
        (
            "import gymnasium, rollout;"
            "print(gymnasium.make_vec('rollout/CartPole-v1', num_envs=3).num_envs)",
            "3",
        ),
    ],
)
def test_in_a_fresh_process(code, expected):
    command = [sys.executable, "-c", f"import sys; {code}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == expected, done.stderr
