import importlib.metadata
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from rollout.cli import doctor
from rollout.cli.app import COMMANDS, app, main

runner = CliRunner()


def test_help_names_every_command_and_loads_no_torch():
    code = (
        "import sys; from rollout.cli.app import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for command in COMMANDS:
        assert command in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself_with_an_example(command):
    result = runner.invoke(app, [command, "--help"], env={"COLUMNS": "120"})
    assert result.exit_code == 0, result.output
    assert f"rollout {command}" in result.output.split("Usage:")[1].split("\n", 1)[1]


def test_an_unknown_command_offers_the_nearest():
    result = runner.invoke(app, ["doktor"])
    assert result.exit_code == 2
    assert "Did you mean 'doctor'" in result.output


def test_wrong_input_ends_with_its_message_and_no_traceback(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["rollout", "envs", "Kichen-v0"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    message = capsys.readouterr().err
    assert "Kichen-v0" in message
    assert "Kitchen-v0" in message
    assert "Traceback" not in message


def test_envs_lists_spaces_and_events():
    result = runner.invoke(app, ["envs"], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    assert "CartPole-v1" in result.output
    assert "soup_delivery" in result.output
    assert "cramped_room" in result.output
    assert "equal to overcooked_ai" in result.output
    assert "partner_noise=0.0" in result.output
    assert "EnvSpec" not in result.output


def test_doctor_finds_the_native_core_and_torch():
    found = {finding.part: finding for finding in doctor.examine()}
    assert found["native core"].verdict == "ok"
    assert "g++" in found["native core"].found
    assert found["torch"].verdict == "ok"


def test_doctor_says_how_to_get_what_is_missing(monkeypatch):
    def absent(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "requires", lambda _: ["numpy>=1.26", "torch>=2.6"])
    monkeypatch.setattr(
        importlib.metadata, "version", lambda name: "1.0" if name == "rollout" else absent(name)
    )
    result = runner.invoke(app, ["doctor"], env={"COLUMNS": "300"})
    assert result.exit_code == 1
    assert f"{sys.executable} -m pip install numpy" in result.output
    assert "needed part" in result.output
