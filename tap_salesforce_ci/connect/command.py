"""`tap-salesforce-ci connect`: log in to Salesforce in the browser, check the access, keep the settings."""

from __future__ import annotations

import argparse
import getpass
import os
import random
import secrets
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterable
from pathlib import Path

from tap_salesforce_ci import __version__
from tap_salesforce_ci.client.http import Client, Send
from tap_salesforce_ci.client.limits import Allowance
from tap_salesforce_ci.client.retry import RetryPolicy
from tap_salesforce_ci.client.transport import Transport
from tap_salesforce_ci.connect.access import Access, checked
from tap_salesforce_ci.connect.flow import Authorization, AuthorizationCode, lasting
from tap_salesforce_ci.connect.keeping import Keeping, chosen, seen_by_git
from tap_salesforce_ci.connect.listener import Listener, redirect_uri
from tap_salesforce_ci.connect.page import connected, not_connected
from tap_salesforce_ci.connect.plan import OTHER_LOGINS, Ask, Plan, planned
from tap_salesforce_ci.errors import TapError
from tap_salesforce_ci.settings import CONFIG_JSONSCHEMA

PROGRAM = "tap-salesforce-ci connect"
PORT = 1717
"""What the Salesforce CLI listens on too, so that an app made for it serves here as it is."""

LOGIN_SECONDS = 300.0
REQUEST_SECONDS = 60.0
ATTEMPTS = 3
API_VERSION: str = CONFIG_JSONSCHEMA["properties"]["api_version"]["default"]
INTERRUPTED = 130
"""A shell's exit code for a program that Ctrl-C ended."""

SETTINGS = ("client_id", "client_secret", "domain")

DESCRIPTION = """\
Log in to Salesforce in the browser, and keep what the tap needs to come back by itself: in the .env of the
Meltano project around the current folder, or in a config file (--config). Secrets are written for their owner
only and never shown. A state is not touched: connect again whenever the access was revoked.
"""

EPILOG = f"""\
before the first time, in Salesforce Setup:
  make an External Client App (or a connected app) with OAuth: callback URL {redirect_uri(PORT)},
  scopes 'Manage user data via APIs (api)' and 'Perform requests at any time (refresh_token, offline_access)'

environment: TAP_SALESFORCE_CI_CLIENT_ID, _CLIENT_SECRET and _DOMAIN stand in for the options

next: meltano run tap-salesforce-ci target-YOURS, or tap-salesforce-ci --config FILE --discover
"""

Browse = Callable[[str], object]


def run(words: list[str], browse: Browse = webbrowser.open) -> int:
    """Connect as the words say, and return the exit code; what can't be done is raised as a TapError."""
    try:
        options = _parser().parse_args(words)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    try:
        _connect(options, browse)
    except KeyboardInterrupt:
        _say("\nStopped.")
        return INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--config", metavar="FILE", help="keep the settings in this JSON file")
    parser.add_argument("--domain", help="where to log in: login (default), test, or the org's My Domain or any URL")
    parser.add_argument(
        "--client-id", metavar="KEY", help="consumer key of the app (default: the one kept, else asked)"
    )
    parser.add_argument(
        "--client-secret",
        metavar="SECRET",
        help="consumer secret of the app; better asked for or taken from the environment, where no `ps` shows it",
    )
    parser.add_argument("--port", type=_port, default=PORT, help="of the callback address (default: %(default)s)")
    parser.add_argument("--no-browser", action="store_true", help="only show the address, to be opened by hand")
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=LOGIN_SECONDS,
        metavar="SECONDS",
        help="how long to wait for the login (default: %(default)g)",
    )
    return parser


def _port(text: str) -> int:
    port = int(text)
    if port not in range(1 << 16):
        raise argparse.ArgumentTypeError("a port is a number up to 65535; 0 takes any free one")
    return port


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= threading.TIMEOUT_MAX:
        raise argparse.ArgumentTypeError("give a number of seconds above 0")
    return seconds


def _connect(options: argparse.Namespace, browse: Browse) -> None:
    keeping = chosen(options.config, Path.cwd(), os.environ)
    given = {name: getattr(options, name) for name in SETTINGS}
    plan = planned(given, keeping, os.environ, _asking() if sys.stdin.isatty() else {})
    if plan.dropped:
        _say(f"To be taken out of {keeping.path}, for it contradicts this login: {_listed(plan.dropped)}.")
    send = Transport(f"tap-salesforce-ci/{__version__}", REQUEST_SECONDS)
    state = secrets.token_urlsafe(32)
    with Listener(options.port, state) as listener:
        authorization = Authorization(plan.app, listener.redirect_uri, state)
        authorization.check(send)
        _invite(authorization, None if options.no_browser else browse)
        redirect = listener.wait(options.timeout)
        try:
            access, settings = _entered(authorization.redeemed(redirect), plan, send)
            keeping.keep(settings, plan.dropped)
        except TapError as error:
            listener.show(not_connected(error))
            raise
        listener.show(connected(str(access), access.calls))
    _report(access, settings, plan, keeping)


def _asking() -> dict[str, Ask]:
    return {
        "client_id": lambda _: input("Consumer key of the app (client_id): "),
        "client_secret": lambda _: getpass.getpass("Consumer secret (client_secret; Enter if the app needs none): "),
    }


def _invite(authorization: Authorization, browse: Browse | None) -> None:
    """Show the address of the login, and open it; a browser in the terminal may take as long as the login does."""
    _say(f"Log in to Salesforce at\n\n{authorization.address}\n\nWaiting at {authorization.redirect_uri} ...")
    if browse:
        threading.Thread(target=browse, args=(authorization.address,), daemon=True).start()


def _entered(code: AuthorizationCode, plan: Plan, send: Send) -> tuple[Access, dict[str, str]]:
    """Exchange the code, and return the access that it gives and the settings that give it again."""
    client = Client(
        code,
        send,
        api_version=API_VERSION,
        allowance=Allowance(percent_total=100, percent_per_run=100),
        retry=RetryPolicy(random.random, ATTEMPTS),
        sleep=_sleep,
    )
    settings = {**plan.settings, "refresh_token": lasting(client.session)}
    return checked(client), settings


def _sleep(seconds: float) -> None:
    threading.Event().wait(seconds)


def _report(access: Access, settings: dict[str, str], plan: Plan, keeping: Keeping) -> None:
    _say(f"{access}\n{access.calls}\nWritten to {keeping.path}, readable by its owner only: {_listed(settings)}.")
    if plan.dropped:
        _say(f"Taken out of it: {_listed(plan.dropped)}.")
    if seen_by_git(keeping.path):
        _say(f"WARNING: git does not ignore {keeping.path}: add it to .gitignore, for it holds secrets.")
    outranked = keeping.outranked(os.environ)
    for name in sorted(set(outranked) & {*settings, *OTHER_LOGINS}):
        if outranked[name] != settings.get(name):
            _say(f"WARNING: the environment variable {keeping.variable(name)} outranks what was written: unset it.")
    _say(f"Next: {keeping.next_step}")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
