"""Promises of what the display shows: the streams at work, never more than fit, and the truth about the others."""

from __future__ import annotations

import pytest

from tap_salesforce_ci.client.limits import Allowance
from tap_salesforce_ci.errors import UserError
from tap_salesforce_ci.progress import UNFINISHED, WHOLE, Board, StreamReport, at_work, doing, expecting
from tap_salesforce_ci.progress.picture import DiscoveryPainter, RunPainter, clock
from tap_salesforce_ci.progress.screen import rendered


class Moments:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def moments() -> Moments:
    return Moments()


def named(name: str, **what: object) -> StreamReport:
    """A stream at work."""
    report = StreamReport(name)
    report.begin()
    for attribute, value in what.items():
        setattr(report, attribute, value)
    return report


def painter(moments: Moments, *reports: StreamReport) -> RunPainter:
    """What draws these streams."""
    return RunPainter({report.name: report for report in reports}, Allowance(), moments)


def test_a_thousand_streams_do_not_scroll(moments: Moments) -> None:
    """However many streams there are, and however small the terminal, the picture fits, and all are counted."""
    streams = [named(f"sf_{n}") for n in range(40)] + [StreamReport(f"sf_{n}") for n in range(40, 1000)]
    draw = painter(moments, *streams)

    for height in (4, 10, 24, 100):
        picture = draw(height)
        assert len(picture.rows) + len(picture.below) + 1 <= max(height, 5)
    assert picture.below[1] == "streams: 40 at work, 960 waiting"


def test_the_others_are_counted_by_what_became_of_them(moments: Moments) -> None:
    """Finished, failed, read but not written yet, waiting: each stream is in one of them."""
    failed = named("sf_D", outcome="FAILED: no", error=UserError("no"))
    streams = [named("sf_A", outcome=WHOLE), failed, named("sf_B", all_read=True), StreamReport("sf_C")]

    picture = painter(moments, *streams)(24)

    assert picture.rows == ()
    assert picture.below[0] == "streams: 1 finished, 1 failed, 1 read, to be written, 1 waiting"


def test_a_stream_tells_its_rows_its_speed_and_its_next_page(moments: Moments) -> None:
    """A rate is that of the last seconds; the number of pages is an estimate that the last page corrects."""
    report = named("sf_A", outcome=UNFINISHED, rows_expected=450)
    draw = painter(moments, report)
    draw(24)
    moments.now = 2.0
    report.read(200)
    report.rows += 200

    assert draw(24).rows == (("sf_A", "200", "100", "1", "page 2 of 3"),)

    report.read(200)
    report.read(50)
    report.all_read = True
    assert draw(24).rows[0][3:] == ("3", "writing")
    moments.now = 60.0
    draw(24)
    moments.now = 70.0
    assert draw(24).rows[0][2] == ""


def test_how_long_a_stream_has_been_waiting_is_told(moments: Moments) -> None:
    """From the moment at which it began to wait for this very thing."""
    report = named("sf_A", doing="job UploadComplete")
    draw = painter(moments, report)
    assert draw(24).rows[0][-1] == "job UploadComplete"
    moments.now = 5.0
    report.doing = "job InProgress"
    assert draw(24).rows[0][-1] == "job InProgress"
    moments.now = 80.0

    assert draw(24).rows[0][-1] == "job InProgress, 1 min 15 s"


def test_what_the_stream_at_work_does_is_noted_from_anywhere(moments: Moments) -> None:
    """Rooms that know nothing of the run tell what they wait for; outside of one, nobody listens."""
    doing("job InProgress")
    report = named("sf_A")
    token = at_work.set(report)
    doing("job InProgress")
    expecting(7)
    at_work.reset(token)

    assert (report.doing, report.rows_expected) == ("job InProgress", 7)


def test_discovery_tells_how_far_it_is(moments: Moments) -> None:
    """Before the list is there that is said; then how many of how many are described."""
    board = Board()
    draw = DiscoveryPainter(board, Allowance(), moments)
    assert draw(24).below == ("Asking Salesforce which objects there are   0 s",)

    answers = board.describing(iter("abc"), 3)
    assert next(iter(answers)) == "a"

    assert draw(24).below == ("Describing objects: 1 of 3   0 API calls   0 s",)


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_narrow_terminal_shortens_names_before_what_is_told(moments: Moments, width: int) -> None:
    """No line is wider than the terminal, so none is wrapped."""
    long = named("sf_A_name_that_is_as_long_as_names_of_custom_objects_are__c", doing="job InProgress")

    drawn = str(rendered(painter(moments, long, named("sf_B"))(24), width))

    assert max(map(len, drawn.splitlines())) <= width
    assert ("job InProgress" in drawn) == (width >= 80)


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.9, "0 s"), (59, "59 s"), (61, "1 min 01 s"), (3600, "1 h 00 min"), (90_000, "25 h 00 min")]
)
def test_a_stretch_of_time_reads_as_a_person_says_it(seconds: float, told: str) -> None:
    """Seconds, then minutes, then hours."""
    assert clock(seconds) == told
