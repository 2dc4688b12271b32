"""The questions. Each returns None, a fault, or "skipped: why"; its docstring is the rule."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from typing import Any

import numpy as np
from gymnasium import Space, spaces
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space, iterate

from rollout.conformance import SKIPPED
from rollout.envs.check.play import (
    TWIST,
    Episodes,
    Player,
    arrays,
    brief,
    difference,
    final_row,
    same,
)
from rollout.envs.check.trial import Env, Trial

Question = Callable[[Trial], str | None]
NEEDS_MAKE = SKIPPED + "needs a function that makes envs"


# --- structure: the first three, on which all others rely ---


def _spaces(t: Trial) -> str | None:
    """There are four spaces, and a batched one is n single ones."""
    for where, env in t.each():
        if not isinstance(env.num_envs, int) or env.num_envs < 1:
            return f"{where}num_envs is {env.num_envs!r}, expected an int >= 1"
        for kind in ("observation", "action"):
            single, batched = (
                getattr(env, f"{part}{kind}_space", None) for part in ("single_", "")
            )
            if not isinstance(single, Space):
                return f"{where}single_{kind}_space is {single!r}, expected a gymnasium Space"
            want = batch_space(single, env.num_envs)
            if batched != want:
                return f"{where}{kind}_space is {batched!r}, expected {want!r}"
    return None


def _autoreset_mode(t: Trial) -> str | None:
    """metadata["autoreset_mode"] is the enum, and the mode that was asked for."""
    for asked, env in t.envs.items():
        got = env.metadata.get("autoreset_mode")
        if not isinstance(got, AutoresetMode):
            return f'metadata["autoreset_mode"] is {got!r}, expected an AutoresetMode'
        if got is not asked:
            return f'asked for {asked}, but metadata["autoreset_mode"] is {got}; name modes='
    return None


def _returns(t: Trial) -> str | None:
    """reset gives (obs, infos), step gives five things, all with n rows."""
    for where, env in t.each():
        player = Player(env)
        if fault := _returns_fault(env.reset(seed=t.seed), env.num_envs, 2):
            return f"{where}reset: {fault}"
        player.reset(t.seed)
        if fault := _returns_fault(env.step(player.actions(player.ended)), env.num_envs, 5):
            return f"{where}step: {fault}"
    return None


def _returns_fault(out: Any, rows: int, size: int) -> str | None:
    if not isinstance(out, tuple) or len(out) != size:
        return f"it gave {brief(out)}, expected a tuple of {size}"
    shapes = [list(array.shape) for array in arrays(out[0])]
    if any(shape[:1] != [rows] for shape in shapes):
        return f"observations are {shapes}, expected [{rows}, ...]"
    for name, array in zip(("rewards", "terminations", "truncations"), out[1:-1], strict=False):
        if np.shape(array) != (rows,):
            return f"{name} are {list(np.shape(array))}, expected [{rows}]"
    if not isinstance(out[-1], dict):
        return f"infos is a {type(out[-1]).__name__}, expected a dict"
    return None


# --- types and layout ---


def _observations_in_space(t: Trial) -> str | None:
    """What reset and step return is in observation_space, dtype and bounds included."""
    for where, env in t.each():
        for step, (obs, *_) in _outputs(t, env):
            if not env.observation_space.contains(obs):
                return f"{where}{step}: {_why_outside(env.observation_space, obs)}"
    return None


def _rewards(t: Trial) -> str | None:
    """Rewards are finite float64 [n]."""
    for where, env in t.each():
        for step, out in _outputs(t, env):
            if len(out) == 2:  # a reset gives none
                continue
            rewards = np.asarray(out[1])
            if rewards.dtype != np.float64:
                return f"{where}{step}: rewards are {rewards.dtype}, expected float64"
            if not np.isfinite(rewards).all():
                return f"{where}{step}: rewards are {brief(rewards)}, expected finite numbers"
    return None


def _flags(t: Trial) -> str | None:
    """Terminations and truncations are bool [n]."""
    for where, env in t.each():
        for step, out in _outputs(t, env):
            for name, flags in zip(("terminations", "truncations"), out[2:4], strict=False):
                if getattr(flags, "dtype", None) != np.bool_:
                    got = getattr(flags, "dtype", type(flags))
                    return f"{where}{step}: {name} are {got}, expected bool"
    return None


def _infos_layout(t: Trial) -> str | None:
    """Each infos[key] has n rows and a mask infos["_key"], bool [n]; dicts likewise inside."""
    for where, env in t.each():
        for step, (*_, infos) in _outputs(t, env):
            if fault := _layout_fault(infos, env.num_envs, "infos"):
                return f"{where}{step}: {fault}"
    return None


# --- seeds ---


def _reproducible(t: Trial) -> str | None:
    """The same seed and actions give the same again, in this env and in a fresh one."""
    for where, env in t.each():
        want = t.play(env).episodes
        if fault := _differs(t.play(env).episodes, want, t):
            return f"{where}the same seed again: {fault}"
        if t.make is not None:
            fresh = t.fresh(env)
            try:
                if fault := _differs(t.play(fresh).episodes, want, t):
                    return f"{where}the same seed in a fresh env: {fault}"
            finally:
                fresh.close()
    return None


def _a_seed_a_row(t: Trial) -> str | None:
    """reset(seed=s) is reset(seed=[s, s + 1, ...])."""
    for where, env in t.each():
        want = t.play(env).episodes
        if fault := _differs(t.play(env, t.seeds).episodes, want, t):
            return f"{where}seed={t.seeds} beside seed={t.seed}: {fault}"
    return None


def _seeds_go_with_rows(t: Trial) -> str | None:
    """A row's game depends on its seed and its actions, not on its place."""
    if t.rows == 1:
        return SKIPPED + "there is one row"
    for where, env in t.each():
        want = t.play(env, t.seeds).episodes
        labels = list(reversed(range(t.rows)))
        got = t.play(env, t.seeds[::-1], labels=labels).episodes
        if fault := _differs(got[::-1], want, t):
            return f"{where}seeds in reverse order (rows counted from the last): {fault}"
    return None


