"""Faults that only the client's tests need."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from tap_salesforce_ci.demo.faults import Fault
from tap_salesforce_ci.demo.request_log import Request
from tap_salesforce_ci.demo.wire import Response


@dataclass(frozen=True)
class Answers(Fault):
    """The answer is this one, whatever was asked."""

    response: Response

    def instead(self, org: Any, request: Request) -> Response:
        return self.response


@dataclass(frozen=True)
class Meanwhile(Fault):
    """Something happens before the org looks at the request, which it then answers as it would."""

    happens: Callable[[], Any]

    def instead(self, org: Any, request: Request) -> None:
        self.happens()


@dataclass(frozen=True)
class Recorded(Fault):
    """Nothing goes wrong: it only notes with which status each object's describe was answered last."""

    statuses: dict[str, int] = field(default_factory=dict)

    def spoiled(self, org: Any, request: Request, response: Response) -> Response:
        self.statuses[request.path.split("/")[-2]] = response.status
        return response


@dataclass(frozen=True)
class WithoutStamp(Fault):
    """The answer does not say when it last changed."""

    def spoiled(self, org: Any, request: Request, response: Response) -> Response:
        headers = {name: value for name, value in response.headers.items() if name != "Last-Modified"}
        return replace(response, headers=headers)


@dataclass(frozen=True)
class EndlessPages(Fault):
    """Every page is empty and names another one."""

    numbers: Iterator[int] = field(default_factory=itertools.count)

    def instead(self, org: Any, request: Request) -> Response:
        number = next(self.numbers)
        if request.path.endswith("/results"):
            headers = {"Content-Type": "text/csv", "Sforce-NumberOfRecords": "0", "Sforce-Locator": f"L{number}"}
            return Response(200, b'"Id","Name"\n', headers)
        following = f"{request.path}-{number}"
        if "resultpages" in request.path.lower():
            return json_answer(f'{{"resultPages":[],"nextRecordsUrl":"{following}","done":false}}').response
        answer = f'{{"totalSize":5,"done":false,"nextRecordsUrl":"{following}","records":[]}}'
        return json_answer(answer).response


def json_answer(text: str, status: int = 200) -> Answers:
    """Return a fault that answers with this JSON."""
    return Answers(Response(status, text.encode(), {"Content-Type": "application/json;charset=UTF-8"}))
