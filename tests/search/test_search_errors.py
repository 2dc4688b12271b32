"""Bad input is a clear error that names the argument or the head, the rule and what arrived."""

from functools import partial

import pytest
import torch
from search_twin import TableModel

import rollout.search as search

B, A, S = 4, 3, 6


def run(policy=search.muzero_policy, root=None, recurrent=None, simulations=S, **settings):
    model = TableModel(A)
    return policy(root or model.root(B), recurrent or model.recurrent, simulations, **settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"simulations": 0}, "num_simulations: expected at least 1, got 0"),
        ({"max_depth": 0}, "max_depth: expected at least 1, or None, got 0"),
        ({"num_threads": 0}, "num_threads: expected at least 1, or None, got 0"),
        ({"temperature": -1.0}, "temperature: expected a finite number at least 0, got -1.0"),
        ({"dirichlet_fraction": 1.5}, r"dirichlet_fraction: .* in \[0, 1\], got 1.5"),
        ({"dirichlet_alpha": 0.0}, "dirichlet_alpha: expected"),
        ({"pb_c_base": 0.0}, "pb_c_base: expected"),
        ({"pb_c_init": float("nan")}, "pb_c_init: expected a finite number"),
        ({"seed": -1}, r"seed: expected an int in \[0, 2\*\*64\), got -1"),
        ({"seed": [1, 2]}, "seed: expected an int, or B=4 ints"),
        ({"seed": torch.rand(B)}, "seed: expected an int, or B=4 ints"),
        (
            {"invalid_actions": torch.zeros(B, A + 1)},
            r"invalid_actions: expected bool \[B=4, A=3\], got float32 \[4, 4\]",
        ),
        ({"invalid_actions": torch.full((B, A), 0.5)}, "invalid_actions: .* 0 or 1"),
        (
            {"invalid_actions": torch.tensor([[0, 0, 1], [1, 1, 1], [0, 0, 0], [1, 1, 1]])},
            "invalid_actions: row 1 allows no action",
        ),
    ],
)
def test_arguments(settings, message):
    with pytest.raises(ValueError, match=message):
        run(**settings)


def test_gumbel_arguments():
    with pytest.raises(ValueError, match="max_num_considered_actions: expected at least 1, got 0"):
        run(search.gumbel_muzero_policy, max_num_considered_actions=0)
    with pytest.raises(ValueError, match="gumbel_scale: expected a finite number at least 0"):
        run(search.gumbel_muzero_policy, gumbel_scale=-1.0)


def test_a_mask_that_is_no_tensor():
    with pytest.raises(TypeError, match=r"invalid_actions: expected a torch.Tensor, got list"):
        run(invalid_actions=[[0] * A] * B)


def test_qtransforms():
    with pytest.raises(TypeError, match=r"qtransform: expected one of rollout.search.qtransform"):
        run(qtransform="by_min_max")
    with pytest.raises(TypeError, match="qtransform: expected one of"):
        run(qtransform=lambda: 3)
    with pytest.raises(TypeError, match="min_value"):
        run(qtransform=search.qtransform_by_min_max)
    with pytest.raises(ValueError, match=r"max_value: expected more than min_value=1.0, got 1.0"):
        search.qtransform_by_min_max(min_value=1.0, max_value=1.0)
    with pytest.raises(ValueError, match="epsilon: expected a finite number, got nan"):
        search.qtransform_by_parent_and_siblings(epsilon=float("nan"))
    # a partial of mctx's spelling, an instance and the class itself are all taken
    for same in (
        partial(search.qtransform_completed_by_mix_value, value_scale=0.1),
        search.qtransform_completed_by_mix_value(),
        search.qtransform_completed_by_mix_value,
    ):
        run(search.gumbel_muzero_policy, qtransform=same)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prior_logits": torch.zeros(A)}, r"root: prior_logits: .* \[3\]; add the batch axis"),
        ({"prior_logits": torch.zeros(B, A).double()}, "root: prior_logits: .* float64"),
        ({"prior_logits": torch.zeros(0, A)}, "root: prior_logits: expected float32"),
        ({"value": torch.zeros(B, 1)}, r"root: value: expected float32 \[B=4\]"),
        ({"value": torch.zeros(B).half()}, "root: value: .* float16"),
        ({"embedding": torch.zeros(B - 1)}, r"root: embedding: .* leaf 0 is \[3\]"),
        ({"embedding": torch.zeros(())}, r"root: embedding: .* leaf 0 is \[\]"),
        ({"value": torch.tensor([0.0, 1.0, float("nan"), 2.0])}, "root: value: row 2 is not finit"),
        (
            {"prior_logits": torch.tensor([[0.0] * A, [float("inf")] * A] + [[0.0] * A] * 2)},
            "root: prior_logits: row 1 is not finite .*-1e9",
        ),
    ],
)
def test_roots(change, message):
    with pytest.raises(ValueError, match=message):
        run(root=TableModel(A).root(B)._replace(**change))


