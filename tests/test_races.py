"""Promises of many threads and several processes at once, kept when they all come at the worst moment."""

from __future__ import annotations

import itertools
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tap_salesforce_ci.client import bulk
from tap_salesforce_ci.client.auth import RefreshToken
from tap_salesforce_ci.client.body import Body
from tap_salesforce_ci.client.http import Client
from tap_salesforce_ci.client.limits import Allowance
from tap_salesforce_ci.client.retry import RetryPolicy
from tap_salesforce_ci.client.soql import Query
from tap_salesforce_ci.client.token_store import RotatingRefreshToken, TokenStore
from tap_salesforce_ci.connect.keeping import ConfigFile, Keeping, ProjectEnv
from tap_salesforce_ci.connect.meltano import MeltanoProject
from tap_salesforce_ci.demo import oauth
from tap_salesforce_ci.demo.faults import Fault, HtmlError, Refused, Stall
from tap_salesforce_ci.demo.org import Org
from tap_salesforce_ci.demo.server import Server
from tap_salesforce_ci.demo.wire import Response
from tap_salesforce_ci.errors import BrokenPromise, BudgetError, LoginRefused, TapError, TransientError
from tap_salesforce_ci.unbroken import unbroken, wait_for_unbroken
from tap_salesforce_ci.writer import BlockWriter
from tests.client.staged import json_answer
from tests.conftest import Connect
from tests.singer import Output, Warehouse, messages_in, sync
from tests.test_writer import read_lines, write_settings
from tests.truth import expected

pytestmark = pytest.mark.timeout(120)

MANY = 32
ROUNDS = 10
PATIENCE = 60
TERMINATED = 128 + signal.SIGTERM
HASTY = 1e-5
"""Seconds after which threads take turns: five hundred times as often as usual."""

TOKEN = "/services/oauth2/token"
OVER = (
    Refused(401, "INVALID_SESSION_ID", "Session expired or invalid"),
    Refused(400, "InvalidSessionId", "Invalid session id"),
)
"""A session's end as REST tells it, and as Bulk does."""

OutcomeT = TypeVar("OutcomeT")


