"""
Packages that are loaded as a whole only when something asks them for more than a module of theirs.

The SDK's package imports its targets, REST streams and sinks, with joblib and requests behind them: a third of what
every command would begin with, for parts that this tap never uses.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Any


class _OnDemand(ModuleType):
    """A package that has not run yet: its modules can be imported, anything else runs it first."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        module = f"{self.__name__}.{name}"
        if importlib.util.find_spec(module) is not None:
            return importlib.import_module(module)
        assert self.__spec__ is not None
        assert self.__spec__.loader is not None
        object.__setattr__(self, "__class__", ModuleType)
        self.__spec__.loader.exec_module(self)
        return getattr(self, name)


def defer(*packages: str) -> None:
    """Have these packages run on demand, unless they have run already; a package comes before those within it."""
    for package in packages:
        if package in sys.modules:
            continue
        spec = importlib.util.find_spec(package)
        if spec is None:
            continue
        module = importlib.util.module_from_spec(spec)
        module.__class__ = _OnDemand
        sys.modules[package] = module
        parent, _, name = package.rpartition(".")
        if parent:
            setattr(sys.modules[parent], name, module)
