"""Faults that only the client's tests need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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


def json_answer(text: str, status: int = 200) -> Answers:
    """Return a fault that answers with this JSON."""
    return Answers(Response(status, text.encode(), {"Content-Type": "application/json;charset=UTF-8"}))