@pytest.fixture(autouse=True)
def hasty_threads() -> Iterator[None]:
    """Threads that take turns all the time."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(HASTY)
    yield
    sys.setswitchinterval(before)


@dataclass(frozen=True)
class Together(Fault):
    """So many requests are held until all of them are there; then each is answered by the next of these in turn."""

    number: int
    answers: Iterator[Fault]
    barrier: threading.Barrier = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "barrier", threading.Barrier(self.number))

    def instead(self, org: Any, request: Any) -> Response | None:
        answer = next(self.answers)
        self.barrier.wait(PATIENCE)
        return answer.instead(org, request)


def together(number: int, *answers: Fault) -> Together:
    return Together(number, itertools.cycle(answers))


@dataclass(frozen=True)
class Held(Fault):
    """The org does what it was asked for, tells that it has come, and keeps its answer until it may go."""

    came: threading.Event = field(default_factory=threading.Event)
    may_go: threading.Event = field(default_factory=threading.Event)

    def spoiled(self, org: Any, request: Any, response: Response) -> Response:
        self.came.set()
        self.may_go.wait(PATIENCE)
        return response


@dataclass(frozen=True)
class Crowd(Fault):
    """Each answer comes a little late, and `most` is how many were waited for at once."""

    seen: list[int] = field(default_factory=list)
    now: list[None] = field(default_factory=list)

    def instead(self, org: Any, request: Any) -> None:
        self.now.append(None)
        self.seen.append(len(self.now))

    def spoiled(self, org: Any, request: Any, response: Response) -> Response:
        threading.Event().wait(0.02)
        self.now.pop()
        return response

    @property
    def most(self) -> int:
        return max(self.seen)


def at_once(number: int, work: Callable[[int], OutcomeT]) -> list[OutcomeT]:
    """Have so many threads do the work, begun together, and return what came of it."""
    begin = threading.Barrier(number)

    def begun(each: int) -> OutcomeT:
        begin.wait(PATIENCE)
        return work(each)

    with ThreadPoolExecutor(number) as threads:
        return list(threads.map(begun, range(number)))


def outcome(work: Callable[[], object]) -> TapError | None:
    """Return the error that the work ends with."""
    try:
        work()
    except TapError as error:
        return error
    return None


def limits(client: Client) -> int:
    return client.get(f"{client.data_path}/limits").status


def logins(org: Org) -> int:
    return len(org.requests.to(TOKEN))


# -- one renewal for all ---------------------------------------------------------------------------------------


@pytest.fixture
def renewing(connect: Connect, server: Server) -> Client:
    """A signed-in client of which many threads may ask at once."""
    client = connect(RefreshToken(server.url, oauth.CLIENT_ID, oauth.REFRESH_TOKEN, oauth.CLIENT_SECRET), workers=MANY)
    limits(client)
    return client


def test_all_who_learn_at_once_that_the_session_is_over_share_one_login(renewing: Client, org: Org) -> None:
    """All are told in the same moment, by REST's word for it or by Bulk's: one logs in, every request is replayed."""
    for rounds in range(1, ROUNDS + 1):
        org.expire_sessions()
        org.faults.add(together(MANY, *OVER), path="/limits", count=MANY)

        assert at_once(MANY, lambda _: limits(renewing)) == [200] * MANY
        assert logins(org) == 1 + rounds
    assert len(org.requests.to("/limits")) == 1 + 2 * MANY * ROUNDS


def test_downloads_that_find_the_session_over_begin_again_with_one_login(renewing: Client, org: Org) -> None:
    """Result pages on their way into memory: each arrives once and whole, whatever was gathered of a refusal."""
    for number in range(500):
        org.insert("Account", {"Name": f"Account {number}"})
    job = bulk.wait(renewing, bulk.create(renewing, Query("Account", ("Id", "Name")), include_deleted=False).id)
    org.faults.add(together(MANY, OVER[1]), path="/results", count=MANY)

    def download(_: int) -> tuple[int, int]:
        answer = renewing.get(f"{renewing.data_path}/jobs/query/{job.id}/results", into=Body)
        assert answer.content is not None
        return answer.content.size, answer.content.checksum()

    assert len(set(at_once(MANY, download))) == 1
    assert logins(org) == 2
    assert len(org.requests.to("/results")) == 2 * MANY


def test_a_session_that_is_over_again_at_once_costs_all_one_login_more(renewing: Client, org: Org) -> None:
    """The session that replaced the first dies under all the replayed requests together."""
    org.faults.add(together(MANY, *OVER), path="/limits", count=2 * MANY)

    assert at_once(MANY, lambda _: limits(renewing)) == [200] * MANY
    assert logins(org) == 3


NO_SESSION = json_answer('{"id": "no session"}')


@pytest.mark.parametrize(
    ("fault", "kind", "asked"),
    [(HtmlError(503), TransientError, RetryPolicy(lambda: 0.0).attempts), (NO_SESSION, BrokenPromise, 1)],
    ids=["503", "no session"],
)
def test_a_login_that_fails_is_not_tried_again_by_each_who_waited_for_it(
    renewing: Client, org: Org, fault: Fault, kind: type[TapError], asked: int
) -> None:
    """All get the same error from one login with its retries; a request that comes later may log in."""
    org.faults.add(together(MANY, *OVER), path="/limits", count=MANY)
    failing = org.faults.add(fault, path=TOKEN, count=None)

    errors = at_once(MANY, lambda _: outcome(lambda: limits(renewing)))

    assert {type(error) for error in errors} == {kind}
    assert len({str(error) for error in errors}) == 1
    assert len({id(error) for error in errors}) == MANY
    assert logins(org) == 1 + asked
    failing.count = 0
    org.expire_sessions()
    assert limits(renewing) == 200


def test_a_login_that_hangs_is_waited_for_once(connect: Connect, org: Org, server: Server) -> None:
    """Whoever waits for it shares its timeout, instead of beginning one of their own."""
    auth = RefreshToken(server.url, oauth.CLIENT_ID, oauth.REFRESH_TOKEN, oauth.CLIENT_SECRET)
    client = connect(auth, workers=8, timeout=1.5, retry=RetryPolicy(lambda: 0.0, attempts=1))
    limits(client)
    org.faults.add(together(8, *OVER), path="/limits", count=8)
    org.faults.add(Stall(), path=TOKEN, count=None)

    errors = at_once(8, lambda _: outcome(lambda: limits(client)))

    assert {type(error) for error in errors} == {TransientError}
    assert len({str(error) for error in errors}) == 1
    assert logins(org) == 2


# -- rotation --------------------------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "token.json"


def rotating(server: Server, store: Path, token: str = oauth.REFRESH_TOKEN) -> RotatingRefreshToken:
    """Return a login whose refresh tokens are kept."""
    grant = RefreshToken(server.url, oauth.CLIENT_ID, token, oauth.CLIENT_SECRET)
    return RotatingRefreshToken(grant, TokenStore(store), lambda _: None)


def kept_in(store: Path) -> str:
    """Return the token that a store's file holds."""
    kept: str = json.loads(store.read_text("utf-8"))["refresh_token"]
    return kept


