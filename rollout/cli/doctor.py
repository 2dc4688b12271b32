"""`rollout doctor`: what this machine has, what is missing, and how to get it."""

import importlib.metadata
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Literal

import typer

Verdict = Literal["ok", "note", "missing"]
MARKS = {"ok": "[green]ok[/]", "note": "[yellow]note[/]", "missing": "[red]missing[/]"}

# distributions that single features use
OPTIONAL = {
    "pytest": "the tests",
    "pytest-benchmark": "the benches",
    "overcooked": "the kitchen's oracle, tests only",
    "mctx": "golden search trees, tests only",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; `fix` is the command that mends it, or empty."""

    part: str
    verdict: Verdict
    found: str
    fix: str = ""


def doctor() -> None:
    """Show versions, SIMD level, threads and device, **what is missing and how to get it**.

    Ends with exit code 0 when everything the package needs is there, 1 when something is missing.

        rollout doctor
    """
    from rich.console import Console
    from rich.table import Table

    console = Console()
    findings = list(examine())
    table = Table.grid(padding=(0, 2))
    for finding in findings:
        table.add_row(finding.part, MARKS[finding.verdict], finding.found)
        if finding.fix:
            table.add_row("", "", f"[dim]get it:[/] [bold]{finding.fix}[/]")
    console.print(table)
    missing = sum(finding.verdict == "missing" for finding in findings)
    if missing:
        console.print(f"[red]{missing} needed part{'s' if missing > 1 else ''} missing[/]")
        raise typer.Exit(1)
    console.print("everything that rollout needs is here")


def examine() -> Iterator[Finding]:
    """Yield one finding a part: the machine first, then what is needed, then what is optional."""
    yield Finding("machine", "ok", platform.platform())
    yield Finding("python", "ok", f"{platform.python_version()} at {sys.executable}")
    yield native()
    yield compiler()
    yield from required()
    yield device()
    yield from shipped_models()
    yield from optional()


def native() -> Finding:
    """Load the native core and ask it how it was built and what it uses here."""
    try:
        core = import_module("rollout._native")
    except ImportError as error:
        return Finding("native core", "missing", str(error), "make build, or pip install .")
    uses = f"SIMD {core.simd_level()}, {core.hardware_threads()} threads"
    return Finding("native core", "ok", f"{uses}; built by {core.compiler()}")


def compiler() -> Finding:
    """Look for the compiler that a build from source needs."""
    found = shutil.which(os.environ.get("CXX", "g++"))
    if found is None:
        return Finding(
            "compiler",
            "note",
            "no g++: needed to build from source, and to plan with compile=True",
            "apt-get install g++",
        )
    return Finding("compiler", "ok", found)


def required() -> Iterator[Finding]:
    """Look up what the installed package requires; torch is left to `device`, which imports it."""
    try:
        wanted = importlib.metadata.requires("rollout") or []
        yield Finding("rollout", "ok", importlib.metadata.version("rollout"))
    except importlib.metadata.PackageNotFoundError:
        fix = f"{sys.executable} -m pip install --editable ."
        yield Finding("rollout", "note", "runs from its source folder, not installed", fix)
        return
    for line in wanted:
        name = re.split(r"[^A-Za-z0-9_.-]", line, maxsplit=1)[0]
        if name != "torch" and "extra ==" not in line:
            yield distribution(name, "missing")


def distribution(name: str, otherwise: Verdict, use: str = "") -> Finding:
    """Return the installed version of a distribution, or the pip line that installs it."""
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        found = f"not installed: {use}" if use else "not installed"
        return Finding(name, otherwise, found, f"{sys.executable} -m pip install {name}")
    return Finding(name, "ok", version)


def device() -> Finding:
    """Import torch and name its threads and the device that models run on by default."""
    try:
        import torch
    except (ImportError, OSError) as error:
        return Finding("torch", "missing", str(error), f"{sys.executable} -m pip install torch")
    found = f"{torch.__version__}, {torch.get_num_threads()} threads, device "
    found += torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    return Finding("torch", "ok", found)


def shipped_models() -> Iterator[Finding]:
    """List the trained models that came with the package."""
    folder = Path(__file__).parents[1] / "assets"
    models = sorted(folder.glob("*.safetensors"))
    if not models:
        fix = "rollout train kitchen; then play with --model runs/kitchen-0/model.safetensors"
        yield Finding("kitchen model", "missing", f"no model file in {folder}", fix)
    for path in models:
        yield Finding("kitchen model", "ok", f"{path.name}, {path.stat().st_size / 2**20:.1f} MiB")


def optional() -> Iterator[Finding]:
    """Look for the packages that single features use."""
    for name, use in OPTIONAL.items():
        yield distribution(name, "note", use)