def test_a_root_embedding_that_is_no_tensor():
    root = TableModel(A).root(B)._replace(embedding={"x": torch.zeros(B), "y": [1.0]})
    with pytest.raises(TypeError, match=r"root: embedding: .* leaf 1 is a float"):
        run(root=root)


@pytest.mark.parametrize("head", ["reward", "discount", "prior_logits", "value"])
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("policy", [search.muzero_policy, search.gumbel_muzero_policy])
def test_a_head_that_is_not_finite(head, bad, policy):
    model, rows, calls = TableModel(10), 40, []

    def recurrent(action, state):
        calls.append(1)
        output, state = model.recurrent(action, state)
        if len(calls) == 4:
            broken = getattr(output, head).clone()
            broken[[21, 33]] = bad
            output = output._replace(**{head: broken})
        return output, state

    with pytest.raises(
        ValueError,
        match=rf"recurrent_fn: {head}: row 21 is not finite \(NaN or infinity\) at simulation 4",
    ):
        policy(model.root(rows), recurrent, 10, num_threads=2)
    assert len(calls) == 4


def replaced(**change):
    model = TableModel(A)

    def recurrent(action, state):
        output, state = model.recurrent(action, state)
        return output._replace(**change), state

    return recurrent


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reward": torch.zeros(B, 1)}, r"reward: expected float32 \[B=4\], got float32 \[4, 1\]"),
        ({"value": torch.zeros(B - 1)}, r"value: expected float32 \[B=4\], got float32 \[3\]"),
        (
            {"prior_logits": torch.zeros(B, A + 1)},
            r"prior_logits: expected float32 \[B=4, A=3\], got float32 \[4, 4\]",
        ),
        (
            {"discount": torch.ones(B).double()},
            r"discount: .* float64 \[4\]; convert it with .float",
        ),
    ],
)
def test_heads_of_a_wrong_shape_or_dtype(change, message):
    with pytest.raises(ValueError, match="recurrent_fn: " + message):
        run(recurrent=replaced(**change))


def test_a_head_that_is_no_tensor():
    with pytest.raises(TypeError, match=r"discount: expected a torch.Tensor, got float"):
        run(recurrent=replaced(discount=0.99))


def test_results_of_a_wrong_form():
    model = TableModel(A)
    expected = r"recurrent_fn: expected \(RecurrentOutput\(reward, .*\), embedding\), got "
    with pytest.raises(TypeError, match=expected + "RecurrentOutput of"):
        run(recurrent=lambda action, state: model.recurrent(action, state)[0])
    with pytest.raises(TypeError, match=expected + "NoneType"):
        run(recurrent=lambda action, state: None)
    with pytest.raises(TypeError, match=expected + "tuple of 2"):
        run(recurrent=lambda action, state: ((torch.zeros(B),), state))


def test_embeddings_that_change():
    model = TableModel(A)

    def recurrent(change):
        def call(action, state):
            output, state = model.recurrent(action, state)
            return output, change(state)

        return call

    with pytest.raises(
        ValueError, match=r"embedding: .* like the root's, int64 \[4\], got float32"
    ):
        run(recurrent=recurrent(lambda state: state.float()))
    with pytest.raises(ValueError, match=r"embedding: .*got int64 \[4, 1\]"):
        run(recurrent=recurrent(lambda state: state[:, None]))
    with pytest.raises(TypeError, match=r"embedding: expected a torch.Tensor, got tuple"):
        run(recurrent=recurrent(lambda state: (state,)))
    root = model.root(B)._replace(embedding={"x": torch.arange(B)})
    with pytest.raises(ValueError, match="embedding: expected the structure of the root's"):
        run(root=root, recurrent=lambda a, s: (model.recurrent(a, s["x"])[0], (s["x"],)))


def test_an_error_in_the_model_reaches_the_caller_and_spoils_nothing():
    model = TableModel(A)

    def broken(action, state):
        raise RuntimeError("the model broke")

    with pytest.raises(RuntimeError, match="the model broke"):
        run(recurrent=broken)
    good = run()
    torch.testing.assert_close(good.action_weights.sum(-1), torch.ones(B))
    assert good.action_weights.equal(run(recurrent=model.recurrent).action_weights)
