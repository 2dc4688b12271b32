import json
import re

import pytest
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
    assert not re.search(r"(src|href)=", text)
    data = re.search(r'type="application/json">(.*?)</script>', text, re.S).group(1)
    assert json.loads(data.replace("<\\/", "</")) == tree.to_dict(0, names=["</script>", "b", "c"])
