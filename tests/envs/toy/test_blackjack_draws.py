"""Cards that Lemire's method draws again: one in 2^28, so the stream is set up to give some."""

import numpy as np
import pytest

from rollout.envs import make_vec

# where a row's bytes have its stream: 128 bits of state and of increment, a kept half, whether
STATE, INCREMENT, HALF, HAS_HALF = slice(64, 80), slice(80, 96), slice(96, 100), 100
ROWS = 40


def numpys(row: np.ndarray) -> np.random.Generator:
    """NumPy's own generator, where a row's stream is."""
    whole = [int.from_bytes(row[part].tobytes(), "little") for part in (STATE, INCREMENT, HALF)]
    stream = np.random.PCG64()
    stream.state = {
        "bit_generator": "PCG64",
        "state": {"state": whole[0], "inc": whole[1]},
        "has_uint32": int(row[HAS_HALF]),
        "uinteger": whole[2],
    }
    return np.random.Generator(stream)


def card(stream: np.random.Generator) -> int:
    return min(int(stream.integers(1, 14)), 10)


@pytest.mark.parametrize("rejected", [True, False])
def test_a_rejected_draw_is_drawn_again(rejected: bool) -> None:
    env = make_vec("Blackjack-v1", ROWS, num_threads=1)
    env.reset(seed=0)
    worlds = env.snapshot()
    data = worlds.data
    data[:, HALF] = 0 if rejected else 255  # 13 * 0 leaves a remainder of 0, which is too little
    data[:, HAS_HALF] = 1
    env.restore(worlds)
    before = env.get_attr("state")

    hits, sticks = (env.step_from(worlds, np.full(ROWS, action)) for action in (1, 0))
    for row in range(ROWS):
        stream = numpys(data[row])
        hard = before[row]["player"]["hard"] + card(stream)
        assert hits.obs[0][row] in (hard, hard + 10)
        assert numpys(hits.snapshot.data[row]).bit_generator.state == stream.bit_generator.state

    env.restore(sticks.snapshot)
    for row, after in enumerate(env.get_attr("state")):
        stream, dealer = numpys(data[row]), dict(before[row]["dealer"])
        while dealer["hard"] + 10 * (dealer["ace"] and dealer["hard"] < 12) < 17:
            drawn = card(stream)
            dealer = {
                "hard": dealer["hard"] + drawn,
                "cards": dealer["cards"] + 1,
                "ace": dealer["ace"] or drawn == 1,
            }
        assert after["dealer"] == dealer

    # they have ended, and are dealt anew: four cards, a suit, and a face for a ten
    ended = sticks.snapshot
    ended.data[:, HALF], ended.data[:, HAS_HALF] = data[:, HALF], 1
    env.restore(ended)
    obs = env.step(np.zeros(ROWS, np.int64))[0]
    dealt = env.snapshot().data
    for row in range(ROWS):
        stream = numpys(ended.data[row])
        cards = [card(stream) for _ in range(4)]
        stream.integers(0, 4)
        if cards[0] == 10:
            stream.integers(0, 3)
        assert obs[1][row] == cards[0]
        assert obs[0][row] in (sum(cards[2:]), sum(cards[2:]) + 10)
        assert numpys(dealt[row]).bit_generator.state == stream.bit_generator.state
