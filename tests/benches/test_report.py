"""The report pairs the right sides, divides the right way round, and fails on a missed gate."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

REPORT = Path(__file__).parents[2] / "benches" / "report.py"


def bench(pair: str, role: str, median: float, **more: object) -> dict:
    info = {"pair": pair, "role": role, "work": 100, "unit": "steps", **more}
    return {"fullname": f"{pair} {role}", "extra_info": info, "stats": {"median": median}}


def report(folder: Path, *benches: dict) -> subprocess.CompletedProcess[str]:
    return report_passes(folder, benches)


def report_passes(folder: Path, *passes: tuple[dict, ...]) -> subprocess.CompletedProcess[str]:
    machine = {
        "cpu": {"brand_raw": "a processor"},
        "cores": 2,
        "python_version": "3.11",
        "torch": "2",
        "native": "g++, avx2",
    }
    records = []
    for number, benches in enumerate(passes):
        record = {
            "machine_info": machine,
            "commit_info": {"id": "abc"},
            "datetime": "today",
            "benchmarks": benches,
        }
        records.append(folder / f"raw-{number}.json")
        records[-1].write_text(json.dumps(record))
    command = [sys.executable, str(REPORT), *map(str, records), "--out", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_ratio_is_the_speed_of_ours_over_the_other(tmp_path):
    done = report(
        tmp_path,
        bench("a", "ours", 0.1),
        bench("a", "rival", 0.4, name="other package"),
        bench("b", "rival", 0.1),
        bench("b", "ours", 0.2),
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "bench.json").read_text())["rows"]
    assert [(row["pair"], row["other"]) for row in rows] == [("a", "other package"), ("b", "rival")]
    assert [row["ratio"] for row in rows] == pytest.approx([4.0, 0.5])
    assert rows[0]["ours_rate"] == pytest.approx(1000)
    assert "4.00x" in done.stdout
    assert (tmp_path / "bench.png").stat().st_size > 1000


@pytest.mark.parametrize(("least", "code"), [(0.7, 0), (0.9, 1)])
def test_a_floor_says_how_near_ours_must_come(tmp_path, least, code):
    done = report(
        tmp_path,
        bench("a", "ours", 0.125),
        bench("a", "floor", 0.1, ratio_at_least=least),
    )
    assert done.returncode == code, done.stdout
    assert ("missed" in done.stdout) == (code == 1)


@pytest.mark.parametrize(("least", "code"), [(900, 0), (1100, 1)])
def test_a_gate_may_ask_for_a_rate(tmp_path, least, code):
    done = report(tmp_path, bench("a", "ours", 0.1, rate_at_least=least), bench("a", "rival", 0.1))
    assert done.returncode == code, done.stdout


def test_a_side_without_ours_is_refused(tmp_path):
    done = report(tmp_path, bench("a", "rival", 0.1))
    assert done.returncode == 1
    assert "nothing of ours beside it" in done.stderr


def test_a_pair_with_two_of_ours_is_refused(tmp_path):
    done = report(
        tmp_path, bench("a", "ours", 0.1), bench("a", "rival", 0.1), bench("a", "ours", 1)
    )
    assert done.returncode == 1
    assert "a: two benches time ours" in done.stderr


def test_a_bench_that_does_not_say_its_work_is_refused(tmp_path):
    lacking = bench("a", "ours", 0.1)
    del lacking["extra_info"]["work"]
    done = report(tmp_path, lacking)
    assert done.returncode == 1
    assert "lacks ['work']" in done.stderr


def test_the_middle_of_several_passes_is_kept_whole(tmp_path):
    done = report_passes(
        tmp_path,
        *[(bench("a", "ours", mine), bench("a", "rival", 0.4)) for mine in (0.1, 0.4, 0.2)],
    )
    assert done.returncode == 0, done.stderr
    (row,) = json.loads((tmp_path / "bench.json").read_text())["rows"]
    assert row["ratio"] == pytest.approx(2.0)
    assert row["ours_rate"] == pytest.approx(500)
    assert row["ratios"] == pytest.approx([1.0, 2.0, 4.0])
    assert "1.00 to 4.00" in done.stdout


def test_ours_alone_is_shown_and_judged_by_its_rate(tmp_path):
    alone = bench("a", "ours", 0.1, name="depth 1.5", rate_at_least=1100)
    done = report(tmp_path, alone, bench("b", "ours", 0.1), bench("b", "rival", 0.1))
    assert done.returncode == 1
    assert "a (depth 1.5)" in done.stdout
    first, second = json.loads((tmp_path / "bench.json").read_text())["rows"]
    assert (first["ratio"], first["other"]) == (None, "")
    assert second["ratio"] == pytest.approx(1.0)
