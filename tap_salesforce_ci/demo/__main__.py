"""`python -m tap_salesforce_ci.demo`: the pretend org, tried out or served."""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
import threading
from pathlib import Path

from tap_salesforce_ci.demo import oauth
from tap_salesforce_ci.demo.data import demo_org
from tap_salesforce_ci.demo.server import Server

CHECKOUT = Path(__file__).resolve().parents[2]


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says; answer with an exit code."""
    parser = argparse.ArgumentParser(prog="python -m tap_salesforce_ci.demo", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("try", help="load the org into PostgreSQL with Meltano and show the tables")
    serving = commands.add_parser("serve", help="serve the org on loopback until interrupted")
    serving.add_argument("--port", type=int, default=0, help="default: any free one")
    chosen = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if chosen.command == "serve":
        return serve(chosen.port)
    from tap_salesforce_ci.demo.tryit import try_it  # noqa: PLC0415 - needs Meltano and a database; serving does not

    return try_it(CHECKOUT)


def serve(port: int) -> int:
    """Serve the org and print a config that reads it, until interrupted."""
    with Server(demo_org(), port=port) as server:
        config = {
            "domain": server.url,
            "client_id": oauth.CLIENT_ID,
            "client_secret": oauth.CLIENT_SECRET,
            "refresh_token": oauth.REFRESH_TOKEN,
        }
        sys.stdout.write(f"{json.dumps(config, indent=2)}\n")
        sys.stdout.flush()
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
