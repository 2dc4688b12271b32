"""`check_vector_env`: puts every question of questions.py to an env and reports the answers."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence

from gymnasium.vector import AutoresetMode

from rollout.conformance import SKIPPED, Item, Report
from rollout.envs.check.questions import QUESTIONS, STRUCTURE, Question
from rollout.envs.check.trial import Env, Make, Trial


def check_vector_env(
    env: Env | Make,
    *,
    modes: Sequence[AutoresetMode | str] | None = None,
    steps: int = 200,
    seed: int = 0,
    tolerance: float = 0.0,
    ignore: Collection[str] = (),
) -> Report:
    """Put every conformance question to a `gymnasium.vector.VectorEnv`.

    env:       a function `make(*, num_envs, autoreset_mode)` that makes one, or an env. Given an
               env, questions that need a second one (other modes, other batch sizes, closing) are
               skipped; it is reset and stepped, and not closed.
    modes:     the autoreset modes that `make` offers; by default all three of gymnasium.
    steps:     how long to play: long enough for episodes to end, or what is about ends is skipped.
    seed:      of the first row.
    tolerance: relative and absolute, for floats that another batch size rounds in another way.
    ignore:    names of items not to ask, such as "seeds go with rows" where every row has
               parameters of its own.

    Returns a report: `report.passed`; `str(report)`, a table; `report.failures`, the items that
    failed, each saying in which mode, row, episode and step. Takes seconds for a fast env.
    Raises ValueError for a mode or an item that there is not, and what `make` raises.
    """
    if unknown := sorted(set(ignore) - QUESTIONS.keys()):
        raise ValueError(f"ignore: no item is called {unknown}; there are {list(QUESTIONS)}")
    trial = Trial(env, modes, steps, seed, tolerance)
    items: list[Item] = []
    try:
        for name, question in QUESTIONS.items():
            if name in ignore:
                answer: str | None = SKIPPED + "ignored"
            # what the first questions find wrong would only be found again, less clearly
            elif any(item.passed is False for item in items[:STRUCTURE]):
                answer = SKIPPED + "not asked"
            else:
                answer = _ask(question, trial)
            items.append(Item.of(name, answer))
    finally:
        trial.close()
    return Report(trial.subject, tuple(items))


def _ask(question: Question, trial: Trial) -> str | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # gymnasium warns of the errors that some questions provoke
        try:
            return question(trial)
        # whatever somebody else's env raises is an answer
        except Exception as error:
            return f"it raised {type(error).__name__}: {error}"
