import importlib
import json

import pytest
from typer.testing import CliRunner

from rollout.cli.app import app

runner = CliRunner()


def test_bench_measures_a_pair_and_saves_it(tmp_path):
    arguments = [
        "bench",
        "--select",
        "kitchen and 64 and not plain",
        "--mark",
        "info",
        "--passes",
        "1",
    ]
    result = runner.invoke(app, [*arguments, "--out", str(tmp_path)])
    assert result.exit_code == 0
    saved = json.loads((tmp_path / "bench.json").read_text())
    (row,) = saved["rows"]
    assert "Kitchen-v0" in row["pair"]
    assert row["ratio"] == pytest.approx(row["ours_rate"] / row["other_rate"])
    assert row["ratio"] > 1
    assert "cores" in saved["machine"]


def test_bench_says_where_the_benches_are_when_they_are_not_here(tmp_path, monkeypatch):
    module = importlib.import_module("rollout.cli.bench")
    monkeypatch.setattr(module, "__file__", str(tmp_path / "rollout" / "cli" / "bench.py"))
    result = runner.invoke(app, ["bench"])
    assert isinstance(result.exception, FileNotFoundError)
    assert "make bench" in str(result.exception)


def test_bench_fails_when_nothing_is_selected(tmp_path):
    result = runner.invoke(app, ["bench", "--select", "no_such_bench", "--out", str(tmp_path)])
    assert result.exit_code == 5
    assert not (tmp_path / "bench.json").exists()
