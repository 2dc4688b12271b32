"""The path for states on a device, in host memory here: buckets, padding, buffers used again."""

import gc
from functools import partial

import pytest
import torch
from search_twin import TableModel

import rollout.search as search
from rollout.search import drive
from rollout.search.device import bucket

POLICIES = [search.muzero_policy, search.gumbel_muzero_policy]
ACTIONS = 4
FIELDS = ("node_visits", "node_values", "children_index", "children_visits", "children_rewards")


def same(ours, theirs):
    for name in FIELDS:
        assert torch.equal(getattr(ours.search_tree, name), getattr(theirs.search_tree, name)), name
    assert torch.equal(ours.action, theirs.action)
    assert torch.equal(ours.action_weights, theirs.action_weights)
    reached = ours.search_tree.node_visits > 0
    assert torch.equal(ours.search_tree.embeddings[reached], theirs.search_tree.embeddings[reached])


@pytest.fixture
def as_on_a_device(monkeypatch):
    monkeypatch.setattr(drive, "_drive_host", partial(drive._drive_device, edges=ACTIONS))


def test_buckets():
    assert [bucket(rows, 100) for rows in (1, 2, 3, 4, 5, 33, 64, 65, 100)] == [
        1, 2, 4, 4, 8, 64, 64, 100, 100,
    ]  # fmt: skip


class Recorded:
    """A model that notes how many rows it was given, and what."""

    def __init__(self):
        self.model, self.rows = TableModel(ACTIONS), []

    def recurrent(self, action, state):
        self.rows.append(len(action))
        assert ((action >= 0) & (action < ACTIONS)).all()
        assert ((state >= 0) & (state < TableModel.SIZE)).all()
        output, after = self.model.recurrent(action, state)
        return output._replace(done=output.discount == 0), after


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("wave", [1, 3])
def test_padding_rows_change_nothing(policy, wave, as_on_a_device, monkeypatch):
    model, plain = Recorded(), Recorded()
    budgets = torch.tensor([9, 30, 30, 4, 30, 17, 2, 30, 30, 21, 5])
    step = search.capture_recurrent(model.recurrent)
    root, settings = model.model.root(11), {"wave": wave, "seed": torch.arange(11)}
    ours = policy(root, step, budgets, **settings)
    theirs = policy(root, plain.recurrent, budgets, **settings)
    assert model.rows == [bucket(rows, 11 * wave) for rows in plain.rows]
    assert model.rows != plain.rows
    assert len(set(model.rows)) <= 5
    same(ours, theirs)
    monkeypatch.undo()
    same(ours, policy(root, plain.recurrent, budgets, **settings))
    assert step.not_captured == "capture: expected states on a CUDA device, got cpu"


@pytest.mark.parametrize("policy", POLICIES)
def test_buffers_are_used_again_once_a_tree_is_gone(policy, as_on_a_device):
    model = TableModel(ACTIONS)
    step = search.capture_recurrent(model.recurrent)
    first = policy(model.root(5), step, 20)
    states = first.search_tree.embeddings.clone()
    at = first.search_tree.latents.arenas[0].data_ptr()
    second = policy(model.root(5, first=50), step, 20)  # the first tree lives, so others are taken
    assert second.search_tree.latents.arenas[0].data_ptr() != at
    assert torch.equal(first.search_tree.embeddings, states)
    after = model.recurrent(first.action, model.root(5).embedding)
    root = search.Root(*after[0][2:4], after[1])
    ours = policy(root, step, 20, tree=first.search_tree, tree_action=first.action)
    theirs = policy(root, model.recurrent, 20, tree=first.search_tree, tree_action=first.action)
    same(ours, theirs)
    del first
    gc.collect()
    third = policy(model.root(5), step, 20)
    assert third.search_tree.latents.arenas[0].data_ptr() == at
    assert torch.equal(third.search_tree.embeddings, states)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("wave", [1, 3])
def test_a_recorded_step_gives_the_same(policy, wave):
    model, host = TableModel(ACTIONS).to("cuda"), TableModel(ACTIONS)
    step = search.capture_recurrent(model.recurrent)
    budgets = torch.tensor([9, 30, 30, 4, 30, 17, 2, 30, 30, 21, 5])
    for first in (0, 50):
        settings = {"wave": wave, "seed": torch.arange(11)}
        ours = policy(model.root(11, first), step, budgets, **settings)
        theirs = policy(host.root(11, first), host.recurrent, budgets, **settings)
        for name in FIELDS:
            assert torch.equal(getattr(ours.search_tree, name), getattr(theirs.search_tree, name))
        assert step.not_captured == ""


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_what_cannot_be_recorded_is_run_and_said():
    model, host = TableModel(ACTIONS).to("cuda"), TableModel(ACTIONS)

    def waits(action, state):
        assert action.max().item() < ACTIONS  # waits for the device, which a graph cannot
        return model.recurrent(action, state)

    step = search.capture_recurrent(waits)
    ours = search.muzero_policy(model.root(6), step, 20)
    theirs = search.muzero_policy(host.root(6), host.recurrent, 20)
    assert torch.equal(ours.search_tree.children_visits, theirs.search_tree.children_visits)
    assert "could not record" in step.not_captured
