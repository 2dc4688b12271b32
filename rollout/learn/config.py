"""Everything that decides a training run, and the presets that ship.

A config is data: frozen, checked when made, written as JSON beside the run. Two runs with equal
configs on the same machine are equal bit for bit (one time-limited run excepted).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class TrainConfig(BaseModel):
    """How a world model is learned from play: the world, the play, the learning, the end.

    One *iteration* steps every environment row once, then makes `updates_per_iteration` updates.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    env: str
    """Environment id, as `rollout.make_vec` takes it."""
    env_options: dict[str, Any] = {}
    """Further arguments of `rollout.make_vec`."""
    goal: str = ""
    """Weights on events, as "soup_delivery=20, collision=-1": their weighted count is the reward
    that is learned and searched for. Empty: the environment's own reward."""
    seed: int = Field(0, ge=0)
    """Decides everything that is random in the run."""
    threads: int = Field(2, ge=1)
    """Threads of torch, the environment and the search. Another count may round otherwise in
    torch, so a run keeps its own. Small networks run fastest on one."""
    model: dict[str, Any] = {}
    """Sizes of the model, as `rollout.models.ValueEquivalentConfig` names them."""
    discount: float = Field(0.997, gt=0, lt=1)
    """What a reward is worth one step later."""

    num_envs: int = Field(16, ge=1)
    """Environment rows that are stepped together."""
    planner: Literal["gumbel", "muzero"] = "gumbel"
    """Which search plays and improves the policy."""
    simulations: int = Field(16, ge=1)
    """Simulations of a search, in play and in reanalysis."""
    gumbel_scale: float = Field(1.0, ge=0)
    """Noise of the gumbel search in play: 1 samples from the improved policy, 0 is greedy."""
    temperature: float = Field(1.0, ge=0)
    """Temperature on the visit counts of the muzero search in play; 0 is greedy."""
    epsilon: float = Field(0.0, ge=0, le=1)
    """Chance that a row's action is uniformly random instead."""
    warmup_iterations: int = Field(0, ge=0)
    """Iterations of uniformly random play (or of bots, where there are some) before the first
    update; at least enough to fill one window."""

    bots: tuple[str, ...] = ()
    """Scripted bots that play some of the rows, dealt out in turn; the environment must have
    `bot_actions`. Empty: none."""
    bot_noise: tuple[float, float] = (0.1, 0.9)
    """Chance that a bot's action is uniformly random instead: in row 0 and in the last row, evenly
    spaced between. Heavy noise is what shows a model the consequences of bad actions."""
    bot_share: tuple[float, float] = (1.0, 0.0)
    """Share of the rows that bots play, at the start and from `bot_iterations` on; linear
    between."""
    bot_iterations: int = Field(0, ge=0)
    """Iterations over which the bots' share goes from its first value to its last."""

    capacity: int = Field(4096, ge=2)
    """Steps kept a row."""
    batch: int = Field(256, ge=1)
    """Windows in an update."""
    unroll: int = Field(5, ge=1)
    """Steps that the model is unrolled and compared over."""
    horizon: int = Field(10, ge=1)
    """Steps of a return before it bootstraps."""
    bootstrap: Literal["target", "search"] = "target"
    """What a return bootstraps from: the target network's value now, or the value that the search
    found when it played (or was last reanalysed)."""
    updates_per_iteration: float = Field(1.0, gt=0)
    """Updates after each iteration; below 1, one in so many iterations."""
    reanalyse: float = Field(0.0, ge=0, le=1)
    """Share of every batch whose policies (and stored values) a fresh search replaces, in the
    replay too. Play by bots teaches the policy head nothing better than the bots without it."""
    reanalyse_after: int = Field(0, ge=0)
    """Updates before the first reanalysis: a search through an untrained model is noise."""
    target_rate: float = Field(0.01, gt=0, le=1)
    """How far the target network moves towards the model after each update."""
    learning_rate: float = Field(1e-3, gt=0)
    """Adam's step size after its linear warm-up over `learning_warmup` updates."""
    learning_warmup: int = Field(100, ge=0)
    """Updates over which the step size rises to `learning_rate`."""
    learning_rate_end: float | None = Field(None, gt=0)
    """Step size at the planned end (`iterations`), reached along a cosine; None: constant."""
    weight_decay: float = Field(1e-4, ge=0)
    """Decoupled weight decay (AdamW)."""
    clip: float = Field(5.0, gt=0)
    """Largest norm of the gradient of all parameters together."""

    iterations: int = Field(20_000, ge=1)
    """Iterations of the whole run."""
    minutes: float | None = Field(None, gt=0)
    """Stop after so much time spent training, whichever is first. None: no limit."""
    eval_every: int = Field(0, ge=0)
    """Iterations between evaluations on fresh seeds; 0: none but the last."""
    eval_episodes: int = Field(20, ge=1)
    """Episodes of an evaluation, played side by side."""
    eval_simulations: int | None = Field(None, ge=1)
    """Simulations of an evaluation's searches; None: as in play."""
    stop_at: float | None = None
    """Stop when an evaluation's mean return is at least this. None: never."""
    report_every: int = Field(50, ge=1)
    """Iterations between reports of progress."""
    checkpoint_every: int = Field(0, ge=0)
    """Iterations between checkpoints; 0: only when the run ends."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.capacity <= self.unroll + 1:
            raise ValueError(
                f"capacity: expected more than unroll + 1 = {self.unroll + 1} steps a row, "
                f"got {self.capacity}"
            )
        if self.bots and self.bootstrap == "search":
            raise ValueError(
                'bootstrap: expected "target" where bots play, since no search values their '
                'states; got "search"'
            )
        for name in ("bot_noise", "bot_share"):
            if not all(0 <= x <= 1 for x in getattr(self, name)):
                raise ValueError(
                    f"{name}: expected two numbers in [0, 1], got {getattr(self, name)}"
                )
        return self

    def bot_rows(self, iteration: int) -> int:
        """Return how many rows the bots play in an iteration; rows 0.. are theirs."""
        if not self.bots:
            return 0
        first, last = self.bot_share
        way = min(1.0, iteration / self.bot_iterations) if self.bot_iterations else 1.0
        return round(self.num_envs * (first + (last - first) * way))

    def updates_due(self, iteration: int) -> int:
        """Return the updates to make after an iteration so that the rate holds on average."""
        return int((iteration + 1) * self.updates_per_iteration) - int(
            iteration * self.updates_per_iteration
        )


def cartpole(**changes: Any) -> TrainConfig:
    """CartPole from its own experience: random play first, then search, no help."""
    values: dict[str, Any] = {
        "env": "CartPole-v1",
        "threads": 1,
        "model": {
            "obs_scale": [0.4, 0.5, 5.0, 0.5],
            "latent": 64,
            "hidden": 64,
            "reward": None,
            "value": {"limit": 110.0, "bins": 51},
        },
        "discount": 0.99,
        "num_envs": 16,
        "simulations": 16,
        "capacity": 4096,
        "batch": 128,
        "unroll": 5,
        "horizon": 10,
        "warmup_iterations": 64,
        "learning_rate": 2e-3,
        "reanalyse": 0.0,
        "iterations": 20_000,
        "eval_every": 500,
        "eval_episodes": 20,
        "stop_at": 495.0,
    }
    return TrainConfig(**(values | changes))


def kitchen(**changes: Any) -> TrainConfig:
    """The kitchen beside one who fills the pots: noisy bots show how it works, then search plays.

    Short on purpose: the planner cooks well long before its policy head does (docs/learning.md).
    One thread, so that the shipped model can be made again in the same way.
    """
    values: dict[str, Any] = {
        "env": "Kitchen-v0",
        "env_options": {
            "layout": "cramped_room",
            "horizon": 400,
            "partner": "onions",
            "partner_noise": 0.2,
        },
        "threads": 1,
        "goal": "soup_delivery=20, soup_pickup=5, useful_dish_pickup=3, potting_onion=3",
        "discount": 0.98,
        "num_envs": 64,
        "simulations": 16,
        "bots": ("cook", "onions", "random"),
        "bot_noise": (0.1, 0.9),
        "bot_share": (1.0, 0.2),
        "bot_iterations": 2600,
        "epsilon": 0.05,
        "updates_per_iteration": 1.5,
        "capacity": 4000,
        "batch": 256,
        "unroll": 5,
        "horizon": 10,
        "warmup_iterations": 1600,
        "learning_rate": 1e-3,
        "learning_rate_end": 1e-4,
        "reanalyse": 0.08,
        "reanalyse_after": 200,
        "iterations": 2400,
        "eval_episodes": 64,
    }
    return TrainConfig(**(values | changes))


PRESETS: dict[str, Callable[..., TrainConfig]] = {"cartpole": cartpole, "kitchen": kitchen}