def test_many_threads_use_up_each_refresh_token_once(connect: Connect, org: Org, server: Server, store: Path) -> None:
    """No token that was replaced is ever sent again, and the file always holds the one that lives."""
    org.rotate_refresh_tokens = True
    client = connect(rotating(server, store), workers=MANY)
    limits(client)
    for _ in range(ROUNDS):
        org.expire_sessions()
        org.faults.add(together(MANY, *OVER), path="/limits", count=MANY)

        assert at_once(MANY, lambda _: limits(client)) == [200] * MANY
        assert org.grants.find_grant(kept_in(store)) is not None
    asked = org.requests.to(TOKEN)
    assert [request.status for request in asked] == [200] * (1 + ROUNDS)
    assert len({request.form["refresh_token"] for request in asked}) == 1 + ROUNDS


LOGS_IN = """
import sys
from tap_salesforce_ci.client.http import Client
from tap_salesforce_ci.client.limits import Allowance
from tap_salesforce_ci.client.retry import RetryPolicy
from tap_salesforce_ci.client.transport import Transport
from tap_salesforce_ci.demo import oauth
from tap_salesforce_ci.settings import Settings, tidied
url, times, refresh_token, store = sys.argv[1:]
config = {"domain": url, "client_id": oauth.CLIENT_ID, "client_secret": oauth.CLIENT_SECRET}
config |= {"refresh_token": refresh_token, "token_store": store}
policy = RetryPolicy(lambda: 0.0)
auth = Settings.from_config(tidied(config), print).auth
client = Client(
    auth, Transport("x", 30), api_version="66.0", allowance=Allowance(100, 100), retry=policy, sleep=lambda _: None
)
for _ in range(int(times)):
    client.get(client.data_path + "/limits")
    client.renew(client.session)
"""