def _no_seed_goes_on(t: Trial) -> str | None:
    """reset() goes on with each row's own stream; None in a list does so for its row."""
    few = min(5, t.steps)
    for where, env in t.each():

        def play(seed: Any, env: Env = env) -> list[Episodes]:
            player = t.play(env, steps=few)
            player.go_on(seed)
            return player.steps(few).episodes

        want = play(None)
        if fault := _differs(play(None), want, t):
            return f"{where}reset() after reset(seed={t.seed}), twice: {fault}"
        mixed = [t.seed + 1000, *[None] * (t.rows - 1)]
        if fault := _differs(play(mixed)[1:], want[1:], t):
            return f"{where}reset(seed={mixed}) beside reset() (rows counted from row 1): {fault}"
    return None


# --- rows ---


def _row_order(t: Trial) -> str | None:
    """Row i of every output belongs to action i, and to no other."""
    for where, env in t.each():
        want = t.play(env).episodes
        for row in range(t.rows):
            labels = [other + TWIST * (other == row) for other in range(t.rows)]
            got = t.play(env, labels=labels).episodes
            moved = [
                other
                for other in range(t.rows)
                if difference(got[other], want[other], t.tolerance) is not None
            ]
            if others := [other for other in moved if other != row]:
                also = "and" if row in moved else "not"
                return f"{where}other actions in row {row} change row {others[0]} {also} row {row}"
    return None


def _batch_size(t: Trial) -> str | None:
    """A row alone does what it does among others."""
    if t.make is None:
        return NEEDS_MAKE
    for where, env in t.each():
        want = t.play(env).episodes
        row = t.rows - 1
        alone = t.fresh(env, 1)
        try:
            got = t.play(alone, t.seeds[row], labels=[row]).episodes[0]
        finally:
            alone.close()
        if fault := difference(got, want[row], t.tolerance):
            return f"{where}an env of one row, beside row {row} of {t.rows}: {fault}"
    return None


# --- ends of episodes ---


def _reset_step(t: Trial) -> str | None:
    """next_step: the step after an end ignores the action; its reward is 0, its flags False."""
    env = t.envs.get(AutoresetMode.NEXT_STEP)
    if env is None:
        return SKIPPED + "next_step is not among the modes"
    player = t.play(env, steps=0)
    seen = False
    for step in range(t.steps):
        waiting = player.ended.copy()
        player.step()
        seen |= bool(waiting.any())
        for row in np.flatnonzero(waiting):
            got = [array[row] for array in player.out[1:4]]
            if any(got):
                return f"step {step}, row {row}: reward and flags are {got}, expected 0 and False"
    if not seen:
        return _no_end(t)
    # the tape gives a waiting row another action when its label differs
    want = t.play(env).episodes
    got = t.play(env, ignored=TWIST).episodes
    fault = _differs(got, want, t)
    return None if fault is None else f"another action in the step that resets matters: {fault}"


