from collections.abc import Sequence
from typing import Any, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

def compiler() -> str:
    """Return the compiler that built the module, and the C++ standard: "g++ 12.2.0, C++20"."""

def hardware_threads() -> int:
    """Return how many processors this process may use."""

def simd_level() -> str:
    """Return the vector instructions in use: 'baseline', 'avx2' or 'avx512'."""

def set_simd_level(level: str) -> None:
    """Choose the vector instructions for the whole process; results are the same for each.

    Raises ValueError for a level that this processor lacks.
    """

def philox4x32(counter: Sequence[int], key: Sequence[int]) -> list[int]:
    """Return one block of Philox4x32-10: 4 words from a counter of 4 and a key of 2, all uint32."""

def philox_doubles(
    seed: int, episode: int, step: int, site: int, count: int
) -> NDArray[np.float64]:
    """Return the first `count` uniform numbers in [0, 1) of one site's stream."""

def philox_below(
    seed: int, episode: int, step: int, site: int, n: int, count: int
) -> NDArray[np.uint64]:
    """Return the first `count` uniform integers in [0, n) of one site's stream."""

def philox_uniform(
    out: NDArray[np.float32],
    rows: NDArray[np.int64],
    times: NDArray[np.int64],
    site: int,
    seed: int,
) -> None:
    """Write the uniform numbers in (0, 1) of rows [R] at times [T], out [R, T, n] contiguous.

    Those of `rollout.models.noise.CounterNoise`, whose ids, times and sites are 32-bit words.
    """

def numpy_words(seed: int, count: int) -> NDArray[np.uint64]:
    """Return the first `count` raw words of NumPy's PCG64(SeedSequence(seed)), made natively."""