def python(code: str, *arguments: object) -> subprocess.Popen[str]:
    """Start a program in a process of its own."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def watched(file: Path, *processes: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """Read a JSON file over and over until the processes have come to a good end; return what it held."""
    held: dict[bytes, dict[str, Any]] = {}
    pause = threading.Event()
    while any(process.poll() is None for process in processes):
        pause.wait(0.001)
        if file.exists():
            content = file.read_bytes()
            held.setdefault(content, json.loads(content))
    for process in processes:
        told, _ = process.communicate()
        assert (process.returncode, told) == (0, "")
    return list(held.values())


def test_processes_that_share_a_token_store_take_turns(org: Org, server: Server, store: Path) -> None:
    """Each renews again and again: no two at a time, none is refused, and the file is whole and up to date."""
    org.rotate_refresh_tokens = True
    crowd = Crowd()
    org.faults.add(crowd, path=TOKEN, count=None)

    watched(store, *(python(LOGS_IN, server.url, 8, oauth.REFRESH_TOKEN, store) for _ in range(2)))

    assert crowd.most == 1
    assert [request.status for request in org.requests.to(TOKEN)] == [200] * 18
    assert org.grants.find_grant(kept_in(store)) is not None
    assert list(store.parent.iterdir()) == [store]


def test_processes_with_grants_of_their_own_may_share_a_token_store(
    connect: Connect, org: Org, server: Server, store: Path
) -> None:
    """Neither loses its token to the other: both get in again with what their configs have always held."""
    org.rotate_refresh_tokens = True
    other = org.grants.grant(org.users[oauth.USERNAME], org.apps[oauth.CLIENT_ID], "api refresh_token").token

    watched(store, *(python(LOGS_IN, server.url, 4, token, store) for token in (oauth.REFRESH_TOKEN, other)))
    for token in (oauth.REFRESH_TOKEN, other):
        limits(connect(rotating(server, store, token)))

    assert {request.status for request in org.requests.to(TOKEN)} == {200}


@dataclass(frozen=True)
class Holder:
    """A real run in the middle of a login: its old refresh token is dead, the new one is in an answer that is held."""

    process: subprocess.Popen[str]
    held: Held
    settings: Path


@pytest.fixture
def holder(org: Org, server: Server, store: Path, tmp_path: Path) -> Iterator[Callable[[int], Holder]]:
    """Start a run whose nth login is held."""
    org.rotate_refresh_tokens = True
    org.insert("Account", {"Name": "x"})
    started: list[subprocess.Popen[str]] = []

    def start(nth: int) -> Holder:
        held = Held()
        org.faults.add(held, path=TOKEN, nth=nth)
        settings = write_settings(tmp_path, server, streams=["Account"], api_type="rest", token_store=str(store))
        command = [sys.executable, "-m", "tap_salesforce_ci", "--config", str(settings)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        started.append(process)
        assert held.came.wait(PATIENCE)
        return Holder(process, held, settings)

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("nth", [1, 2], ids=["the first login", "a renewal"])
def test_a_signal_does_not_lose_the_refresh_token_that_is_on_its_way(
    org: Org, store: Path, holder: Callable[[int], Holder], nth: int
) -> None:
    """The run ends as it was told to, but not before the token that replaces the old one is kept."""
    if nth > 1:
        org.faults.add(OVER[0], path="/queryAll")
    run = holder(nth)

    run.process.send_signal(signal.SIGTERM)
    assert run.process.stderr is not None
    assert any("Ended by SIGTERM" in line for line in run.process.stderr)
    run.held.may_go.set()

    assert run.process.wait(PATIENCE) == TERMINATED
    assert org.grants.find_grant(kept_in(store)) is not None


def test_who_waits_for_such_work_waits_no_longer_than_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that hangs does not keep a process that was told to end."""
    monkeypatch.setattr("tap_salesforce_ci.unbroken.PATIENCE", 0.01)
    begun, over = threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        over.wait(PATIENCE)

    working = threading.Thread(target=unbroken, args=(hang,))
    working.start()
    assert begun.wait(PATIENCE)
    ending = threading.Thread(target=wait_for_unbroken)
    ending.start()
    ending.join(PATIENCE / 2)

    assert working.is_alive()
    assert not ending.is_alive()
    over.set()
    working.join(PATIENCE)


def test_a_signal_that_another_thread_is_given_is_heard_while_such_work_goes_on() -> None:
    """Whoever waits for the work looks up in between: the signal's work is done before this work is."""
    heard = threading.Event()

    def work() -> bool:
        # Whoever waits must have come to wait: until then they would hear it at once.
        threading.Event().wait(0.2)
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR2)
        return heard.wait(PATIENCE / 6)

    before = signal.signal(signal.SIGUSR2, lambda *_: heard.set())
    try:
        assert unbroken(work)
    finally:
        signal.signal(signal.SIGUSR2, before)


def test_a_run_that_is_killed_outright_in_a_login_leaves_the_store_whole_and_nobody_waiting(
    org: Org, server: Server, store: Path, holder: Callable[[int], Holder]
) -> None:
    """The token in the answer is lost; the next run is told so at once, with the remedy."""
    org.faults.add(OVER[0], path="/queryAll")
    run = holder(2)
    before = store.read_bytes()

    run.process.kill()
    run.process.wait(PATIENCE)
    run.held.may_go.set()

    assert store.read_bytes() == before
    output = sync(server, streams=["Account"], token_store=str(store))
    assert isinstance(output.error, LoginRefused)
    assert "tap-salesforce-ci connect" in output.error.remedy


