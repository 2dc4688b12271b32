"""Rows searched in two halves that take turns: the same trees to the bit, and what happens when."""

import gc
import threading
from functools import partial

import pytest
import torch
from search_twin import TableModel
from test_alphazero import midgame, network
from test_chance import Dice
from test_closing import Forbidding
from test_disagreement import Unsure
from test_joint import CLIMBING, Matrix
from test_search_reuse import assert_same, moved
from test_selection import SIGNATURE
from test_stochastic import CASES, TwoTables

import rollout.search as search
from rollout.planning import AlphaZero
from rollout.search import device, drive

ROWS, ACTIONS, SIMULATIONS = 11, 6, 40
POLICIES = [
    search.muzero_policy,
    search.gumbel_muzero_policy,
    search.regularised_muzero_policy,
    partial(search.regularised_muzero_policy, select="sampled"),
]
BUDGETS = torch.tensor([9, 30, 30, 4, 30, 17, 2, 30, 1, 21, 5])


def check(run, state=True):
    """Run with halves and without, on many threads, and compare all there is; return the former."""
    ours, theirs = run(overlap=True, num_threads=3), run(num_threads=1)
    assert len(ours.search_tree.native.first_lanes) == min(2, ours.search_tree.batch_size)
    assert len(theirs.search_tree.native.first_lanes) == 1
    assert_same(ours, theirs)
    for row in range(ours.search_tree.batch_size):
        assert ours.search_tree.closed(row) == theirs.search_tree.closed(row)
    assert torch.equal(ours.feasible, theirs.feasible)
    assert ours.search_tree.mean_depth == theirs.search_tree.mean_depth
    for mine, other in zip(ours.search_tree.summary(), theirs.search_tree.summary(), strict=True):
        assert torch.equal(mine, other)
    if state:
        assert torch.equal(ours.search_tree.embeddings, theirs.search_tree.embeddings)
    return ours


class Ends(TableModel):
    """Some states are ends, some of their actions are not allowed, and turns come in any order."""

    def __init__(self, actions, turns):
        super().__init__(actions)
        self.turns = turns

    def root(self, rows, first=0):
        root = super().root(rows, first)
        return root._replace(to_play=root.embedding % 2) if self.turns else root

    def recurrent(self, action, state):
        output, state = super().recurrent(action, state)
        invalid = (state[:, None] + torch.arange(self.actions)) % 3 == 0
        output = output._replace(invalid_actions=invalid, done=output.discount == 0)
        return output._replace(to_play=state % 2) if self.turns else output, state


class Players(TableModel):
    """Three players' values."""

    def root(self, rows, first=0):
        root = super().root(rows, first)
        return root._replace(value=self.each(root.embedding), to_play=root.embedding % 3)

    def each(self, state):
        return torch.stack([self.value[state], self.value[state - 1], self.reward[state - 2]], 1)

    def recurrent(self, action, state):
        output, state = super().recurrent(action, state)
        return output._replace(
            reward=self.each(state - 1), value=self.each(state), to_play=state % 3
        ), state


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("wave", [1, 3])
@pytest.mark.parametrize("rows", [1, 2, ROWS])
@pytest.mark.parametrize("actions", [ACTIONS, 41])
def test_the_same_trees(policy, wave, rows, actions):
    model = TableModel(actions)
    check(partial(policy, model.root(rows), model.recurrent, SIMULATIONS, wave=wave, seed=3))


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("wave", [1, 3])
@pytest.mark.parametrize("early_stop", [False, True])
def test_rows_that_are_done_at_different_times(policy, wave, early_stop):
    model = TableModel(ACTIONS)
    mask = torch.rand(ROWS, ACTIONS, generator=torch.Generator().manual_seed(0)) < 0.5
    mask[:, 0] = False
    mask[:3, 1:] = True
    for budgets in (BUDGETS, BUDGETS.flip(0), SIMULATIONS):
        check(
            partial(
                policy, model.root(ROWS), model.recurrent, budgets, wave=wave, invalid_actions=mask,
                early_stop=early_stop, seed=torch.arange(ROWS), zero_discount_ends=True,
            )
        )  # fmt: skip


@pytest.mark.parametrize("policy", POLICIES[:3])
@pytest.mark.parametrize("model", [Ends(6, False), Ends(6, True), Players(6)])
def test_what_a_model_may_say(policy, model):
    check(partial(policy, model.root(ROWS), model.recurrent, SIMULATIONS, max_depth=7))