def sin_cos(
    angles: NDArray[np.float64], small: bool = ...
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the sine and the cosine of each angle in radians, as the environments compute them.

    small: by the kernel for angles within a quarter, which asks the C library beyond.
    """

def pow_two(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the C library's pow(x, 2) of each number, as the environments compute it."""

def pow_two_floats(numbers: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the C library's powf(x, 2) of each number, as the environments compute it."""

def draw_shapes(
    size: int,
    scene: tuple[int, int],
    ground: Sequence[int],
    shapes: Sequence[tuple[str, Sequence[int], Sequence[int]]],
) -> NDArray[np.uint8]:
    """Return a picture, RGB [size, size, 3], drawn as the environments draw theirs.

    scene:  its width and height in units; it is fitted into the picture.
    ground: what everything is painted with first. Colours are (red, green, blue, alpha).
    shapes: (kind, colour, numbers in units): tile (x, y, width, height), box (x, y, width, height,
            round), disc (x, y, radius), ring (x, y, radius, width), line (x, y, x, y, width),
            polygon (x, y, ...: convex, at most 8 corners).
    Raises ValueError for a shape that is none of these.
    """

def draw_turn(radians: float) -> tuple[float, float]:
    """Return sine and cosine as pictures take them: to 1e-6, the same bits on every machine."""

class ThreadPool:
    """A persistent pool of `num_threads` threads, the caller included, as the engine uses it."""

    def __init__(self, num_threads: int) -> None:
        """Make a pool; its threads start with the first loop that needs them."""

    def add_one(
        self, counts: NDArray[np.int64], grain: int, fail_at: int = ..., started: bool = ...
    ) -> None:
        """Add 1 to each count in chunks of `grain` over the pool.

        started: the loop is left to the workers first, and then joined. Raises RuntimeError from
        the row `fail_at`; the pool stays usable.
        """

class _ObsField(TypedDict):
    """One array of an observation; bounds hold one value for all elements, or one each."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    low: list[float]
    high: list[float]
    nvec: list[int]

class _EnvFacts(TypedDict):
    """What `EnvBatch.describe` tells."""

    obs_fields: list[_ObsField]
    obs_is_single: bool
    frame_stack: int
    action_nvec: list[int]
    action_is_scalar: bool
    action_low: list[float]
    action_high: list[float]
    max_episode_steps: int
    event_names: tuple[str, ...]
    event_rows: int
    signal_names: tuple[str, ...]
    signal_widths: tuple[int, ...]
    num_players: int
    has_action_mask: bool
    has_to_play: bool
    has_pictures: bool
    has_playouts: bool
    keywords: list[dict[str, str]]
    row_bytes: int

# observations (an array, or a dict or a tuple of them), action mask, whose turn it is
_View = tuple[Any, NDArray[np.int8] | None, NDArray[np.int64] | None]

_Outputs = tuple[
    Any,
    NDArray[np.float64],
    NDArray[np.bool_],
    NDArray[np.bool_],
    NDArray[np.uint8] | None,
    NDArray[np.float32] | None,
    NDArray[np.bool_] | None,
    NDArray[np.int8] | None,
    NDArray[np.int64] | None,
    _View | None,
]

class _LayoutFacts(TypedDict):
    """Rows of terrain symbols, (x, y) starts, recipes as words of o and t, and facts by recipe."""

    grid: tuple[str, ...]
    starts: tuple[tuple[int, int], ...]
    orders: tuple[str, ...]
    bonus_orders: tuple[str, ...]
    values: dict[str, float]
    cook_times: dict[str, int]

GRID_MISSIONS: dict[str, tuple[str, ...]]  # by id
KITCHEN_EVENTS: tuple[str, ...]
KITCHEN_VERBS: tuple[str, ...]  # [0] is "", nothing done
KITCHEN_BOTS: tuple[str, ...]

def game2048_afterstates(
    env: EnvBatch, rows: NDArray[np.uint8], actions: NDArray[np.int64]
) -> tuple[NDArray[np.uint8], NDArray[np.float64], NDArray[np.float64]]:
    """Slide worlds; the afterstates, the rewards [R] and the chance of each outcome [R, 32]."""

def game2048_resolve(
    env: EnvBatch, rows: NDArray[np.uint8], outcomes: NDArray[np.int64]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Give afterstates their tiles; the worlds and whether they are over [R]."""

def kitchen_layout(text: str) -> _LayoutFacts:
    """Parse a kitchen's layout. Raises ValueError naming the line, the rule and the next move."""

def kitchen_bot_actions(
    env: EnvBatch, kind: str, player: int, noise: float, seed: int
) -> NDArray[np.int64]:
    """Return what a scripted cook would do now as `player`, int64 [rows]; changes nothing.

    Row i draws from seed + i, and with its own seed as the coming step's partner would.
    Raises ValueError for an unknown kind, TypeError if `env` holds no kitchens.
    """

def tabular_transitions(
    env: EnvBatch,
) -> tuple[
    NDArray[np.int64],
    NDArray[np.float64],
    NDArray[np.float64],
    NDArray[np.bool_],
    NDArray[np.float64],
]:
    """Return the table of an environment as arrays.

    next_state, prob, reward, terminated: [S, A, K]; start: [S]. What rollout.envs.Transitions has.
    Raises TypeError if the environment is not written as a table.
    """

def environments() -> dict[str, str]:
    """Return the native environments: id -> one line of what it is."""

def force_threads(chunk: int) -> None:
    """Give every loop to the threads, in chunks of so many rows; 0: what measures faster.

    For tests: results are the same either way.
    """

def register_plugin(address: int) -> str:
    """Register the environment that the `rollout_env` at an address describes; return its id.

    What it points to must stay there. An id that a plug-in had before is given to this one. Raises
    ValueError that names the environment for a description that does not hold together, for another
    version of the interface, and for the id of an environment of rollout.
    """

class EnvError(RuntimeError):
    """A plug-in's function failed; all rows are as they were before the call."""

    row: int  # the row that failed; one of them, where several did
    function: str  # "reset", "step", "observe", "legal_actions" or "to_play"
    code: int  # what it returned
    key: tuple[int, int, int]  # (seed, episode, step), while resetting or stepping
    state: bytes  # the row's, as the function was given it

class EnvBatch:
    """Rows of one environment, stepped over a thread pool.

    Trusts its callers in row numbers and in blobs: `rollout.envs.VectorEnv` checks them.
    """

    def __init__(
        self,
        id: str,
        num_envs: int,
        num_threads: int,
        mode: int,
        table: list[dict[str, Any]],
        rows: NDArray[np.uint16],
        redraw_params: bool,
        observe: bool,
        events: bool,
        copy: bool,
        picture_size: int,
        frame_stack: int,
        reward_scale: float,
    ) -> None:
        """Make the rows of environment `id`, none of them reset yet.

        mode: 0 next step, 1 same step, 2 disabled. table: the environment's keywords, one dict for
        each of its Params; rows: which of them row i has. picture_size: 0, or observations are
        pictures of that many pixels a side. The rest is as on `VectorEnv`.
        Raises ValueError or TypeError for keywords that the environment does not take, and for
        Params under which its spaces differ.
        """

    def describe(self) -> _EnvFacts:
        """Return shapes, bounds, names and sizes."""

    def reset(
        self,
        seeds: NDArray[np.uint64] | None,
        seeded: NDArray[np.bool_] | None,
        mask: NDArray[np.bool_] | None,
        params: NDArray[np.uint16] | None,
        entropy: int,
    ) -> _View:
        """Reset the rows in `mask`; return what is to be seen of every row.

        Row i takes seeds[i] where `seeded`; one that never had a seed takes entropy + i. A row that
        is reset takes params[i].
        """

    def step(self, actions: ArrayLike) -> _Outputs:
        """Step every row once.

        Returns obs, reward, terminated, truncated, then events, signals, stepped, action_mask,
        to_play and the last views of ended episodes, or None. Raises TypeError or ValueError for
        the first bad or illegal action, and then no row was stepped; ResetNeeded for a row that was
        never reset, or has ended under mode 2.
        """

    def step_into(self, actions: ArrayLike, buffers: StepArrays) -> None:
        """Step every row once, into arrays that were made for this batch. Raises as step."""

    def send(self, actions: ArrayLike, rows: NDArray[np.int64] | None) -> None:
        """Step rows in the background, once each; None: all.

        Raises as step, and AlreadyPendingCallError for a row in flight; then none was sent.
        """

    def recv(self, most: int) -> tuple[NDArray[np.int64], _Outputs, bool]:
        """Wait for the first min(most, in_flight()) rows that are done.

        Returns which, in ascending order; the arrays of a step; and whether these are of just these
        rows: otherwise row i of them is at i, until it is sent again. Raises NoAsyncCallError if
        nothing is in flight.
        """

    def in_flight(self) -> int:
        """Return how many rows were sent and not received."""

    def threaded(self) -> bool:
        """Return whether the last step used the threads."""

    def loop(self, tape: list[Any]) -> float:
        """Step every row through a tape of legal actions in one call; return all rewards' sum.

        By one thread, with nothing of Python in the loop: the floor that benches compare with. What
        is legal is not checked, so actions must be.
        """

    def read(self, index: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return a copy of rows, [len(index), row_bytes]."""

    def write(self, rows: NDArray[np.uint8], index: NDArray[np.int64]) -> None:
        """Overwrite row index[k] by rows[k]."""

    def step_rows(
        self, rows: NDArray[np.uint8], actions: ArrayLike
    ) -> tuple[NDArray[np.uint8], _Outputs]:
        """Step rows that are not in the batch; return them after the step, and its outputs."""

    def follow(
        self,
        rows: NDArray[np.uint8],
        start: NDArray[np.int64],
        actions: ArrayLike,
        horizon: int,
        events: bool,
    ) -> tuple[
        NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32], NDArray[np.uint8] | None
    ]:
        """Take sequences of actions from rows that are not in the batch; change none of them.

        start: [R], the row that each sequence begins in. actions: [H * R] as `step` takes them,
        time first. Returns the worlds at the end [R, row_bytes], rewards [H, R], whether the world
        had not ended by its rules after each step [H, R], and event counts [H, R, ...] uint8.
        Raises as `step` does, and for a sequence with an action that is against the rules.
        """

    def look(self, rows: NDArray[np.uint8] | None) -> _View:
        """Return what is to be seen of the batch, or of rows that are not in it."""

    def pictures(self, rows: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
        """Return pictures of rows that are not in the batch, [R, size, size, 3]."""

    def playouts(
        self, rows: NDArray[np.uint8], times: int, seed: int, max_steps: int
    ) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
        """Play episodes on by random actions; their returns [R, times, P] and steps [R, times]."""

    def get_state(self, row: int) -> dict[str, Any]:
        """Return a row's state in readable form."""

    def set_state(self, row: int, state: dict[str, Any]) -> None:
        """Set a row's state from one like `get_state`'s. Raises ValueError if it is not."""

    def params(self) -> NDArray[np.uint16]:
        """Return which Params every row has."""

    def seeds(self) -> NDArray[np.uint64]:
        """Return the seed of every row."""

    def require_begun(self) -> None:
        """Raise gymnasium's ResetNeeded unless every row has an episode.

        And AlreadyPendingCallError while rows are in flight.
        """

    @property
    def num_threads(self) -> int:
        """How many threads step the rows."""

class Leaves:
    """The leaves of a search over an environment's own worlds. L leaves, A actions, P players.

    Trusts its callers: `rollout.search.alphazero` checks what it passes on.
    """

    def __init__(self, env: EnvBatch, most: int, discount: float, players: int) -> None:
        """Make the arrays for up to `most` leaves. players: 1, or everyone's rewards are told."""

    def arrays(
        self,
    ) -> tuple[
        Any,
        NDArray[np.float32],
        NDArray[np.float32],
        NDArray[np.bool_],
        NDArray[np.bool_] | None,
        NDArray[np.int64] | None,
    ]:
        """Return the arrays that every step writes, their first L rows.

        Observations; reward [most], of who has moved, or [most, P]; discount [most], 0 where a game
        has ended by its rules; done [most]; invalid actions [most, A], or None; and whose turn it
        is [most], or None.
        """

    def step(self, actions: Tensor, worlds: Tensor) -> None:
        """Step worlds where they lie.

        actions: [L] int64. worlds: [L, row_bytes] uint8, contiguous, in memory aligned to 16 bytes.
        Raises ValueError for an action that is against the rules; then no world was stepped.
        """

def uct(
    env: EnvBatch,
    rows: NDArray[np.uint8],
    seed: int | NDArray[np.uint64],
    simulations: int,
    c: float,
    playouts: int,
    playout_steps: int,
    sampled: bool,
    evaluate: int,
    forbidden: NDArray[np.int8] | None,
    seconds: float | None,
) -> tuple[
    NDArray[np.int64],
    NDArray[np.int32],
    NDArray[np.float32],
    NDArray[np.float32],
    NDArray[np.int32],
]:
    """Search from worlds by UCT, in native threads, without the GIL.

    rows: [B, row_bytes], checked by whoever calls. seed: one for all, row r drawing from (seed, r),
    or [B]. sampled: chance falls anew in every simulation. evaluate: the address of a C function
    void (const obs *, int32_t to_play, double *returns), or 0 for `playouts` random games of at
    most playout_steps. forbidden: [B, A], at the roots. seconds: from now; None: no deadline.
    Returns action [B], visits [B, A], mean returns [B, A] of who moves, their mean [B], and
    simulations [B]. Raises ValueError where `evaluate` gave what is not finite, EnvError where the
    environment fails.
    """

class SimultaneousSearch:
    """A batch of searches where players move at once. B rows, P players, A actions each.

    Trusts its callers in shapes: `rollout.search.simultaneous` checks them.
    """

    def __init__(
        self,
        seed: int | NDArray[np.uint64],
        *,
        batch: int,
        players: int,
        actions: int,
        simulations: int,
        max_depth: int,
        regret_matching: bool,
        c: float,
        exploration: float,
        temperature: float,
        num_threads: int,
    ) -> None:
        """Allocate the trees of B rows.

        seed: one for all, row r drawing from (seed, r), or [B]. num_threads: 0 for all processors.
        """

    def begin(
        self,
        prior_logits: NDArray[np.float32],
        value: NDArray[np.float32],
        invalid: NDArray[np.bool_] | None,
    ) -> None:
        """Take the roots and choose the first leaves.

        prior_logits: [B, P, A]. value: [B, P]. invalid: [B, P, A]. Raises ValueError for the first
        row that is not finite, or that allows a player no action.
        """

    def advance(
        self,
        reward: NDArray[np.float32],
        discount: NDArray[np.float32],
        prior_logits: NDArray[np.float32],
        value: NDArray[np.float32],
        invalid: NDArray[np.bool_] | None,
        done: NDArray[np.bool_] | None,
    ) -> bool:
        """Back up the evaluated leaves and choose the next; return whether there are any.

        reward, value: [B, P]. discount, done: [B]. The rest, and what is raised, are as in `begin`.
        """

    def leaves(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return the arrays that every step writes.

        Actions [B, P], the places of the states to step from, and of those to store [B], in arenas
        [N * B, ...].
        """

    def act(
        self,
    ) -> tuple[
        NDArray[np.int64],
        NDArray[np.float32],
        NDArray[np.int32],
        NDArray[np.float32],
        NDArray[np.float32],
    ]:
        """Return what was found of the roots.

        Actions [B, P], strategies, visits and mean returns [B, P, A], and values [B, P].
        """

class StepArrays:
    """The arrays of one step, for `EnvBatch.step_into` to fill again and again."""

    def __init__(self, batch: EnvBatch, given: dict[str, NDArray[Any]]) -> None:
        """Make them for `batch`, or take the caller's.

        given: by name, such as "reward", "obs['board']" or "final_obs"; the others are made.
        Raises TypeError or ValueError for one that does not fit or that a step does not have.
        """

    def arrays(self) -> _Outputs:
        """Return them, in the order that `EnvBatch.step` does."""

class SearchQTransform:
    """How a search scales Q-values; `rollout.search.QTransform` makes it."""

    def __init__(
        self,
        kind: str,
        *,
        epsilon: float = ...,
        min_value: float = ...,
        max_value: float = ...,
        value_scale: float = ...,
        maxvisit_init: float = ...,
        rescale_values: bool = ...,
        use_mixed_value: bool = ...,
        range: int = ...,
        unvisited: int = ...,
        number: float = ...,
    ) -> None:
        """kind: by_parent_and_siblings, by_min_max, completed_by_mix_value or scaled.

        range: siblings, tree, fixed or none. unvisited: least, parent, mean, reduced or number.
        """

class SearchPuct:
    """The settings of MuZero's search."""

    def __init__(
        self,
        qtransform: SearchQTransform,
        *,
        pb_c_init: float,
        pb_c_base: float,
        dirichlet_fraction: float,
        dirichlet_alpha: float,
        dirichlet_legal: bool = False,
        temperature: float,
        lower_bound: bool = False,
        deviations: float = 2.0,
    ) -> None:
        """See `rollout.search.muzero_policy`."""

class SearchGumbel:
    """The settings of Gumbel MuZero's search."""

    def __init__(
        self,
        qtransform: SearchQTransform,
        *,
        max_num_considered_actions: int,
        gumbel_scale: float,
    ) -> None:
        """See `rollout.search.gumbel_muzero_policy`."""

    @property
    def gumbel_scale(self) -> float:
        """Of the noise."""

    def set_noise(self, noise: NDArray[np.float32]) -> None:
        """Give the noise of a search, [B, A] and scaled, in place of what it would draw."""

class SearchRegularised:
    """The settings of a search by the regularised policy."""

    def __init__(self, puct: SearchPuct, *, way: int) -> None:
        """way: 0 selects by PUCT, 1 the action whose visits lag most, 2 draws one."""

class SearchSelection:
    """A C function that scores a node's actions; see csrc/include/rollout/selection.h."""

    def __init__(self, address: int, params: list[float], owner: object) -> None:
        """address: of the function, trusted. params: its numbers. owner: keeps its code alive."""

class SearchCustom:
    """The settings of a search with selection rules of the user's."""

    def __init__(
        self, puct: SearchPuct, *, root: SearchSelection | None, below: SearchSelection | None
    ) -> None:
        """Say what selects at the root and what below it; None for PUCT."""

class SearchOpenLoop:
    """The settings of a search over sequences of actions."""

    def __init__(self, puct: SearchPuct) -> None:
        """See `rollout.search.open_loop_policy`."""

class SearchSubtrees:
    """What a search takes over from an earlier one: a subtree a row, or nothing."""

    @property
    def nodes(self) -> int:
        """Most nodes of a row, the root included; 1 where all start afresh."""

    @property
    def height(self) -> int:
        """Edges from a root to the deepest node."""

    def slots(self) -> NDArray[np.int64]:
        """Where the kept nodes were in the earlier trees, [B, nodes]; -1 past a row's last."""

class Search:
    """A batch of tree searches, driven from outside. B rows, A actions, N nodes.

    Trusts its callers in all but what a model returns: `rollout.search` checks the rest.
    """

    def __init__(
        self,
        rule: SearchPuct | SearchGumbel | SearchRegularised | SearchCustom | SearchOpenLoop,
        seed: int | NDArray[np.uint64],
        *,
        batch: int,
        actions: int,
        simulations: int,
        max_depth: int,
        num_threads: int,
        wave: int = 1,
        players: int = 1,
        signs: bool = False,
        zero_discount_ends: bool = False,
        early_stop: bool = False,
        budgets: list[int] = [],
        outcomes: int = 0,
        disagreement_bonus: float = 0.0,
        disagreement_penalty: float = 0.0,
        subtrees: SearchSubtrees | None = None,
        halves: bool = False,
    ) -> None:
        """Allocate the trees of B rows.

        seed: one for all, row r drawing from (seed, r), or [B], row r drawing from seed[r] alone.
        max_depth: edges from the root to the deepest leaf. num_threads: 0 for all processors.
        wave: leaves of a row that are out at once. players: P, whose values are told apart.
        signs: discounts change sign where the mover changes. zero_discount_ends: descents stop at
        a discount of 0. early_stop: rows stop where their action can change no more. budgets: [B]
        simulations of each row, [] for the same of all. outcomes: C, the most of a node that awaits
        an outcome of chance, 0 where none does. disagreement_bonus: what selection adds to Q for a
        unit of doubt. disagreement_penalty: what a reward loses for a unit of spread. subtrees:
        what `inherit` will be given. halves: rows are searched in two parts, of which the first has
        half of them, rounded up; the lanes of each are counted from 0. A single row, and all
        without it, is part 0.
        """

    def subtrees(
        self,
        actions: NDArray[np.int64],
        *,
        nodes: int,
        depth: int,
        invalid: NDArray[np.bool_] | None,
    ) -> SearchSubtrees:
        """Find the subtrees that a later search may begin from.

        actions: [B, D], the actions taken from each root since; at -2 a row stays where it is, and
        it starts afresh where one is another negative number or was never visited, or where nothing
        comes after them. nodes: kept of a row at
        most, the most visited. depth: edges from the root to the deepest. invalid: [B, A], actions
        that are not allowed at the new root.
        """

    def inherit(self, earlier: Search, subtrees: SearchSubtrees) -> None:
        """Begin from subtrees of an earlier search; called before `begin`, with its `subtrees`."""

    def recall(self) -> None:
        """Take back the leaves that are out, as if they had not been given: the search is done."""

    def begin(
        self,
        prior_logits: Tensor,
        value: Tensor,
        invalid: Tensor | None,
        states: tuple[Tensor, ...],
        action: Tensor,
        batches: tuple[Tensor, ...],
        to_play: Tensor | None = None,
    ) -> list[int]:
        """Take the roots, choose the first leaves, and return how many there are of each part.

        prior_logits: [B, A] float32. value: [B] float32, or [B, P]. invalid: [B, A] bool.
        to_play: [B] int64. states: the roots' states in host memory, tensors [B, ...]; they are
        copied. action: [B * wave] int64, and batches: tensors [B * wave, ...] like the states, both
        contiguous. Every step of a part overwrites its rows with what the model must evaluate next.
        """

    def advance(
        self,
        part: int,
        reward: Tensor,
        discount: Tensor,
        prior_logits: Tensor,
        value: Tensor,
        states: tuple[Tensor, ...],
        invalid: Tensor | None = None,
        done: Tensor | None = None,
        to_play: Tensor | None = None,
        chance: Tensor | None = None,
        forbidden: Tensor | None = None,
        spread: Tensor | None = None,
    ) -> int:
        """Back up the L evaluated leaves of a part, choose the next, and return how many there are.

        reward, discount, value: [L] float32, reward and value [L, P] of P players. prior_logits:
        [L, F] float32, F = max(A, C). states: tensors [L, ...] like the roots'. invalid: [L, F]
        bool. done: [L] bool. to_play: [L] int64. chance: [L] bool, where the new state awaits an
        outcome. forbidden: [L] bool, or float32: how far a step is over its limit. spread: [L]
        float32, how far off a step may be. Raises ValueError naming the head and the row of what is
        wrong.
        """

    def start(
        self,
        part: int,
        reward: Tensor,
        discount: Tensor,
        prior_logits: Tensor,
        value: Tensor,
        states: tuple[Tensor, ...],
        invalid: Tensor | None = None,
        done: Tensor | None = None,
        to_play: Tensor | None = None,
        chance: Tensor | None = None,
        forbidden: Tensor | None = None,
        spread: Tensor | None = None,
    ) -> None:
        """Let other threads do what `advance` does; nothing else is called before `finish`."""

    def finish(self) -> int:
        """Wait until they have; return and raise what `advance` does."""

    @property
    def first_lanes(self) -> list[int]:
        """Where each part's lanes begin in what `begin` was given to write to."""

    def feasible(self) -> NDArray[np.bool_]:
        """Whether each row has an action left at its root, [B]."""

    def closings(
        self, row: int
    ) -> list[tuple[list[int], list[int], int, float, float, int, float, bool]]:
        """Return the edges of a row that were closed, in order of time.

        Of each: the actions from the root, the slots of the nodes they were taken in, the slot of
        its end, how far it is over its limit (0 where all after it was closed), the return of the
        path, the visits it had, its logit, and whether it is an outcome of chance.
        """

    def arena(self, kind: int) -> NDArray[np.uint8]:
        """Return the states of one kind by node slot, [N, B, bytes]: a view, garbage if unused."""

    def leaves(self, part: int, action: Tensor, parent: Tensor, slot: Tensor) -> None:
        """Write each leaf's action, where its parent's state is, and where its new state goes.

        All int64, of a part's lanes. parent, slot: indices into arenas flattened to [N * B, ...].
        """

    def lane_rows(self) -> NDArray[np.int64]:
        """The row of each leaf that is out, [L]."""

    def path_steps(self, starts: Tensor, noise: Tensor) -> None:
        """Write what the next step of each lane of an open-loop search begins with.

        starts: [L] bool, true where it is a simulation's first, from the root's state. noise:
        [L, K] float32, uniform in [0, 1). Both may be longer.
        """

    def act(self, action: Tensor, weights: Tensor) -> None:
        """Write the action to take, [B] int64, and the policy target, [B, A] float32."""

    def field(self, name: str, row: int | None = None) -> NDArray[Any]:
        """Return one of mctx's tree arrays, or chance_nodes: [B, N] or [B, N, F].

        Of one row [1, N] or [1, N, F]. Raises IndexError for a row that is not there.
        """

    def summary(self) -> tuple[NDArray[np.float32], ...]:
        """Return the roots' visits [B, A], values [B], Q [B, A], raw and mixed values [B]."""

    def noise(self) -> NDArray[np.float32] | None:
        """Return the Gumbel noise of the roots, [B, A], or None for a search without."""

    def principal_path(
        self, first: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int32]]:
        """Return the most visited path that starts with first [B]: [B, D], -1 after its end.

        And the reward of each of its steps, [B, D], 0 after its end, and the slot of the node that
        it leads to, [B, D], -1 after its end.
        """

    @property
    def mean_depth(self) -> float:
        """Mean edges from the root to a leaf."""

    @property
    def tree_bytes(self) -> int:
        """Memory of the trees in bytes, without model states."""

    @property
    def simulation(self) -> int:
        """Simulations done."""

def search_gumbel_noise(
    seed: int | NDArray[np.uint64], batch: int, actions: int
) -> NDArray[np.float32]:
    """Return the standard Gumbel noise that a search over these actions draws, [B, A].

    seed: as for `Search`.
    """

def considered_visits(considered: int, simulations: int) -> list[int]:
    """Return the visit count that sequential halving considers at each simulation."""

def trajectory_fill_normal(
    pool: ThreadPool,
    population: NDArray[np.float32],
    seeds: NDArray[np.uint64],
    rows: NDArray[np.uint32],
    iteration: int,
    mean: NDArray[np.float32],
    std: NDArray[np.float32],
    low: NDArray[np.float32],
    high: NDArray[np.float32],
    basis: NDArray[np.float32] | None,
) -> None:
    """Draw candidates of numbers: mean + std * noise, clamped to [low, high], in place.

    population: [H, B, C, D]. seeds, rows: [B], the key of each problem's noise. mean, std:
    [B, H, D]. low, high: [D]. basis: [H, M], which makes M white numbers into noise over time;
    None: white.
    Raises ValueError for shapes that do not fit.
    """

def trajectory_fill_choices(
    pool: ThreadPool,
    population: NDArray[np.float32],
    seeds: NDArray[np.uint64],
    rows: NDArray[np.uint32],
    iteration: int,
    chances: NDArray[np.float32],
) -> None:
    """Draw candidates of choices, as whole floats, in place; see `trajectory_fill_normal`.

    chances: [B, H, D, A], at least 0 and not all 0; a choice of chance 0 is never made.
    """

def trajectory_elites(pool: ThreadPool, scores: NDArray[np.float32], n: int) -> NDArray[np.int64]:
    """Return each problem's n best candidates, [B, n], best first, ties by the lower number.

    scores: [B, C], without a NaN. Raises ValueError unless 1 <= n <= C.
    """

def trajectory_soft_weights(
    pool: ThreadPool, scores: NDArray[np.float32], temperature: float
) -> NDArray[np.float32]:
    """Return softmax(scores / temperature) of each problem, [B, C].

    scores: [B, C], without a NaN; minus infinity weighs 0, and where all are that, so do all.
    What is below e^-64 of the best weighs 0 too.
    """

def trajectory_moments(
    pool: ThreadPool,
    population: NDArray[np.float32],
    weights: NDArray[np.float32],
    deviation: bool = True,
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Return the mean and the deviation of a population, each [B, H, D].

    population: [H, B, C, D]. weights: [B, C], summing to 1 in each problem. deviation: whether it
    is wanted; else None.
    """

def trajectory_dot(
    pool: ThreadPool, population: NDArray[np.float32], coefficients: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the sum over a candidate's numbers of coefficient times number, [B, C].

    population: [H, B, C, D]. coefficients: [B, H, D].
    """

def trajectory_returns(
    pool: ThreadPool,
    reward: NDArray[np.float32],
    cont: NDArray[np.float32] | None,
    discounts: NDArray[np.float32],
    tail: NDArray[np.float32] | None,
) -> NDArray[np.float32]:
    """Return the discounted sum of each sequence's rewards and its tail, [n].

    reward: [H, n]. cont: [H, n], the probability of each step to go on; None for 1. Each reward is
    weighted by the product of those before it. discounts: [H + 1]. tail: [n], what comes after the
    horizon, not read where a world is over; None for 0.
    """

def trajectory_frequencies(
    pool: ThreadPool,
    population: NDArray[np.float32],
    weights: NDArray[np.float32],
    actions: int,
) -> NDArray[np.float32]:
    """Return the weight of each choice, [B, H, D, A].

    population: [H, B, C, D], whole numbers in [0, A). weights: [B, C].
    """
