"""The README's example runs as it stands, for fewer steps."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_example_runs():
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert "range(400)" in code
    done = subprocess.run(
        [sys.executable, "-c", code.replace("range(400)", "range(4)")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "points a kitchen; next: " in done.stdout