@pytest.mark.parametrize("policy", POLICIES[:3])
@pytest.mark.parametrize("wave", [1, 3])
@pytest.mark.parametrize("early_stop", [False, True])
def test_steps_that_are_forbidden(policy, wave, early_stop):
    for share in (0.3, 0.9):
        model = Forbidding(4, share)
        output = check(
            partial(
                policy, model.root(ROWS), model.recurrent, SIMULATIONS, wave=wave,
                early_stop=early_stop,
            )
        )  # fmt: skip
    assert not output.feasible.all()


@pytest.mark.parametrize("policy", POLICIES[:3])
def test_chance_and_disagreement(policy):
    dice, unsure = Dice(4, 9), Unsure(5, 0.2)
    check(partial(policy, dice.root(ROWS), dice.recurrent, SIMULATIONS, num_outcomes=9))
    check(
        partial(
            policy, unsure.root(ROWS), unsure.recurrent, SIMULATIONS, disagreement_bonus=0.4,
            disagreement_penalty=0.3,
        )
    )  # fmt: skip


@pytest.mark.parametrize("policy", POLICIES[:3])
@pytest.mark.parametrize("wave", [1, 3])
def test_trees_go_on_from_either_kind(policy, wave):
    model = TableModel(ACTIONS)
    root = model.root(ROWS)
    first = check(partial(policy, root, model.recurrent, SIMULATIONS))
    action = first.action.clone()
    action[4] = -1
    after = moved(model, root, action)
    run = partial(policy, after, model.recurrent, SIMULATIONS, wave=wave, max_nodes=60)
    check(partial(run, tree=first.search_tree, tree_action=action))
    plain = policy(root, model.recurrent, SIMULATIONS)
    ours = run(tree=plain.search_tree, tree_action=action, overlap=True, num_threads=2)
    assert_same(ours, run(tree=first.search_tree, tree_action=action))


def test_other_searches():
    model = TableModel(60)
    check(partial(search.muzero_policy, model.root(ROWS), model.recurrent, 30, top_k=8), False)
    sampler = search.CategoricalSampler(5)
    run = partial(search.sampled_muzero_policy, model.root(ROWS), model.recurrent, 30)
    check(partial(run, sampler=sampler), False)
    two = TwoTables(CASES[0])
    root = two.root(torch.arange(ROWS) * 101 + 3)
    check(partial(search.stochastic_muzero_policy, root, two.decide, two.resolve, 50), False)
    game = Matrix(CLIMBING, 2)
    run = partial(search.joint_gumbel_muzero_policy, game.root(5), game.step, 60)
    ours, theirs = run(overlap=True, num_threads=2), run(num_threads=1)
    assert torch.equal(ours.action, theirs.action)
    assert torch.equal(ours.action_weights, theirs.action_weights)


@pytest.mark.parametrize("rule", ["puct", "gumbel"])
@pytest.mark.parametrize("wave", [1, 2])
def test_worlds_are_stepped_into_arrays_of_each_half(rule, wave):
    env = midgame("ConnectFour-v0", 7, 9, num_threads=1)
    evaluate = network((2, 6, 7), 7)
    settings = {"rule": rule, "wave": wave, "early_stop": True, "num_simulations": 30}
    ours = AlphaZero(env, evaluate, overlap=True, num_threads=2, **settings).plan(seed=4)
    theirs = AlphaZero(env, evaluate, num_threads=1, **settings).plan(seed=4)
    assert torch.equal(ours.action_weights, theirs.action_weights)
    for name in ("node_values", "children_index", "children_rewards"):
        assert torch.equal(getattr(ours.search_tree, name), getattr(theirs.search_tree, name))


class Watched:
    """A model that notes the rows of each call."""

    def __init__(self, actions=ACTIONS):
        self.model, self.rows = TableModel(actions), []

    def recurrent(self, action, state):
        self.rows.append(state.tolist())
        return self.model.recurrent(action, state)


def test_halves_take_turns_and_one_thread_has_none():
    model = Watched()
    search.muzero_policy(model.model.root(5), model.recurrent, 4, overlap=True, num_threads=2)
    assert [len(rows) for rows in model.rows] == [3, 2] * 4
    assert [*model.rows[0], *model.rows[1]] == model.model.root(5).embedding.tolist()
    model.rows.clear()
    budgets = torch.tensor([1, 4, 1, 2, 1])
    search.muzero_policy(model.model.root(5), model.recurrent, budgets, overlap=True, num_threads=2)
    assert [len(rows) for rows in model.rows] == [3, 2, 1, 1, 1, 1]
    model.rows.clear()
    search.muzero_policy(model.model.root(5), model.recurrent, 4, overlap=True, num_threads=1)
    assert [len(rows) for rows in model.rows] == [5] * 4


