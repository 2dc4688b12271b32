import json
import re

import pytest
import torch
from search_twin import TableModel

import rollout.search as search


@pytest.fixture(scope="module")
def tree():
    model = TableModel(3)
    return search.muzero_policy(model.root(2), model.recurrent, 25).search_tree


def count(node):
    return 1 + sum(map(count, node.get("children", [])))


def test_a_dict_holds_every_node_and_adds_up(tree):
    root = tree.to_dict(1, names=["left", "stay", "right"])
    assert count(root) == 26
    assert root["visits"] == 26
    assert root["value"] == pytest.approx(tree.node_values[1, 0].item())
    below = root["children"]
    assert sum(child["visits"] for child in below) == 25
    assert [c["visits"] for c in below] == sorted((c["visits"] for c in below), reverse=True)
    qvalues = tree.summary().qvalues[1]
    for child in below:
        assert child["name"] == ["left", "stay", "right"][child["action"]]
        assert child["q"] == pytest.approx(qvalues[child["action"]].item(), rel=1e-5)
    with pytest.raises(IndexError, match="row: expected 0 to 1, got 2"):
        tree.to_dict(2)
    with pytest.raises(ValueError, match="names: expected 3"):
        tree.to_dict(0, names=["a"])


def test_graphviz_has_a_line_for_each_node_and_edge(tree):
    text = tree.to_graphviz(names=['"', "b", "c"])
    assert len(re.findall(r"^  n\d+ \[", text, re.M)) == 26
    assert len(re.findall(r"^  n\d+ -> n\d+", text, re.M)) == 25
    assert '\\"' in text


def test_a_page_stands_alone_and_holds_the_tree(tree, tmp_path):
    path = tmp_path / "tree.html"
    tree.to_html(path, names=["</script>", "b", "c"], title="a < b")
    text = path.read_text()
    assert "a &lt; b" in text
    assert not re.search(r"(src|href)=|https?:|__[A-Z]+__", text)
    data = re.search(r'type="application/json">(.*?)</script>', text, re.S).group(1)
    assert json.loads(data.replace("<\\/", "</")) == tree.to_dict(0, names=["</script>", "b", "c"])


@pytest.fixture(scope="module")
def closed():
    model = TableModel(3)
    forbidden = torch.rand(model.SIZE, generator=torch.Generator().manual_seed(4)) < 0.5

    def recurrent(action, state):
        output, after = model.recurrent(action, state)
        return output._replace(forbidden=0.25 * forbidden[after]), after

    return search.muzero_policy(model.root(8), recurrent, 40).search_tree


def test_what_was_closed_is_shown_with_its_reason(closed):
    row = next(r for r in range(8) if any(one.excess == 0 for one in closed.closed(r)))
    paths = {}

    def walk(node, path=()):
        for child in node.get("children", []):
            below = (*path, child["action"])
            if "closed" in child:
                paths[below] = child["closed"]
                assert child["visits"] == 0
            walk(child, below)

    walk(closed.to_dict(row))
    assert paths == closed.reasons(row)
    assert "over its limit by 0.25" in paths.values()
    assert "all that could follow is ruled out" in paths.values()
    text = closed.to_graphviz(row)
    assert text.count("style=dashed") == len(paths)
    assert 'label="over its limit by 0.25", color=red' in text


def test_a_table_lists_the_roots_actions(tree, closed):
    lines = tree.visit_table(1, names=["left", "stay", "right"]).splitlines()
    assert lines[0].split() == ["action", "visits", "share", "Q", "reward", "prior"]
    summary, prior = tree.summary(), tree.children_prior_logits[1, 0].softmax(0)
    found = [line.split() for line in lines[1:]]
    assert {one[0] for one in found} == {"left", "stay", "right"}
    assert [int(one[1]) for one in found] == sorted(summary.visit_counts[1].tolist(), reverse=True)
    for name, visits, share, q, _, chance in found:
        action = ["left", "stay", "right"].index(name)
        assert int(visits) == summary.visit_counts[1, action]
        assert visits == "0" or float(share[:-1]) == pytest.approx(4 * int(visits), abs=0.06)
        assert visits == "0" or float(q) == pytest.approx(
            summary.qvalues[1, action].item(), rel=5e-3, abs=5e-3
        )
        assert float(chance) == pytest.approx(prior[action].item(), abs=1e-3)
    row = next(r for r in range(8) if any(len(one.path) == 1 for one in closed.closed(r)))
    assert "ruled out: " in closed.visit_table(row).splitlines()[-1]


def test_the_mixed_value_is_the_one_that_completes(tree):
    summary = tree.summary()
    prior = tree.children_prior_logits[:, 0].softmax(1) * (summary.visit_counts > 0)
    mean = (prior * summary.qvalues).sum(1) / prior.sum(1)
    torch.testing.assert_close(summary.mixed_value, (summary.raw_value + 25 * mean) / 26)
    torch.testing.assert_close(summary.raw_value, tree.raw_values[:, 0])