def _final_observation(t: Trial) -> str | None:
    """same_step: infos has final_obs and final_info, with masks that say whose episode ended."""
    env = t.envs.get(AutoresetMode.SAME_STEP)
    if env is None:
        return SKIPPED + "same_step is not among the modes"
    single = env.single_observation_space
    player = t.play(env, steps=0)
    seen = told_apart = False
    for step in range(t.steps):
        player.step()
        obs, _, terminated, truncated, infos = player.out
        ended = np.logical_or(terminated, truncated)
        if not ended.any():
            continue
        seen = True
        for key in ("final_obs", "final_info"):
            if key not in infos or f"_{key}" not in infos:
                return f"step {step}: an episode ended, but infos has no {key!r} with its mask"
            if not np.array_equal(infos[f"_{key}"], ended):
                return f"step {step}: infos['_{key}'] is {infos[f'_{key}']}, expected {ended}"
        for row, now in enumerate(iterate(env.observation_space, obs)):
            final = final_row(infos["final_obs"], row)
            if ended[row] and not single.contains(final):
                return f"step {step}, row {row}: final_obs is {_why_outside(single, final)}"
            # an episode may begin as another ended, but not each of them
            told_apart |= bool(ended[row]) and not same(final, now)
    if seen and not told_apart:
        return (
            "final_obs is always the observation that the step returned; one is the end of an "
            "episode, the other the beginning of the next"
        )
    return None if seen else _no_end(t)


def _stays_ended(t: Trial) -> str | None:
    """disabled: a step of a row that has ended raises."""
    env = t.envs.get(AutoresetMode.DISABLED)
    if env is None:
        return SKIPPED + "disabled is not among the modes"
    if t.make is None:
        return NEEDS_MAKE
    # an env that refuses may not work any more: this one is thrown away
    env = t.fresh(env)
    try:
        player = t.play(env, steps=0)
        for _ in range(t.steps):
            if player.ended.any():
                break
            player.step()
        else:
            return _no_end(t)
        row = int(np.flatnonzero(player.ended)[0])
        actions = player.actions(player.ended)
        try:
            env.step(actions)
        except Exception:  # refused, with whichever error the env has for it
            return None
        return f"row {row} has ended, and a step of it raised nothing"
    finally:
        env.close()


def _modes_agree(t: Trial) -> str | None:
    """Row by row, the episodes are the same under every mode."""
    if len(t.envs) < 2:
        return SKIPPED + "there is one mode"
    (first, env), *others = t.each()
    player = t.play(env)
    if all(len(rows) < 2 for rows in player.episodes):
        return _no_end(t)
    for where, other in others:
        if fault := _differs(t.play(other).episodes, player.episodes, t):
            return f"{where}beside {first}{fault}"
    return None


# --- partial resets ---


def _partial_reset(t: Trial) -> str | None:
    """reset_mask begins the rows that are True, as their seeds say, and touches no other."""
    few = min(7, t.steps)
    for where, env in t.each():
        for wait_for_end in (False, True):
            player = t.play(env, steps=few)
            for _ in range(t.steps if wait_for_end else 0):
                if player.ended.any():
                    break
                player.step()
            mask = player.ended.copy() if wait_for_end else np.arange(t.rows) % 2 == 1
            if mask.all() or not mask.any():
                continue
            done = player.count
            before = [rows[-1][-1].obs for rows in player.episodes]
            seeds = [t.seed + 500 + row if mask[row] else None for row in range(t.rows)]
            obs = player.reset(seeds, mask)
            for row in np.flatnonzero(~mask):
                if not same(obs[row], before[row], t.tolerance):
                    return (
                        f"{where}reset_mask={mask}: row {row} is not in it, but its observation "
                        f"is {brief(obs[row])}, expected the last one, {brief(before[row])}"
                    )
            got = player.steps(few).episodes
            begun = t.play(env, [t.seed + 500 + row for row in range(t.rows)], few).episodes
            gone_on = t.play(env, steps=done + few).episodes
            want = [(begun if mask[row] else gone_on)[row] for row in range(t.rows)]
            if fault := _differs(got, want, t):
                return f"{where}after reset_mask={mask} at step {done}: {fault}"
    return None


def _bad_masks(t: Trial) -> str | None:
    """A reset_mask that is no bool array [n], or is all False, is refused."""
    for where, env in t.each():
        env.reset(seed=t.seed)
        bad = {
            "a list": [True] * t.rows,
            "float64": np.ones(t.rows),
            f"of shape [{t.rows + 1}]": np.ones(t.rows + 1, np.bool_),
            "all False": np.zeros(t.rows, np.bool_),
        }
        for what, mask in bad.items():
            try:
                env.reset(options={"reset_mask": mask})
            except Exception:  # refused, with whichever error the env has for it
                continue
            return f"{where}a reset_mask that is {what} was taken"
    return None


# --- arrays ---


