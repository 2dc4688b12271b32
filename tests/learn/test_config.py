"""Configs: presets hold, wrong ones say why, schedules add up."""

from __future__ import annotations

import numpy as np
import pytest

from rollout.learn import PRESETS, TrainConfig
from rollout.learn.streams import stream, stream_seed


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets_survive_json(name: str) -> None:
    config = PRESETS[name](seed=3)
    assert TrainConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"capacity": 6, "unroll": 5}, r"capacity: expected more than unroll \+ 1 = 6"),
        ({"bots": ("cook",), "bootstrap": "search"}, 'bootstrap: expected "target"'),
        ({"bot_noise": (0.1, 1.5)}, r"bot_noise: expected two numbers in \[0, 1\]"),
        ({"learning_speed": 1}, "Extra inputs are not permitted"),
        ({"discount": 1.0}, "less than 1"),
    ],
)
def test_wrong_configs_say_why(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PRESETS["cartpole"](**changes)


def test_every_field_is_documented() -> None:
    bare = [name for name, field in TrainConfig.model_fields.items() if not field.description]
    assert bare == []


def test_bots_leave_along_a_line() -> None:
    config = PRESETS["kitchen"](num_envs=8, bot_share=(1.0, 0.25), bot_iterations=100)
    assert [config.bot_rows(i) for i in (0, 50, 100, 900)] == [8, 5, 2, 2]
    assert PRESETS["cartpole"]().bot_rows(0) == 0


@pytest.mark.parametrize("rate", [0.3, 1.0, 2.5])
def test_updates_keep_their_rate(rate: float) -> None:
    config = PRESETS["cartpole"](updates_per_iteration=rate)
    due = [config.updates_due(i) for i in range(1000)]
    assert abs(sum(due) - 1000 * rate) <= 1
    assert max(due) - min(due) <= 1


def test_streams_differ_by_site_count_and_seed() -> None:
    draws = [
        stream(seed, site, count).random()
        for seed in (0, 1)
        for site in ("play", "batch")
        for count in (0, 1, 2)
    ]
    assert len(set(draws)) == len(draws)
    assert stream(5, "play", 7).random() == stream(5, "play", 7).random()
    seeds = [stream_seed(0, "env", i) for i in range(1000)]
    assert len(set(seeds)) == 1000
    assert 0 <= min(seeds) < max(seeds) < 2**31
    # neighbouring counts are not neighbouring numbers of one sequence
    first = stream(0, "play", 0).random(64)
    assert not np.isin(stream(0, "play", 1).random(64), first).any()
