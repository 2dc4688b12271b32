"""Model states: any pytree, any dtype, any layout, on the host or on a device."""

import subprocess
import sys
from functools import partial
from typing import NamedTuple

import numpy as np
import pytest
import torch
from search_twin import TableModel

import rollout.search as search
from rollout.search import drive

# more rows than the native search takes in one block
ROWS, ACTIONS, SIMULATIONS = 19, 4, 25


class State(NamedTuple):
    number: torch.Tensor
    extra: dict


def wrapped(model, build, read):
    """The model over states built by `build` from the number it keeps; `read` gets it back."""

    def recurrent(action, state):
        output, number = model.recurrent(action, read(state))
        return output, build(number)

    root = model.root(ROWS)
    return root._replace(embedding=build(root.embedding)), recurrent


def plain(policy):
    model = TableModel(ACTIONS)
    return policy(model.root(ROWS), model.recurrent, SIMULATIONS)


def same(ours, theirs):
    for name in ("children_index", "children_values", "node_values", "children_visits"):
        assert torch.equal(getattr(ours.search_tree, name), getattr(theirs.search_tree, name))
    assert torch.equal(ours.action, theirs.action)
    torch.testing.assert_close(ours.action_weights, theirs.action_weights)


BUILDERS = {
    "one tensor": (lambda n: n, lambda s: s),
    "a tuple": (lambda n: (n, n * 2), lambda s: s[1] // 2),
    "a dict": (lambda n: {"b": n.float(), "a": n > 5}, lambda s: s["b"].long()),
    "nested": (lambda n: State(n, {"x": [n.double(), n.half()]}), lambda s: s.extra["x"][0].long()),
    "wide": (lambda n: n[:, None, None].expand(-1, 3, 5), lambda s: s[:, 2, 4]),
    "transposed": (lambda n: n.repeat(3, 5, 1).permute(2, 1, 0), lambda s: s[:, 4, 0]),
    "strided rows": (lambda n: torch.stack((n, n + 1), 1)[:, 1], lambda s: s - 1),
    "nothing wide": (lambda n: (n, n.new_zeros(ROWS, 0)), lambda s: s[0]),
    "bytes": (
        lambda n: torch.stack((n % 256, n // 256), 1).byte(),
        lambda s: s[:, 0] + 256 * s[:, 1].long(),
    ),
}


@pytest.mark.parametrize("policy", [search.muzero_policy, search.gumbel_muzero_policy])
@pytest.mark.parametrize("name", BUILDERS)
def test_any_pytree(policy, name):
    root, recurrent = wrapped(TableModel(ACTIONS), *BUILDERS[name])
    same(policy(root, recurrent, SIMULATIONS), plain(policy))


def test_no_state_at_all():
    rows, zeros = 3, torch.zeros(3)

    def recurrent(action, state):
        assert state == ()
        return search.RecurrentOutput(zeros, zeros, torch.zeros(3, 2), zeros), ()

    output = search.muzero_policy(search.Root(torch.zeros(3, 2), zeros, ()), recurrent, 5)
    assert output.search_tree.embeddings == ()
    assert output.action.shape == (rows,)


def test_the_tree_keeps_every_nodes_state():
    model = TableModel(ACTIONS)
    root, recurrent = wrapped(model, *BUILDERS["nested"])
    tree = search.muzero_policy(root, recurrent, SIMULATIONS, max_depth=3).search_tree
    states = tree.embeddings
    assert isinstance(states, State)
    assert states.extra["x"][1].dtype == torch.float16
    assert states.number.shape == (ROWS, SIMULATIONS + 1)
    assert torch.equal(states.number[:, 0], root.embedding.number)
    for row in range(ROWS):
        for node in range(1, SIMULATIONS + 1):
            parent, action = tree.parents[row, node], tree.action_from_parent[row, node]
            if parent < 0:
                assert states.number[row, node] == 0
                continue
            _, expected = model.recurrent(action, states.number[row, parent])
            assert states.number[row, node] == expected
            assert states.extra["x"][0][row, node] == expected


@pytest.mark.parametrize("policy", [search.muzero_policy, search.gumbel_muzero_policy])
@pytest.mark.parametrize("shared", ["states", "heads"])
def test_outputs_may_be_views_of_the_inputs(policy, shared):
    """All rows read row 0 of the input here, so it must be read before it is overwritten."""
    table = TableModel(ACTIONS)

    def make(copy):
        def recurrent(action, state):
            output, number = table.recurrent(action, state[:, 0].long())
            state[:, 0], state[:, 1] = number, output.reward
            spread = state[:1].expand(ROWS, 2)
            if shared == "heads":
                reward = spread[:, 1].clone() if copy else spread[:, 1]
                return output._replace(reward=reward), state
            return output, spread.clone() if copy else spread

        root = table.root(ROWS)
        embedding = torch.stack((root.embedding.float(), root.value), 1)
        return root._replace(embedding=embedding), recurrent

    same(policy(*make(False), SIMULATIONS), policy(*make(True), SIMULATIONS))


def test_gradients_and_inference_tensors_do_not_get_in_the_way():
    model = TableModel(ACTIONS)
    root = model.root(ROWS)
    root = root._replace(
        prior_logits=root.prior_logits.requires_grad_(), value=root.value.requires_grad_()
    )
    output = search.gumbel_muzero_policy(root, model.recurrent, SIMULATIONS)
    same(output, plain(search.gumbel_muzero_policy))
    # the result is an ordinary tensor: usable as a target of training
    logits = torch.zeros(ROWS, ACTIONS, requires_grad=True)
    torch.nn.functional.cross_entropy(logits, output.action_weights).backward()
    assert logits.grad is not None
    with torch.inference_mode():
        same(search.gumbel_muzero_policy(model.root(ROWS), model.recurrent, SIMULATIONS), output)


@pytest.mark.parametrize("policy", [search.muzero_policy, search.gumbel_muzero_policy])
@pytest.mark.parametrize("name", ["one tensor", "nested"])
def test_the_device_path_gives_the_same(policy, name, monkeypatch):
    """The path for states on a device, run in host memory: indices go down, heads come up."""
    monkeypatch.setattr(drive, "_drive_host", partial(drive._drive_device, edges=ACTIONS))
    root, recurrent = wrapped(TableModel(ACTIONS), *BUILDERS[name])
    invalid = torch.zeros(ROWS, ACTIONS, dtype=torch.bool)
    invalid[:, 1] = True
    ours = policy(root, recurrent, SIMULATIONS, max_depth=4, invalid_actions=invalid)
    monkeypatch.undo()
    theirs = policy(root, recurrent, SIMULATIONS, max_depth=4, invalid_actions=invalid)
    same(ours, theirs)
    for a, b in zip(
        torch.utils._pytree.tree_leaves(ours.search_tree.embeddings),
        torch.utils._pytree.tree_leaves(theirs.search_tree.embeddings),
        strict=True,
    ):
        assert torch.equal(a, b)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("policy", [search.muzero_policy, search.gumbel_muzero_policy])
@pytest.mark.parametrize("name", ["one tensor", "nested"])
def test_a_model_on_a_gpu_gives_the_same(policy, name):
    model = TableModel(ACTIONS).to("cuda")
    root, recurrent = wrapped(model, *BUILDERS[name])
    output = policy(root, recurrent, SIMULATIONS, max_depth=4)
    assert output.action.is_cuda
    assert output.action_weights.is_cuda
    host_root, host_recurrent = wrapped(TableModel(ACTIONS), *BUILDERS[name])
    host = policy(host_root, host_recurrent, SIMULATIONS, max_depth=4)
    np.testing.assert_array_equal(output.action.cpu(), host.action)
    same(
        search.PolicyOutput(output.action.cpu(), output.action_weights.cpu(), output.search_tree),
        host,
    )
    for leaf in torch.utils._pytree.tree_leaves(output.search_tree.embeddings):
        assert leaf.is_cuda


def test_the_devices_of_a_root_must_agree():
    model = TableModel(ACTIONS)
    root = model.root(ROWS)._replace(embedding=torch.zeros(ROWS, device="meta"))
    with pytest.raises(ValueError, match=r"root: embedding: .* on cpu as prior_logits, .* on meta"):
        search.muzero_policy(root, model.recurrent, 3)


def test_an_older_torch_without_the_exchange_table():
    """Tensors are then read by their attributes; the result is the same."""
    program = """
import sys, torch
if hasattr(torch.Tensor, "__dlpack_c_exchange_api__"):
    del torch.Tensor.__dlpack_c_exchange_api__
sys.path.insert(0, sys.argv[1])
from search_twin import TableModel
import rollout.search as search
model = TableModel(4)
output = search.muzero_policy(model.root(19), model.recurrent, 25)
print(output.action_weights.tolist())
try:
    search.muzero_policy(model.root(19), lambda a, s: (model.recurrent(a, s)[0], s.int()), 3)
except ValueError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(__file__).rsplit("/", 1)[0]],
        capture_output=True,
        text=True,
        check=True,
    )
    weights, error = done.stdout.splitlines()
    assert weights == str(plain(search.muzero_policy).action_weights.tolist())
    assert error.startswith(
        "recurrent_fn: embedding: expected tensor 0 like the root's, int64 [19]"
    )
