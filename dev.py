#!/usr/bin/env python3
"""
Try the tap, or test it, on a machine that has Python 3.10 or newer and pip: this file does all the set-up.

    python3 dev.py try     load a pretend Salesforce org into PostgreSQL with Meltano, and show the tables
    python3 dev.py test    run the tests, some on each processor (`-n 0`: one by one); what follows goes to pytest
    python3 dev.py check   lint, types and import contracts
    python3 dev.py bench   measure the tap on this machine; `--help` behind it lists what there is to choose

The set-up is a virtual environment in `.venv` with the pinned packages of `requirements/locked.txt` and this
package in editable form. It is made once, and brought up to date when the pins or `pyproject.toml` change.
pip's own configuration (an index, a proxy, a certificate) is honoured.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
SCRIPTS = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = SCRIPTS / ("python.exe" if os.name == "nt" else "python")
PINS = ROOT / "requirements" / "locked.txt"
STAMP = VENV / "set-up-from.txt"
OLDEST_PYTHON = (3, 10)

COMMANDS = {
    "try": ["python -m tap_salesforce_ci.demo try"],
    "test": ["python -m pytest -n auto --dist loadfile --no-loadscope-reorder"],
    "check": ["ruff check", "ruff format --check", "mypy", "lint-imports"],
    "bench": ["python -m bench"],
}


def main(arguments: list[str]) -> int:
    """Set up if need be, run the named command, and answer with its exit code."""
    if sys.version_info < OLDEST_PYTHON:
        return refuse("Python 3.10 or newer is needed; start this with one, as in: python3.12 dev.py try")
    if not arguments or arguments[0] not in COMMANDS:
        return refuse((__doc__ or "").strip())
    if not set_up():
        return refuse("The set-up did not finish; the reason stands above. Start again to try again.")
    name, *rest = arguments
    steps = [step.split() for step in COMMANDS[name]]
    failures = (code for program, *words in steps if (code := run(SCRIPTS / program, *words, *rest)))
    return next(failures, 0)


def refuse(reason: str) -> int:
    """Say why nothing was run."""
    sys.stderr.write(f"{reason}\n")
    return 2


def set_up() -> bool:
    """Leave `.venv` holding the pinned packages and this package; do nothing when it already does."""
    place = f"{ROOT} {sys.version}"
    before = STAMP.read_text(encoding="utf-8").splitlines() if STAMP.exists() else None
    wanted = [*place.splitlines(), wanted_packages()]
    if before == wanted:
        return True
    sys.stderr.write("Setting up .venv (a minute or two the first time) ...\n")
    STAMP.unlink(missing_ok=True)
    moved = before is not None and before[:-1] != wanted[:-1]
    if not ((not moved and has_pip()) or make_venv()):
        return False
    if install("--requirement", PINS) or install("--no-deps", "--no-build-isolation", "--editable", ROOT):
        return False
    forget_plugins()
    STAMP.write_text("\n".join(wanted), encoding="utf-8")
    return True


def wanted_packages() -> str:
    """A digest of everything that decides what `.venv` should hold."""
    return hashlib.sha256(PINS.read_bytes() + (ROOT / "pyproject.toml").read_bytes()).hexdigest()


def has_pip() -> bool:
    """Whether `.venv` is there and works for this Python, be it from an earlier set-up or made by hand."""
    probe = f"import pip, sys; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"
    return PYTHON.exists() and run(PYTHON, "-c", probe, quiet=True) == 0


def make_venv() -> bool:
    """Make `.venv` afresh: with the standard library where that is whole, else with virtualenv through pip."""
    shutil.rmtree(VENV, ignore_errors=True)
    if run(sys.executable, "-m", "venv", VENV, quiet=True) == 0:
        return True
    shutil.rmtree(VENV, ignore_errors=True)
    with tempfile.TemporaryDirectory() as tools:
        fetched = run(sys.executable, "-m", "pip", "install", "-qq", "--target", tools, "virtualenv") == 0
        return fetched and run(sys.executable, "-m", "virtualenv", "-q", VENV, PYTHONPATH=tools) == 0


def install(*what: str | Path) -> int:
    """Install with the pip of `.venv`, telling only of failures."""
    return run(PYTHON, "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "-qq", *what)


def forget_plugins() -> None:
    """Have Meltano install its plugins anew: it cannot see that their pins or this package's needs changed."""
    for kind in ("extractors", "loaders"):
        shutil.rmtree(ROOT / ".meltano" / kind, ignore_errors=True)


def run(*command: str | Path, quiet: bool = False, **extra_environment: str) -> int:
    """Run a command at the top of the checkout, where `.venv` comes first on the PATH; answer its exit code."""
    path = os.pathsep.join([str(SCRIPTS), os.environ.get("PATH", os.defpath)])
    ended = subprocess.run(  # noqa: S603 - only commands written in this file
        [str(part) for part in command],
        cwd=ROOT,
        env={**os.environ, "PATH": path, **extra_environment},
        stdout=subprocess.DEVNULL if quiet else None,
        stderr=subprocess.DEVNULL if quiet else None,
        check=False,
    )
    return ended.returncode if ended.returncode >= 0 else 128 - ended.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