# -- the allowance ---------------------------------------------------------------------------------------------


class Dawdling(float):
    """A number that lets other threads go first whenever something is multiplied by it."""

    def __mul__(self, other: float) -> float:
        threading.Event().wait(0.001)
        return float(self) * other


def test_the_last_calls_of_an_allowance_are_handed_out_once_each() -> None:
    """However many threads ask for the few calls that are left, so many get one, and all others are refused."""
    for left in (1, 2, 5, 17, MANY - 1, MANY, MANY + 1):
        allowance = Allowance(Dawdling(80), 100)
        with allowance.spending() as told:
            told(f"api-usage={80 - left}/100")
        refused = threading.Barrier(MANY)

        def ask(_: int, allowance: Allowance = allowance, refused: threading.Barrier = refused) -> bool:
            try:
                with allowance.spending():
                    refused.wait(PATIENCE)
            except BudgetError:
                refused.wait(PATIENCE)
                return False
            return True

        assert sum(at_once(MANY, ask)) == min(left, MANY)
        assert allowance.calls == 1 + min(left, MANY)


@pytest.mark.parametrize("of", ["everybody", "one run"])
def test_calls_under_way_leave_to_others_only_what_is_left_beyond_them(connect: Connect, org: Org, of: str) -> None:
    """While ten calls wait for their answers, the eleventh is refused: it would be one too many."""
    left = 10
    org.limits.daily_max, org.limits.daily_used = 100, 49
    client = connect(allowance=Allowance(60, 100) if of == "everybody" else Allowance(100, left + 1), workers=MANY)
    limits(client)
    org.faults.add(together(left, *[Fault()]), path="/limits", count=left)

    errors = at_once(MANY, lambda _: outcome(lambda: limits(client)))

    assert org.limits.daily_used == 50 + left
    assert client.allowance.calls == 1 + left
    assert {type(error) for error in errors if error} == {BudgetError}
    assert errors.count(None) == left


def test_before_an_answer_has_told_only_calls_under_way_may_overdraw_the_allowance(connect: Connect, org: Org) -> None:
    """Nothing is known before the first answer; with it, everybody is held to it."""
    org.limits.daily_max, org.limits.daily_used = 100, 79
    client = connect(allowance=Allowance(80, 100), workers=MANY)
    org.faults.add(together(8, *[Fault()]), path="/limits", count=8)

    assert at_once(8, lambda _: limits(client)) == [200] * 8
    errors = at_once(MANY, lambda _: outcome(lambda: limits(client)))

    assert {type(error) for error in errors} == {BudgetError}
    assert org.limits.daily_used == 79 + 8


# -- files that several processes write ------------------------------------------------------------------------

DESCRIBES = """
import sys
import msgspec
from tap_salesforce_ci.client.auth import GivenSession
from tap_salesforce_ci.client.describe import Kept
from tap_salesforce_ci.client.describe_cache import DescribeCache
from tap_salesforce_ci.client.http import Client
from tap_salesforce_ci.client.limits import Allowance
from tap_salesforce_ci.client.retry import RetryPolicy
from tap_salesforce_ci.client.transport import Transport
from pathlib import Path
url, token, file, mark = sys.argv[1:]
policy = RetryPolicy(lambda: 0.0)
client = Client(
    GivenSession(url, token), Transport("x", 30), api_version="66.0", allowance=Allowance(100, 100),
    retry=policy, sleep=lambda _: None,
)
for number in range(20):
    cache = DescribeCache(client, Path(file))
    cache.open()
    told = Kept(f"{mark} {number}", msgspec.Raw(b'"' + mark.encode() * 2000 + b'"'))
    cache.kept = {f"Object{each}": told for each in range(100)}
    cache.write()
"""


def test_processes_that_share_a_describe_cache_never_show_a_torn_file(org: Org, server: Server, tmp_path: Path) -> None:
    """Whoever reads finds what one of them wrote, from its beginning to its end; nothing is left beside it."""
    file = tmp_path / "kept" / "describes.json"
    token = org.open_session()

    held = watched(file, *(python(DESCRIBES, server.url, token, file, mark) for mark in "ab"))

    assert len(held) > 1
    for each in held:
        assert len(each["describes"]) == 100
        assert len({json.dumps(kept) for kept in each["describes"].values()}) == 1
    assert list(file.parent.iterdir()) == [file]


