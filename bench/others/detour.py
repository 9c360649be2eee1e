"""
Run another tap with its requests sent to the prepared org: `python detour.py ADDRESS PROGRAM ARGUMENT...`.

For taps that log in at a fixed host. Nothing is imported that such a tap hasn't got, and no new syntax used: some of
them need an old Python.
"""

from __future__ import annotations

import runpy
import sys
from typing import Any
from urllib.parse import urlsplit

import requests


def detour(address: str) -> None:
    """Send every request to the address, whichever host it was meant for; path and query stay."""
    place = urlsplit(address)
    send = requests.Session.send

    def send_there(session: requests.Session, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        asked = urlsplit(request.url or "")
        request.url = asked._replace(scheme=place.scheme, netloc=place.netloc).geturl()
        return send(session, request, **options)

    requests.Session.send = send_there  # type: ignore[method-assign]


def main(address: str, *words: str) -> None:
    """Become the program, as if it had been started with these words."""
    detour(address)
    sys.argv = list(words)
    runpy.run_path(words[0], run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:])
