"""
Measure the tap on this machine: `python -m bench`, or some figures only: `python -m bench bulk rest`.

The table is Markdown. CPU seconds and ratios compare; seconds of the clock depend on what else the machine does.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import replace

from bench import table
from bench.figures import FIGURES, Effort
from bench.measure import BenchError

QUICK = Effort(rows=50_000, runs=1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, a line as soon as it is known."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    unknown = [name for name in asked.figures if name not in FIGURES]
    if unknown:
        parser.error(f"there is no figure {', '.join(unknown)}; there are {', '.join(FIGURES)}")
    effort = QUICK if asked.quick else Effort()
    effort = replace(effort, rows=asked.rows or effort.rows, runs=asked.runs or effort.runs)
    effort = replace(effort, other=asked.other, other_bulk=asked.other_bulk)
    _say(f"{platform.platform()}, {os.cpu_count()} processors, Python {platform.python_version()}")
    _say(f"medians of {effort.runs} runs\n\n{table.heading()}")
    try:
        for name in asked.figures or FIGURES:
            for result in FIGURES[name](effort):
                _say(table.line(result))
    except BenchError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help=f"one of {', '.join(FIGURES)}; default: all")
    parser.add_argument("--rows", type=int, help="rows of 39 columns (default 500,000); other shapes in proportion")
    parser.add_argument("--runs", type=int, help="runs of which the median counts (default 3)")
    parser.add_argument("--quick", action="store_true", help="50,000 rows, one run")
    parser.add_argument(
        "--other",
        metavar="COMMAND",
        help="another tap to read the same data; {config}, {catalog} and {url} in it are replaced by its settings "
        "file, its catalog and the address of the org, {others} by the folder of the scripts that some taps need",
    )
    parser.add_argument(
        "--other-bulk", metavar="API_TYPE", default="BULK2", help="its `api_type` over Bulk (default BULK2)"
    )
    return parser


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