def project_env(folder: Path, plugin: str) -> Keeping:
    return ProjectEnv(MeltanoProject(folder, plugin, {}, "target-postgres"))


def config_file(folder: Path, _plugin: str) -> Keeping:
    return ConfigFile(folder / "config.json")


@pytest.mark.parametrize("place", [project_env, config_file])
def test_settings_that_are_kept_at_the_same_time_are_all_kept(
    tmp_path: Path, place: Callable[[Path, str], Keeping]
) -> None:
    """Logins that end together, for several plugins of a project or into one file: none undoes the others'."""
    for number in range(ROUNDS):
        folder = tmp_path / str(number)
        folder.mkdir()

        def keep(each: int, folder: Path = folder) -> None:
            place(folder, f"tap-{each}").keep({f"setting{each}": "x" * 1000}, ())

        at_once(4, keep)

        kept = [place(folder, f"tap-{each}").settings() for each in range(4)]
        assert all(settings[f"setting{each}"] == "x" * 1000 for each, settings in enumerate(kept))


# -- what is written -------------------------------------------------------------------------------------------

STREAMS = ["Account", "Campaign", "Case", "Contact", "Lead", "Opportunity", "Product2", "Task"]
ROWS = 120


@pytest.fixture
def tables(org: Org) -> Org:
    """The org with rows in many tables, on many pages."""
    org.rest_page_rows = 25
    org.bulk_page_rows = 25
    for number, name in itertools.product(range(ROWS), STREAMS):
        org.insert(name, {"Description": f"é {number}" * 20})
    org.clock.advance(timedelta(minutes=1))
    return org


def assert_in_turn(messages: list[dict[str, Any]]) -> None:
    """Assert that each stream's messages stand together, its schema first."""
    told = [message["stream"] for message in messages if "stream" in message]
    streams = [stream for stream, _ in itertools.groupby(told)]
    assert len(streams) == len(set(streams))
    first = {message["stream"]: message["type"] for message in reversed(messages) if "stream" in message}
    assert set(first.values()) == {"SCHEMA"}


@pytest.mark.parametrize("api", ["rest", "bulk2"])
def test_one_thread_writes_what_many_read(
    tables: Org, server: Server, monkeypatch: pytest.MonkeyPatch, api: str
) -> None:
    """All streams are read at once, and their lines come one stream behind the other, whole, from the main thread."""
    writers: set[int] = set()
    write_block = BlockWriter.write_block

    def watched_write(self: BlockWriter, lines: bytes | memoryview) -> None:
        writers.add(threading.get_ident())
        write_block(self, lines)

    monkeypatch.setattr(BlockWriter, "write_block", watched_write)

    output = sync(server, streams=STREAMS, api_type=api, max_workers=16)

    assert output.error is None
    assert writers == {threading.get_ident()}
    assert_in_turn(output.messages)
    assert all(len(output.records(f"sf_{name}")) == ROWS for name in STREAMS)


def test_a_signal_amid_many_streams_tears_no_line(tables: Org, server: Server, tmp_path: Path) -> None:
    """A run that is told to end in the middle: whole lines, streams in turn, and the next run brings the rest."""
    settings = write_settings(tmp_path, server, streams=STREAMS, api_type="rest", max_workers=16)
    command = [sys.executable, "-m", "tap_salesforce_ci", "--config", str(settings)]

    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        read = b"".join(read_lines(process.stdout, ROWS * 3))
        process.send_signal(signal.SIGTERM)
        read += process.stdout.read()
        assert process.wait(PATIENCE) == TERMINATED

    assert read.endswith(b"\n")
    messages = messages_in(read)
    assert Output(messages).state
    assert_in_turn(messages)
    warehouse = Warehouse()
    warehouse.load(Output(messages))
    rest = sync(server, streams=STREAMS, api_type="rest", state=Output(messages).state)
    warehouse.load(rest)
    for name in STREAMS:
        stream = f"sf_{name}"
        assert warehouse.rows(stream) == expected(tables, name, rest.schema(stream))
