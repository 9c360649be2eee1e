"""The pins that `dev.py` and Meltano install from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.project import CHECKOUT

tomllib: Any = pytest.importorskip("tomllib", reason="pyproject.toml is read with Python 3.11 and newer")


@pytest.fixture(scope="module")
def pins() -> list[Requirement]:
    """Every line of the file that names a package."""
    lines = (CHECKOUT / "requirements" / "locked.txt").read_text(encoding="utf-8").splitlines()
    return [Requirement(line.partition("  #")[0]) for line in lines if not line.startswith("#")]


def test_every_package_is_pinned_and_none_by_address(pins: list[Requirement]) -> None:
    """Each line names one exact version, and whose index it comes from is left to pip's configuration."""
    assert all(re.fullmatch(r"==[\w.]+", str(pin.specifier)) and pin.url is None for pin in pins)


def test_pins_are_what_pyproject_asks_for(pins: list[Requirement]) -> None:
    """Every requirement of the package and its dependency groups has a pin that satisfies it."""
    for asked in requirements():
        versions = [next(iter(pin.specifier)).version for pin in pins if same_package(pin, asked)]
        assert versions, f"{asked} is not pinned: see the first lines of requirements/locked.txt"
        assert all(asked.specifier.contains(version) for version in versions), asked


def requirements() -> Iterator[Requirement]:
    """What pyproject.toml asks for, for use and for development."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
    yield from map(Requirement, project["project"]["dependencies"])
    for group in project["dependency-groups"].values():
        yield from (Requirement(entry) for entry in group if isinstance(entry, str))


def same_package(one: Requirement, other: Requirement) -> bool:
    """Whether two requirements name the same package, however they spell it."""
    return canonicalize_name(one.name) == canonicalize_name(other.name)