def test_the_tree_is_worked_on_while_the_model_is_called():
    model, choosing, chose, calls = TableModel(ACTIONS), threading.Condition(), [], []

    def uniform(node, prior, logits, q, visits, params, scores):
        with choosing:
            chose.append(threading.get_ident())
            choosing.notify()

    def waits(action, state):
        with choosing:  # until the other half's two roots have chosen
            due = min(4 + 2 * len(calls), 4 * 20)
            calls.append(due)
            assert choosing.wait_for(lambda: len(chose) >= due, 60)
        return model.recurrent(action, state)

    rule = search.selection_rule(SIGNATURE(uniform))
    search.muzero_policy(model.root(4), waits, 20, root_selection=rule, overlap=True, num_threads=2)
    assert len(chose) == 4 * 20
    assert len(calls) == 2 * 20
    assert set(chose[:4]) == {threading.get_ident()}
    assert threading.get_ident() not in chose[4:]


@pytest.mark.parametrize("rows", [600, 5000])
@pytest.mark.parametrize("wave", [1, 2])
def test_many_rows_are_shared_among_threads(rows, wave):
    model = TableModel(ACTIONS)
    run = partial(search.muzero_policy, model.root(rows), model.recurrent, 20, wave=wave, seed=1)
    plain = run(num_threads=1)
    for threads in (2, 5):
        assert_same(run(overlap=True, num_threads=threads), plain)


def test_searches_at_once_and_inside_one_another():
    model, roots = TableModel(ACTIONS), [TableModel(ACTIONS).root(8, 50 * i) for i in range(4)]

    def searches(action, state):
        root = search.Root(model.logits[state], model.value[state], state)
        inner = search.muzero_policy(
            root, model.recurrent, 3, seed=state, overlap=True, num_threads=2
        )
        output, state = model.recurrent(action, state)
        return output._replace(value=inner.value), state

    plain = [search.muzero_policy(root, searches, 10, num_threads=1) for root in roots]
    found = [None] * len(roots)

    def work(i):
        found[i] = search.muzero_policy(roots[i], searches, 10, overlap=True, num_threads=2)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(roots))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for ours, theirs in zip(found, plain, strict=True):
        assert_same(ours, theirs)


@pytest.mark.parametrize("call", range(1, 9))
def test_a_model_that_fails_leaves_nothing_behind(call):
    model, left = TableModel(ACTIONS), [call]

    def fails(action, state):
        left[0] -= 1
        if left[0] == 0:
            raise RuntimeError("no more")
        return model.recurrent(action, state)

    with pytest.raises(RuntimeError, match="no more"):
        search.muzero_policy(model.root(40), fails, 50, overlap=True, num_threads=2)
    gc.collect()
    check(partial(search.muzero_policy, model.root(ROWS), model.recurrent, SIMULATIONS))


@pytest.mark.parametrize("row", [1, 4])
@pytest.mark.parametrize("count", [1, 2, 7])
def test_what_is_wrong_is_said_as_without(row, count):
    model = TableModel(ACTIONS)

    def breaks(action, state):
        number, depth, mine = state.unbind(1)
        output, number = model.recurrent(action, number)
        bad = (mine == row) & (depth + 1 >= count)
        reward = torch.where(bad, torch.nan, output.reward)
        return output._replace(reward=reward), torch.stack([number, depth + 1, mine], 1)

    root, zero = model.root(5), torch.zeros(5, dtype=torch.int64)
    root = root._replace(embedding=torch.stack([root.embedding, zero, torch.arange(5)], 1))
    found = []
    for settings in ({"overlap": True, "num_threads": 2}, {"num_threads": 1}):
        with pytest.raises(ValueError, match=f"reward: row {row} is not finite") as error:
            search.muzero_policy(root, breaks, 30, **settings)
        found.append(str(error.value))
    assert found[0] == found[1]
    with pytest.raises(ValueError, match=r"value: expected float32 \[B=3\], got"):
        search.muzero_policy(
            model.root(5),
            lambda a, s: (model.recurrent(a, s)[0]._replace(value=torch.zeros(5)), s),
            4,
            overlap=True,
            num_threads=2,
        )


