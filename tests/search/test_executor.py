import os
import stat

import pytest
import torch
from torch import nn

import rollout.search as search
from rollout.goals import Goal
from rollout.models import ValueEquivalent
from rollout.models.value_equivalent import ValueEquivalentConfig
from rollout.planning import TreeSearch
from rollout.search import packages

pytestmark = pytest.mark.skipif(
    packages.compiler() is None, reason="packages are made by a C++ compiler"
)


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory):
    """A cache of these tests' own: every package is compiled once, by the first that needs it."""
    before = os.environ.get("ROLLOUT_CACHE")
    os.environ["ROLLOUT_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["ROLLOUT_CACHE"]
    else:
        os.environ["ROLLOUT_CACHE"] = before


class Step(nn.Module):
    """A step on a state of two tensors, with a scalar buffer and a parameter of one number."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.linear, self.actions = nn.Linear(6, 6), nn.Embedding(3, 6)
        self.heads, self.value = nn.Linear(6, 4), nn.Linear(6, 1)
        self.register_buffer("discount", torch.tensor(0.9))

    def forward(self, action, state):
        latent, count = state["latent"], state["count"]
        latent = torch.tanh(self.linear(latent) + self.actions(action))
        heads = self.heads(latent)
        discount = self.discount * torch.ones_like(heads[:, 0])
        output = search.RecurrentOutput(
            heads[:, 3], discount, heads[:, :3], self.value(latent)[:, 0]
        )
        return output, {"latent": latent, "count": count + action}


def states(rows):
    generator = torch.Generator().manual_seed(rows)
    latent = torch.randn(rows, 6, generator=generator)
    return {"latent": latent, "count": torch.arange(rows)}


def assert_equal(compiled, eager):
    (ours, our_state), (theirs, their_state) = compiled, eager
    for name, a, b in zip(search.RecurrentOutput._fields, ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6, msg=name)
    torch.testing.assert_close(our_state, their_state, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rows", [1, 2, 7, 64])
def test_a_compiled_step_equals_the_step_for_any_number_of_rows(rows):
    module = Step()
    compiled = search.compile_recurrent(module)
    action = torch.arange(rows) % 3
    with torch.no_grad():
        assert_equal(compiled(action, states(rows)), module(action, states(rows)))


def test_training_in_place_shows_at_once_and_new_tensors_at_the_next_search():
    module = Step()
    compiled = search.compile_recurrent(module.forward)
    state, action = states(5), torch.tensor([0, 1, 2, 0, 1])
    step = compiled.bind(state)
    with torch.no_grad():
        for tensor in module.state_dict().values():
            tensor.mul_(1.5)
        assert_equal(step(action, state), module(action, state))
        for parameter in module.parameters():
            parameter.data = parameter.data * 0.5
        module.discount = torch.tensor(0.25)
        assert_equal(compiled(action, state), module(action, state))


def test_a_search_with_it_equals_one_without():
    module = Step()
    state = states(16)
    with torch.no_grad():
        output, _ = module(torch.zeros(16, dtype=torch.int64), state)
    root = search.Root(output.prior_logits, output.value, state)
    plain = search.gumbel_muzero_policy(root, module, 20)
    ours = search.gumbel_muzero_policy(root, search.compile_recurrent(module), 20)
    assert torch.equal(ours.action, plain.action)
    torch.testing.assert_close(ours.action_weights, plain.action_weights, rtol=1e-4, atol=1e-5)


def test_what_is_on_disk_is_loaded_and_not_compiled_again(monkeypatch):
    compiled = search.compile_recurrent(Step())
    compiled.bind(states(3))
    monkeypatch.setattr(packages, "compiler", lambda: None)
    search.compile_recurrent(Step()).bind(states(3))


def test_a_file_that_others_may_write_is_not_run(monkeypatch):
    search.compile_recurrent(Step()).bind(states(3))
    monkeypatch.setattr(packages, "compiler", lambda: None)
    files = list(packages.folder().glob("*.pt2"))
    for file in files:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        file.chmod(0o622)
    with pytest.raises(search.CannotCompileError, match="no C\\+\\+ compiler"):
        search.compile_recurrent(Step()).bind(states(3))
    for file in files:
        file.chmod(0o600)


def test_a_folder_that_others_may_write_is_refused(monkeypatch, tmp_path):
    tmp_path.chmod(0o777)
    monkeypatch.setenv("ROLLOUT_CACHE", str(tmp_path))
    with pytest.raises(search.CannotCompileError, match="others may write"):
        search.compile_recurrent(Step()).bind(states(3))


def test_a_step_of_a_fixed_number_of_rows_is_an_error():
    ones = torch.ones(4)

    def step(action, state):
        return search.RecurrentOutput(ones, ones, state * 2, state[:, 0] + ones), state + 1

    with pytest.raises(search.CannotCompileError, match="any number of rows"):
        search.compile_recurrent(step).bind(torch.zeros(4, 3))


def small_model():
    config = ValueEquivalentConfig(
        obs_shape=(5,), num_actions=4, events=("apple", "pear"), latent=16, hidden=16
    )
    return ValueEquivalent(config, seed=3)


def encoded(model, rows):
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        return model.observe(model.begin(rows), torch.randn(rows, 5, generator=generator))


def test_a_compiled_planner_plans_as_a_plain_one():
    model, goal = small_model(), [Goal({"apple": 1.0})] * 3 + [Goal({"pear": -1.0})]
    state = encoded(model, 4)
    plain = TreeSearch(model, num_simulations=12, goal=goal).plan(state)
    ours = TreeSearch(model, num_simulations=12, goal=goal, compile=True).plan(state)
    assert torch.equal(ours.action, plain.action)
    assert torch.equal(ours.visit_counts, plain.visit_counts)
    torch.testing.assert_close(ours.value, plain.value, rtol=1e-4, atol=1e-5)


def test_auto_plans_without_and_tells_why(monkeypatch):
    monkeypatch.setattr(packages, "_ours", lambda path: False)
    monkeypatch.setattr(packages, "compiler", lambda: None)
    model = small_model()
    state = encoded(model, 2)
    planner = TreeSearch(model, num_simulations=4, compile="auto")
    assert planner.not_compiled == ""
    planner.plan(state)
    assert "install g++" in planner.not_compiled
    with pytest.raises(search.CannotCompileError, match="install g"):
        TreeSearch(model, num_simulations=4, compile=True).plan(state)
