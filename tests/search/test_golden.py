"""Replays mctx's four golden trees: identical visits, values within 1e-5.

The trees come as JSON files inside mctx's wheel, which is never imported (it needs JAX). The model
here is the record itself: a state is the index of a recorded node, and a step looks the child up.
"""

import importlib.util
import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

import rollout.search as search

NAMES = (
    "muzero_tree",
    "muzero_qtransform_tree",
    "gumbel_muzero_tree",
    "gumbel_muzero_reward_tree",
)


def load(name):
    spec = importlib.util.find_spec("mctx")
    if spec is None or spec.origin is None:
        pytest.skip("needs mctx's wheel for its golden trees: pip install --no-deps mctx")
    folder = Path(spec.origin).parent / "_src" / "tests" / "test_data"
    return json.loads((folder / f"{name}.json").read_text())


class Record:
    """A recorded tree as a model."""

    def __init__(self, golden):
        self.nodes = {}
        self.discount = golden["env_config"]["discount"]
        open_nodes = [golden["tree"]]
        while open_nodes:
            node = open_nodes.pop()
            self.nodes[node["evaluation_index"]] = node
            open_nodes += [child for child in node["child_stats"] if "visit" in child]
        self.actions = len(golden["tree"]["child_stats"])

    def logits(self, index):
        prior = np.array([child["prior"] for child in self.nodes[index]["child_stats"]])
        return np.log(np.maximum(prior, 1e-38)).astype(np.float32)

    def root(self, rows):
        return search.Root(
            torch.from_numpy(np.stack([self.logits(0)] * rows)),
            torch.full((rows,), self.nodes[0]["raw_value_view"]),
            torch.zeros(rows, dtype=torch.int64),
        )

    def recurrent(self, action, state):
        children = []
        for node, chosen in zip(state.tolist(), action.tolist(), strict=True):
            child = self.nodes[node]["child_stats"][chosen]
            assert "visit" in child, f"diverged: node {node} never took action {chosen}"
            children.append(child)
        index = [child["evaluation_index"] for child in children]
        return search.RecurrentOutput(
            torch.tensor([child["reward"] for child in children]),
            torch.full((len(index),), float(self.discount)),
            torch.from_numpy(np.stack([self.logits(i) for i in index])),
            torch.tensor([child["raw_value_view"] for child in children]),
        ), torch.tensor(index)


@pytest.mark.parametrize("name", NAMES)
def test_golden_tree(name):
    golden = load(name)
    record = Record(golden)
    config = dict(golden["algorithm_config"])
    qtransform = partial(
        getattr(search, config.pop("qtransform")), **config.pop("qtransform_kwargs", {})
    )
    policy = getattr(search, golden["algorithm"] + "_policy")
    rows = 2
    output = policy(
        record.root(rows),
        record.recurrent,
        golden["tree"]["visit"] - 1,
        qtransform=qtransform,
        seed=5,
        **config,
    )
    tree = output.search_tree
    visits, values = tree.node_visits.numpy(), tree.node_values.numpy()
    for index, node in record.nodes.items():
        assert (visits[:, index] == node["visit"]).all()
        np.testing.assert_allclose(values[:, index], node["value_view"], rtol=0, atol=1e-5)
