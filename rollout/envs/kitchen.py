"""The kitchen from Python: layouts by name or text, scripted cooks, and names for numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rollout import _native
from rollout.envs.vector_env import VectorEnv

ACTIONS = ("north", "south", "east", "west", "stay", "interact")
EVENTS: tuple[str, ...] = _native.KITCHEN_EVENTS
BOTS: tuple[str, ...] = _native.KITCHEN_BOTS

_LAYOUTS = files("rollout.envs") / "layouts"
_SUFFIX = ".layout"


@dataclass(frozen=True, slots=True)
class Layout:
    """One kitchen's fixed facts.

    name:         the shipped layout's name, "" for a text of one's own.
    text:         what it was parsed from.
    grid:         one string a row, starts cleared: ' ' floor, X counter, O onions, T tomatoes,
                  D dishes, P pot, S serving.
    starts:       (x, y) of each player's start; y grows down.
    orders:       recipes on order, as words of o and t, onions first; bonus_orders: those of them
                  that pay the bonus factor.
    values:       what serving a recipe pays, 0 where it is not ordered; by recipe.
    cook_times:   steps until a recipe is ready; by recipe.
    """

    name: str
    text: str
    grid: tuple[str, ...]
    starts: tuple[tuple[int, int], ...]
    orders: tuple[str, ...]
    bonus_orders: tuple[str, ...]
    values: Mapping[str, float]
    cook_times: Mapping[str, int]

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by name or text: read-only mappings do not pickle."""
        return load_layout, (self.name or self.text,)

    @property
    def width(self) -> int:
        """Cells a row."""
        return len(self.grid[0])

    @property
    def height(self) -> int:
        """Rows."""
        return len(self.grid)

    @property
    def num_players(self) -> int:
        """Players that the grid has starts for."""
        return len(self.starts)


def list_layouts() -> list[str]:
    """Return the names of the layouts that come with the package."""
    names = (path.name for path in _LAYOUTS.iterdir())
    return sorted(name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX))


def load_layout(name_or_text: str) -> Layout:
    """Parse a layout: one that comes with the package, or a text (anything with a line break).

    The format is that of the files in `rollout/envs/layouts`: `key: value` lines, a blank line, and
    the grid. Nothing in it is ever run. Raises ValueError for an unknown name (naming the nearest)
    or a bad layout (naming the line, the rule and the next move).
    """
    if not isinstance(name_or_text, str):
        raise TypeError(
            f"layout: expected a name or a layout's text, got {type(name_or_text).__name__}; "
            "rollout.envs.kitchen.list_layouts() has the names"
        )
    name = "" if "\n" in name_or_text else name_or_text
    text = _read(name) if name else name_or_text
    facts = _native.kitchen_layout(text)
    return Layout(
        name=name,
        text=text,
        grid=facts["grid"],
        starts=facts["starts"],
        orders=facts["orders"],
        bonus_orders=facts["bonus_orders"],
        values=MappingProxyType(facts["values"]),
        cook_times=MappingProxyType(facts["cook_times"]),
    )


def _read(name: str) -> str:
    known = list_layouts()
    if name in known:
        return (_LAYOUTS / (name + _SUFFIX)).read_text(encoding="utf-8")
    near = get_close_matches(name, known, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known)}"
    raise ValueError(f"layout: no layout is called {name!r}; {hint}")


class KitchenVectorEnv(VectorEnv):
    """Rows of Kitchen-v0: cooks share a small kitchen, fill pots, plate soups and serve them.

    layout:        a name from `list_layouts()`, or a layout's text.
    horizon:       steps an episode; the last 40 are announced in the last plane.
    dynamics:      "old" (a pot with three ingredients starts by itself) or "new" (an empty-handed
                   interact starts a pot).
    partner:       None: every player is controlled. "cook", "onions", "random" or "stay": the
                   other of two players is scripted, and acts inside the step. "mixed": one of
                   these four, drawn anew each episode; nothing in the observation tells which.
    partner_noise: chance that the partner does any of the six actions instead.
    ego:           which of the two starts is yours when there is a partner.
    observation:   "lossless" or "features", float32, 48 numbers a player (docs/envs/kitchen.md).
    interactions:  whether infos say who did what to which thing, for an
                   `rollout.envs.interactions.InteractionLog`; costs nothing without.

    Without a partner: actions int64 [n, P], observations uint8 [n, P, W, H, 26], one view a player.
    With one: actions int64 [n], observations uint8 [n, W, H, 26], the ego's view. An action is an
    index into ACTIONS; an observation is the game's lossless encoding, [x][y][plane], or its
    features, float32 [n, P, 48 P] or [n, 48 P].

    The reward is the team's. infos have "sparse_reward" and "shaped_reward", float32 [n, P], and
    "events", uint8 [n, P, 26] (E = EVENTS), by player, or the ego first where there is a partner.
    With interactions also "interaction_verb" (0 for none, then as interactions.VERBS),
    "interaction_cell" (x * H + y) and "interaction_item", float32 [n, P].

    `get_attr("state")` gives each row as a dict (timestep, players, objects), and
    `set_attr("state", dicts)` takes them back, changed at will within the rules.
    """

    def __init__(self, id: str, num_envs: int, *, layout: str = "cramped_room", **kwargs: Any):
        self.layout = load_layout(layout)
        super().__init__(id, num_envs, layout=layout, **kwargs)

    @classmethod
    def native_kwargs(cls, kwargs: dict[str, Any]) -> dict[str, Any]:
        """Put the layout's text in the place of its name."""
        return {**kwargs, "layout": load_layout(kwargs["layout"]).text}

    def bot_actions(
        self, kind: str, player: int, noise: float = 0.0, seed: int = 0
    ) -> NDArray[np.int64]:
        """Return what a scripted cook would do now as `player` in each row; changes nothing.

        kind:   one of BOTS. player: index of the player, by the layout's starts.
        noise:  chance of any of the six actions instead.
        seed:   row i draws from seed + i; with the seed of the last reset this is what a partner of
                this kind does in the coming step.
        """
        if player not in range(self.layout.num_players):
            raise ValueError(
                f"player: expected 0..{self.layout.num_players - 1}, got {player!r}; "
                "players are numbered by the starts of the layout"
            )
        if not 0.0 <= noise <= 1.0:
            raise ValueError(f"noise: expected a probability in [0, 1], got {noise!r}")
        return _native.kitchen_bot_actions(self._ready(), kind, player, float(noise), seed)