def _arrays_stay(t: Trial) -> str | None:
    """What was returned is the caller's: a later step does not change it."""
    for where, env in t.each():
        player = Player(env)
        player.reset(t.seed)
        kept: list[tuple[str, Any, Any]] = []
        for step in range(min(t.steps, 30)):
            player.step()
            for name, array, before in kept:
                if not same(array, before):
                    return f"{where}step {step} changed the {name} of the step before"
            names = ("observations", "rewards", "terminations", "truncations", "infos")
            now = dict(zip(names, player.out, strict=True))
            for name, array, _ in kept:
                for new in arrays(now[name]) if name != "infos" else ():
                    if any(np.shares_memory(new, old) for old in arrays(array)):
                        return f"{where}step {step} returned the {name} of the step before again"
            kept = [(name, out, deepcopy(out)) for name, out in now.items()]
    return None


def _arrays_are_not_read(t: Trial) -> str | None:
    """Writing to what was returned, or to the actions given, changes nothing in the env."""
    for where, env in t.each():
        want = t.play(env).episodes
        if fault := _differs(t.play(env, scribble=True).episodes, want, t):
            return f"{where}after the caller wrote to what it was given: {fault}"
    return None


def _actions_untouched(t: Trial) -> str | None:
    """step does not change the actions that it is given."""
    for where, env in t.each():
        if t.play(env).actions_changed:
            return f"{where}step wrote to the array of actions"
    return None


def _closes(t: Trial) -> str | None:
    """close() may be called twice."""
    if t.make is None:
        return NEEDS_MAKE
    for _, used in t.each():
        env = t.fresh(used)
        env.reset(seed=t.seed)
        env.close()
        env.close()
    return None


# --- what they share ---


def _outputs(t: Trial, env: Env) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """What reset and then each step return, with the words that a fault begins with."""
    player = Player(env)
    player.reset(t.seed)
    yield "reset", player.out
    for step in range(t.steps):
        player.step()
        yield f"step {step}", player.out


def _differs(got: Sequence[Episodes], want: Sequence[Episodes], t: Trial) -> str | None:
    for row, (mine, theirs) in enumerate(zip(got, want, strict=True)):
        if fault := difference(mine, theirs, t.tolerance):
            return f"row {row}, {fault}"
    return None


def _no_end(t: Trial) -> str:
    return f"{SKIPPED}no episode ended in {t.steps} steps; give more steps"


def _why_outside(space: Space[Any], value: Any) -> str:
    """Say what keeps a value out of a space."""
    if isinstance(space, spaces.Dict) and isinstance(value, dict):
        for key, part in space.items():
            if key not in value or not part.contains(value[key]):
                return f"[{key!r}]: " + _why_outside(part, value.get(key))
    if not isinstance(value, np.ndarray):
        return f"{brief(value)} ({type(value).__name__}) is not in {space}"
    if value.shape != space.shape or value.dtype != space.dtype:
        return f"{list(value.shape)} {value.dtype}, expected {space.shape} {space.dtype}"
    return f"{brief(value)} is outside the bounds of {space}"


def _layout_fault(infos: dict[str, Any], rows: int, where: str) -> str | None:
    for key, value in infos.items():
        if key.startswith("_"):
            if key[1:] not in infos:
                return f"{where} has the mask {key!r}, but no {key[1:]!r}"
            if getattr(value, "dtype", None) != np.bool_ or value.shape != (rows,):
                return f"{where}[{key!r}] is {brief(value)}, expected a bool array [{rows}]"
            continue
        if f"_{key}" not in infos:
            return f"{where} has {key!r}, but no mask {'_' + key!r}"
        if isinstance(value, dict):
            if fault := _layout_fault(value, rows, f"{where}[{key!r}]"):
                return fault
        elif not isinstance(value, np.ndarray) or value.shape[:1] != (rows,):
            return f"{where}[{key!r}] is {brief(value)}, expected an array of {rows} rows"
    return None


# names are what reports show and what `ignore` takes
QUESTIONS: dict[str, Question] = {
    "spaces": _spaces,
    "autoreset mode": _autoreset_mode,
    "returns": _returns,
    "observations in space": _observations_in_space,
    "rewards": _rewards,
    "flags": _flags,
    "infos layout": _infos_layout,
    "same seed, same game": _reproducible,
    "a seed a row": _a_seed_a_row,
    "seeds go with rows": _seeds_go_with_rows,
    "no seed goes on": _no_seed_goes_on,
    "row order": _row_order,
    "batch size": _batch_size,
    "step that resets": _reset_step,
    "final observation": _final_observation,
    "ended rows refused": _stays_ended,
    "modes agree": _modes_agree,
    "partial reset": _partial_reset,
    "bad masks refused": _bad_masks,
    "arrays stay": _arrays_stay,
    "arrays not read": _arrays_are_not_read,
    "actions untouched": _actions_untouched,
    "closes": _closes,
}
STRUCTURE = 3