def gaussian(state):
    """Two numbers, of any mean and deviation."""
    return torch.zeros(len(state), 4)


def numbers(action, state):
    after = state + action
    return search.RecurrentOutput(
        -after.square().sum(1), torch.full((len(action),), 0.9), gaussian(after), after.sum(1)
    ), after


def test_candidates_that_are_numbers_are_shown_as_they_are(tmp_path):
    state = torch.zeros(2, 2)
    output = search.sampled_muzero_policy(
        search.Root(gaussian(state), torch.zeros(2), state),
        numbers,
        40,
        sampler=search.GaussianSampler(4, (-1.0, -1.0), (1.0, 1.0)),
    )
    tree, below = output.search_tree, 0
    root = tree.to_dict(1)
    for child in root["children"]:
        assert child["action"] == output.actions[1, child["column"]].tolist()
        assert child["name"] == "({:.3g}, {:.3g})".format(*child["action"])
        slot = tree.children_index[1, 0, child["column"]]
        for grandchild in child.get("children", []):
            below += 1
            assert grandchild["action"] == tree.actions[1, slot, grandchild["column"]].tolist()
    assert below > 4
    first = root["children"][0]["name"]
    assert f'label="{first}\\nQ' in tree.to_graphviz(1)
    assert tree.visit_table(1).splitlines()[1].startswith(first + " ")
    tree.to_html(tmp_path / "tree.html", 1)
    assert f'"name": "{first}"' in (tmp_path / "tree.html").read_text()
    with pytest.raises(ValueError, match="names: expected None where actions are no list"):
        tree.to_dict(1, names=["a", "b", "c", "d"])


def test_candidates_of_a_list_go_by_its_names():
    model, names = TableModel(6), ["a", "b", "c", "d", "e", "f"]
    forbidden = torch.rand(model.SIZE, generator=torch.Generator().manual_seed(1)) < 0.3

    def recurrent(action, state):
        output, after = model.recurrent(action, state)
        return output._replace(forbidden=forbidden[after]), after

    tree = search.muzero_policy(model.root(8), recurrent, 40, top_k=3).search_tree
    kept, ruled_out = tree.actions, 0

    def walk(row, node, slot):
        nonlocal ruled_out
        for child in node.get("children", []):
            assert child["action"] == kept[row, slot, child["column"]]
            assert child["name"] == names[child["action"]]
            ruled_out += "closed" in child
            if "closed" not in child:
                walk(row, child, tree.children_index[row, slot, child["column"]])

    for row in range(8):
        walk(row, tree.to_dict(row, names), 0)
    assert ruled_out > 8
    shown = {line.split()[0] for line in tree.visit_table(2, names).splitlines()[1:]}
    assert shown == {names[action] for action in kept[2, 0]}
    with pytest.raises(ValueError, match="names: expected one for each of the model's actions"):
        tree.to_dict(0, names[:1])


def test_what_lies_behind_a_closed_action_is_left_out():
    # action 0 awaits one of three outcomes. One has a step that is closed first; another closes all
    def recurrent(action, state):
        waits = state == 1
        after = torch.where(state == 0, torch.where(action == 0, 1, 9), 9)
        after = torch.where(waits, 2 + action, after)
        logits = torch.zeros(len(action), 3)
        logits[after == 1] = torch.tensor([2.0, 0.0, 0.0])
        return search.RecurrentOutput(
            (state == 0).float() * (action == 0),
            torch.ones(len(action)),
            logits,
            torch.zeros(len(action)),
            chance=after == 1,
            forbidden=((state == 2) & (action == 1)) | (waits & (action == 2)),
        ), after

    root = search.Root(
        torch.tensor([[2.0, 0.0]]), torch.zeros(1), torch.zeros(1, dtype=torch.int64)
    )
    tree = search.muzero_policy(root, recurrent, 60, num_outcomes=3).search_tree
    assert [one.path for one in tree.closed()] == [(0, 0, 1), (0, 2), (0,)]
    last = tree.to_dict()["children"][-1]
    assert last["action"] == 0
    assert [(one["name"], one["outcome"]) for one in last["children"]] == [("chance 2", 2)]
    assert count(last) == tree.to_graphviz().count("style=dashed") == 2


@pytest.mark.parametrize("actions", [3, 40])
def test_a_row_alone_is_what_it_is_in_the_batch(actions):
    model = TableModel(actions)
    tree = search.muzero_policy(model.root(3), model.recurrent, 12).search_tree
    names = [
        *("node_visits", "raw_values", "node_values", "parents", "action_from_parent"),
        *("children_index", "children_visits", "children_prior_logits", "children_rewards"),
        *("children_discounts", "children_values", "chance_nodes"),
    ]
    for name in names:
        whole = getattr(tree, name)
        for row in range(3):
            assert torch.equal(tree.of_row(name, row), whole[row])
    for row in (3, 2**40):
        with pytest.raises(IndexError, match=rf"row: expected 0 to 2, got {row}"):
            tree.of_row("parents", row)