@pytest.mark.parametrize("wave", [1, 3])
@pytest.mark.parametrize("calls", [1, 2, 3, 8])
def test_time_that_is_up_takes_back_what_is_out(wave, calls, monkeypatch):
    model, left = TableModel(ACTIONS), [calls]

    class Clock:
        def __init__(self, stop_at):
            self.begun = False

        def more(self):
            left[0] -= self.begun
            self.begun = True
            return left[0] > 0

    monkeypatch.setattr(drive, "Clock", Clock)
    run = partial(search.muzero_policy, model.root(5), model.recurrent, wave=wave, seed=2)
    ours = run(50, deadline_ms=1e6, overlap=True, num_threads=2)
    done = torch.tensor([(calls + 1) // 2] * 3 + [calls // 2] * 2)
    assert torch.equal(ours.search_tree.summary().visit_counts.sum(1), done.float() * wave)
    for row, times in enumerate(done.tolist()):
        if times == 0:
            continue
        theirs = run(times * wave)
        visits = theirs.search_tree.children_visits[row]
        assert torch.equal(ours.search_tree.children_visits[row, : len(visits)], visits)
    assert torch.equal(ours.search_tree.children_visits.sum(2)[:, 0], done * wave)


@pytest.fixture
def as_on_a_device(monkeypatch):
    monkeypatch.setattr(drive, "_drive_host", partial(drive._drive_device, edges=ACTIONS))


@pytest.mark.parametrize("policy", POLICIES[:2])
@pytest.mark.parametrize("wave", [1, 3])
@pytest.mark.parametrize("captured", [False, True])
def test_on_a_device(policy, wave, captured, as_on_a_device):
    model = Ends(ACTIONS, True)
    step = search.capture_recurrent(model.recurrent) if captured else model.recurrent
    for budgets in (BUDGETS, SIMULATIONS):
        settings = {"wave": wave, "seed": torch.arange(ROWS)}
        run = partial(policy, model.root(ROWS), step, budgets, **settings)
        ours, theirs = run(overlap=True), run()
        assert_same(ours, theirs)
        reached = ours.search_tree.node_visits > 0
        states = ours.search_tree.embeddings[reached]
        assert torch.equal(states, theirs.search_tree.embeddings[reached])
        after = moved(model, model.root(ROWS), ours.action)
        more = {"tree": ours.search_tree, "tree_action": ours.action}
        run = partial(policy, after, step, 20, **settings, **more)
        assert_same(run(overlap=True), run())


def test_a_device_has_one_half_to_do_before_the_other_is_waited_for(as_on_a_device, monkeypatch):
    happened = []
    for name in ("launch", "wait"):
        plain = getattr(device.Workspace, name)

        def noted(self, part, *args, name=name, plain=plain):
            happened.append((name, part))
            return plain(self, part, *args)

        monkeypatch.setattr(device.Workspace, name, noted)
    model = TableModel(ACTIONS)
    search.muzero_policy(model.root(4), model.recurrent, 3, overlap=True)
    turn = [("wait", 0), ("launch", 0), ("wait", 1), ("launch", 1)]
    start, end = [("launch", 0), ("launch", 1)], [("wait", 0), ("wait", 1)]
    assert happened == [*start, *turn, *turn, *end]
    happened.clear()
    search.muzero_policy(model.root(4), model.recurrent, 3)
    assert happened == [("launch", 0), ("wait", 0)] * 3


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("policy", POLICIES[:2])
@pytest.mark.parametrize("wave", [1, 3])
@pytest.mark.parametrize("captured", [False, True])
def test_on_cuda(policy, wave, captured):
    model, host = TableModel(ACTIONS).to("cuda"), TableModel(ACTIONS)

    def tells(action, state):
        output, state = model.recurrent(action, state)
        return output._replace(done=output.discount == 0), state

    step = search.capture_recurrent(tells) if captured else tells
    for budgets in (BUDGETS, SIMULATIONS):
        settings = {"wave": wave, "seed": torch.arange(ROWS), "zero_discount_ends": True}
        ours = policy(model.root(ROWS), step, budgets, overlap=True, **settings)
        theirs = policy(host.root(ROWS), host.recurrent, budgets, **settings)
        for name in ("node_visits", "node_values", "children_index", "children_visits"):
            assert torch.equal(getattr(ours.search_tree, name), getattr(theirs.search_tree, name))
