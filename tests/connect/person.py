"""Somebody at a browser: follows the address they are shown, fills in the login page, and reads where it ends."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from concurrent.futures import Future
from html import unescape
from urllib.parse import urljoin

import requests

from tap_salesforce_ci.demo.oauth import PASSWORD, USERNAME

CARRIED = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')
PATIENCE = 30


class Person:
    """
    Logs in and allows, or denies; `end` is the page on which the login ended.

    `on_the_way` is called with the callback address, code included, before it is visited.
    """

    def __init__(self, decision: str = "allow", on_the_way: Callable[[str], None] = lambda _: None) -> None:
        self.addresses: list[str] = []
        self._decision = decision
        self._on_the_way = on_the_way
        self._end: Future[requests.Response] = Future()

    def __call__(self, address: str) -> None:
        """Do as `webbrowser.open` does."""
        self.addresses.append(address)
        try:
            callback = self._logged_in(address)
            self._on_the_way(callback)
            self._end.set_result(requests.get(callback, timeout=PATIENCE))
        except (AssertionError, requests.RequestException) as error:
            self._end.set_exception(error)

    @property
    def end(self) -> requests.Response:
        """The last page."""
        return self._end.result(PATIENCE)

    def _logged_in(self, address: str) -> str:
        with requests.Session() as browser:
            page = browser.get(address, allow_redirects=False, timeout=PATIENCE)
            form = {name: unescape(value) for name, value in CARRIED.findall(page.text)}
            form |= {"username": USERNAME, "password": PASSWORD, "decision": self._decision}
            answer = browser.post(urljoin(address, "authorize"), form, allow_redirects=False, timeout=PATIENCE)
            assert answer.status_code == 302, answer.text
            return answer.headers["Location"]


if __name__ == "__main__":
    somebody = Person(sys.argv[1])
    somebody(sys.argv[2])
    assert somebody.end.text
