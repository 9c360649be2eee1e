"""The figures: what is read, how often, and beside what."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.engines import ENCODERS, UNPACKERS
from bench.measure import BenchError, Command, Cost, medians
from bench.org import Plan
from bench.room import TAP, Room, room
from bench.shapes import SHAPES, TYPICAL

LATENCY = 0.08
JOB_SECONDS = 3.0
LITTLE_ROOM = 32 << 20
LONG_PAGE = 250_000
MORE_ROWS_IN_NARROW = 4
START_UPS = 5
ENGINE_PAGES = 10


@dataclass(frozen=True, slots=True)
class Effort:
    """
    How much is measured: rows of the typical shape, runs of which the median counts, and another tap, if any.

    `other_bulk` is what that tap's `api_type` is called over Bulk.
    """

    rows: int = 500_000
    runs: int = 3
    other: str | None = None
    other_bulk: str = "BULK2"


@dataclass(frozen=True, slots=True)
class Result:
    """A line of the table; `calls` are the API calls of one run."""

    name: str
    tap: Cost
    rows: int = 0
    floor: Cost | None = None
    other: Cost | None = None
    calls: int | None = None


Figure = Callable[[Effort], Iterator[Result]]


def _measured(command: Command, runs: int) -> Cost:
    return medians([command.cost() for _ in range(runs)])


def _side_by_side(commands: Sequence[Command], runs: int) -> list[Cost]:
    """Run the commands in turn, again and again, so that whatever else the machine does weighs on all of them."""
    rounds = [[command.cost() for command in commands] for _ in range(runs)]
    return [medians(costs) for costs in zip(*rounds, strict=True)]


def _costs_and_calls(place: Room, command: Command, runs: int) -> tuple[Cost, int]:
    before = place.calls()
    cost = _measured(command, runs)
    return cost, (place.calls() - before) // runs


def _whole(command: Command, rows: int) -> Command:
    """Return the command when it writes as many records as there are rows; what it leaves out would cost nothing."""
    found = sum(json.loads(line)["type"] == "RECORD" for line in command.lines())
    if found != rows:
        raise BenchError(f"{command.words[0]} wrote {found:,} records of {rows:,} rows.")
    return command


def _rows_of(shape: str, effort: Effort) -> int:
    """Return how many rows make about as much work as those of the typical shape."""
    if shape == "narrow":
        return effort.rows * MORE_ROWS_IN_NARROW
    return max(1, effort.rows * len(TYPICAL) // len(SHAPES[shape]))


def throughput(api: str, shape: str) -> Figure:
    """Return the figure of a whole table, read over an API."""
    object_name = f"{shape.title()}__c"
    name = f"{'Bulk' if api == 'bulk' else 'REST'} → Singer, {len(SHAPES[shape])} columns"
    api_type = "BULK2" if api == "bulk" else "REST"

    def figure(effort: Effort) -> Iterator[Result]:
        rows = _rows_of(shape, effort)
        with room(Plan({object_name: (shape, rows)})) as place:
            before = place.calls()
            commands = [_whole(place.tap(api_type=api_type), rows), place.floor(api, object_name)]
            calls = place.calls() - before
            if effort.other:
                commands.append(_whole(place.other(effort.other, effort.other_bulk if api == "bulk" else "REST"), rows))
            cost, beside, *other = _side_by_side(commands, effort.runs)
        yield Result(name, cost, rows, beside, other[0] if other else None, calls)

    return figure


def engines(effort: Effort) -> Iterator[Result]:
    """Unpack result pages, and make RECORD lines of them, with what was chosen and with what was not."""
    with room(Plan({})) as place:
        rows = place.write_page() * ENGINE_PAGES
        for work, names in (("Unpacking", UNPACKERS), ("CSV → RECORD lines", ENCODERS)):
            costs = _side_by_side([place.engine(name, ENGINE_PAGES) for name in names], effort.runs)
            for name, cost in zip(names, costs, strict=True):
                yield Result(f"{work}: {name}", cost, rows)


def batch(effort: Effort) -> Iterator[Result]:
    """Read a table over Bulk into files of each form."""
    rows = effort.rows
    for format_, compression in (("jsonl", "none"), ("jsonl", "gzip"), ("parquet", "snappy"), ("arrow", "none")):
        with room(Plan({"Typical__c": ("typical", rows)})) as place:
            tap = place.tap(api_type="bulk2", batch_config=place.batch_config(format_, compression))
            costs = []
            for _ in range(effort.runs):
                costs.append(tap.cost())
                found = place.rows_in_files()
                if found != rows:
                    raise BenchError(f"{format_} files hold {found:,} rows of {rows:,}.")
        yield Result(f"Bulk → BATCH files, {format_}, {compression}", medians(costs), rows)


def memory(effort: Effort) -> Iterator[Result]:
    """
    Read a table and one ten times as long, with the default settings; the long one with as little as can be, too.

    So little room is the harder to keep the longer the server's own pages are.
    """
    little = {"max_workers": 1, "max_bytes_in_flight": LITTLE_ROOM}
    for times, label, settings, listed_rows in (
        (1, "", {}, None),
        (10, "", {}, None),
        (1, ", pages of 250,000 rows", {}, LONG_PAGE),
        (10, ", 1 worker, 32 MB in flight", little, None),
        (1, ", 2 workers, 32 MB in flight, pages of 250,000 rows", {**little, "max_workers": 2}, LONG_PAGE),
    ):
        rows = effort.rows * times
        with room(Plan({"Typical__c": ("typical", rows)}, listed_rows=listed_rows)) as place:
            cost = place.tap(api_type="bulk2", **settings).cost()
        yield Result(f"Memory over Bulk{label}, one run", cost, rows)


def quiet(effort: Effort) -> Iterator[Result]:
    """Ask 200 small objects what is new, 80 ms each: nothing."""
    objects = {f"Quiet{number:03d}__c": ("small", 0) for number in range(200)}
    with room(Plan(objects)) as fast:
        catalog = fast.catalog()
        written = map(json.loads, fast.tap("--catalog", fast.file("catalog.json", catalog)).lines())
        state = [message["value"] for message in written if message["type"] == "STATE"][-1]
    with room(Plan(objects, latency=LATENCY)) as place:
        files = ("--catalog", place.file("catalog.json", catalog), "--state", place.file("state.json", state))
        cost, calls = _costs_and_calls(place, place.tap(*files), effort.runs)
    yield Result("200 objects, nothing new, 80 ms a request", cost, calls=calls)


def jobs(effort: Effort) -> Iterator[Result]:
    """Read ten objects whose Bulk jobs take 3 s."""
    rows = 1_000
    objects = {f"Job{number:02d}__c": ("small", rows) for number in range(10)}
    with room(Plan(objects, job_seconds=JOB_SECONDS)) as place:
        tap = _whole(place.tap(api_type="bulk2"), rows * len(objects))
        cost, calls = _costs_and_calls(place, tap, effort.runs)
    yield Result("10 objects, Bulk jobs of 3 s", cost, rows * len(objects), calls=calls)


def discovery(effort: Effort) -> Iterator[Result]:
    """Discover 1,500 objects with describes of 150 kB, 80 ms a request; and again with what was kept; then ten."""
    objects = {f"Listed{number:04d}__c": ("listed", 0) for number in range(1_500)}
    plan = Plan(objects, latency=LATENCY)
    pairs = [_first_and_second(plan) for _ in range(effort.runs)]
    for label, turns in zip(("", ", once more"), zip(*pairs, strict=True), strict=True):
        costs, calls = zip(*turns, strict=True)
        yield Result(f"Discovery of 1,500 objects, 80 ms a request{label}", medians(costs), calls=calls[0])
    with room(plan) as place:
        cost, some = _costs_and_calls(place, place.tap("--discover", streams=list(objects)[:10]), effort.runs)
    yield Result("Discovery of 10 objects by name, 80 ms a request", cost, calls=some)


def _first_and_second(plan: Plan) -> tuple[tuple[Cost, int], tuple[Cost, int]]:
    """Discover twice in a fresh room, so that only the second one finds what the first one kept."""
    with room(plan) as place:
        command = place.tap("--discover")
        return _costs_and_calls(place, command, 1), _costs_and_calls(place, command, 1)


def start_up(effort: Effort) -> Iterator[Result]:
    """Start, and say something."""
    with room(Plan({})) as place:
        for option in ("--version", "--about"):
            runs = START_UPS if effort.runs > 1 else 1
            yield Result(f"Start-up: {option}", _measured(Command([*TAP, option], place.folder, {}), runs))


FIGURES: Mapping[str, Figure] = {
    "bulk": throughput("bulk", "typical"),
    "rest": throughput("rest", "typical"),
    "bulk-wide": throughput("bulk", "wide"),
    "bulk-narrow": throughput("bulk", "narrow"),
    "rest-wide": throughput("rest", "wide"),
    "rest-narrow": throughput("rest", "narrow"),
    "engines": engines,
    "batch": batch,
    "memory": memory,
    "quiet": quiet,
    "jobs": jobs,
    "discovery": discovery,
    "start-up": start_up,
}
