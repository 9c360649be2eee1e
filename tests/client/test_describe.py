"""Describes: many at once, and one that fails is one object less."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tap_salesforce_ci.client.describe import describe, describe_all, describe_global
from tap_salesforce_ci.client.http import Client
from tap_salesforce_ci.client.limits import Allowance
from tap_salesforce_ci.demo.faults import (
    BadDescribe,
    CutBody,
    ExpireSession,
    HtmlError,
    NotAcceptable,
    Refused,
    RequestLimitExceeded,
)
from tap_salesforce_ci.demo.objects import describes
from tap_salesforce_ci.demo.org import Org
from tap_salesforce_ci.errors import BrokenPromise, BudgetError, NotFound, TapError, TransientError
from tests.client.staged import json_answer
from tests.conftest import Connect

NAMES = sorted(describes())
BATCH = "/composite/batch"


def test_the_listing_names_every_object_in_one_call(client: Client, org: Org) -> None:
    """Name, label and whether it can be queried."""
    listing = {each.name: each for each in describe_global(client)}

    assert sorted(listing) == NAMES
    assert listing["Account"].queryable
    assert not listing["AccountChangeEvent"].queryable
    assert len(org.requests) == 1


def test_a_describe_tells_what_the_org_told(client: Client) -> None:
    """Every field in its order, with the marks that decide on keys and filters."""
    truth = describes()["Every_Type__c"]

    told = describe(client, "Every_Type__c")

    assert [field.name for field in told.fields] == [field["name"] for field in truth["fields"]]
    for field, true in zip(told.fields, truth["fields"], strict=True):
        assert (field.type, field.nillable, field.filterable, field.sortable, field.compound_field_name) == (
            true["type"],
            true["nillable"],
            true["filterable"],
            true["sortable"],
            true["compoundFieldName"],
        )
    assert told.field("Id") is not None
    assert told.field("id") is None


def test_many_objects_travel_in_few_batches(connect: Connect, org: Org) -> None:
    """Thirty-four describes are two requests of at most 25, in the order asked for."""
    client = connect(workers=2)

    told = list(describe_all(client, NAMES))

    assert [name for name, _ in told] == NAMES
    assert [each.name for _, each in told if not isinstance(each, TapError)] == NAMES
    sizes = [len(json.loads(request.body)["batchRequests"]) for request in org.requests]
    assert len(sizes) == 2
    assert max(sizes) <= 25


def test_no_batch_is_longer_than_salesforce_takes(connect: Connect, org: Org) -> None:
    """With one worker the batches are as long as allowed, and no longer."""
    list(describe_all(connect(workers=1), NAMES))

    assert [25, len(NAMES) - 25] == [len(json.loads(request.body)["batchRequests"]) for request in org.requests]


def test_a_few_objects_are_asked_for_one_by_one(client: Client, org: Org) -> None:
    """No more requests than workers, and no batch that makes one wait for the other."""
    told = list(describe_all(client, ["Account", "Lead"]))

    assert [name for name, _ in told] == ["Account", "Lead"]
    assert not org.requests.to(BATCH)


def test_no_objects_cost_nothing(client: Client, org: Org) -> None:
    """An empty list is asked of nobody."""
    assert list(describe_all(client, [])) == []
    assert org.requests == []


FAILING: list[Any] = [
    (BadDescribe("Lead"), TransientError),
    (BadDescribe("Lead", body={"fields": 3}), BrokenPromise),
    (BadDescribe("Lead", body=["no describe"]), BrokenPromise),
    (Refused(404, "NOT_FOUND", "The requested resource does not exist"), NotFound),
]


@pytest.mark.parametrize("workers", [1, 50], ids=["in a batch", "one by one"])
@pytest.mark.parametrize(("fault", "kind"), FAILING, ids=repr)
def test_one_bad_describe_is_one_object_less(
    connect: Connect, org: Org, workers: int, fault: Any, kind: type[TapError]
) -> None:
    """The reason stands in its place, with its name; all others are there."""
    org.faults.add(fault, path="/Lead/describe", count=None)

    told = dict(describe_all(connect(workers=workers), NAMES))

    reason = told.pop("Lead")
    assert type(reason) is kind
    assert "object: Lead" in str(reason)
    assert not [name for name, each in told.items() if isinstance(each, TapError)]
    assert len(told) == len(NAMES) - 1


def test_an_object_that_is_gone_meanwhile_is_one_object_less(client: Client, org: Org) -> None:
    """The org's own 404 within a batch."""
    org.drop_object("Lead")

    told = dict(describe_all(client, NAMES))

    assert isinstance(told["Lead"], NotFound)
    assert len([each for each in told.values() if isinstance(each, TapError)]) == 1


def test_406_in_a_batch_is_asked_for_alone(client: Client, org: Org) -> None:
    """A describe that answers 406 now and then comes the second time."""
    org.faults.add(NotAcceptable(), path="/Lead/describe", count=2)

    told = dict(describe_all(client, NAMES))

    assert not [name for name, each in told.items() if isinstance(each, TapError)]


@pytest.mark.parametrize(
    "fault",
    [
        Refused(404, "NOT_FOUND", "The requested resource does not exist"),
        Refused(403, "INSUFFICIENT_ACCESS", "composite is not for you"),
        HtmlError(404),
        json_answer('{"hasErrors":false,"results":[]}'),
        json_answer('{"results":[{"statusCode":200,"result":null}]}'),
        json_answer("{}"),
        json_answer("[]"),
        CutBody(length="cut"),
    ],
    ids=repr,
)
def test_an_org_without_batches_is_asked_one_by_one(client: Client, org: Org, fault: Any) -> None:
    """Whatever is wrong with the batch, every object is described."""
    org.faults.add(fault, path=BATCH, count=None)

    told = dict(describe_all(client, NAMES))

    assert not [name for name, each in told.items() if isinstance(each, TapError)]
    assert len(told) == len(NAMES)


def test_a_session_that_ends_in_between_is_renewed(connect: Connect, org: Org) -> None:
    """Discovery goes on with a new session."""
    from tap_salesforce_ci.client.auth import RefreshToken  # noqa: PLC0415
    from tap_salesforce_ci.demo import oauth  # noqa: PLC0415

    client = connect(RefreshToken(org.instance_url, oauth.CLIENT_ID, oauth.REFRESH_TOKEN, oauth.CLIENT_SECRET))
    org.faults.add(ExpireSession(), path=BATCH, nth=2)

    assert not [each for _, each in describe_all(client, NAMES) if isinstance(each, TapError)]


@pytest.mark.parametrize("path", [BATCH, "/describe"])
def test_a_spent_allowance_ends_it(connect: Connect, org: Org, path: str) -> None:
    """An allowance that is used up is no reason of one object's: it ends the run."""
    org.faults.add(RequestLimitExceeded(), path=path, count=None)
    names = NAMES if path == BATCH else ["Account", "Lead"]

    with pytest.raises(BudgetError):
        list(describe_all(connect(), names))


def test_its_own_allowance_ends_it_too(connect: Connect, org: Org) -> None:
    """So does the share that the settings give the run."""
    org.limits.daily_max = 100
    client = connect(allowance=Allowance(100, 10))
    describe_global(client)

    with pytest.raises(BudgetError):
        list(describe_all(client, NAMES))
    assert org.limits.daily_used <= 10


@pytest.mark.parametrize("text", ["[]", "{}", '{"sobjects":[{}]}', '{"sobjects":[{"name":5}]}', '{"sobjects":'])
def test_a_listing_that_is_none_is_told(client: Client, org: Org, text: str) -> None:
    """Something else than describeGlobal documents is a broken promise, not a crash."""
    org.faults.add(json_answer(text), path="/sobjects", count=None)

    with pytest.raises(BrokenPromise, match="can't be read"):
        describe_global(client)


def test_keys_that_old_versions_lack_have_defaults(client: Client, org: Org) -> None:
    """A describe with the names and types alone is enough."""
    org.faults.add(json_answer('{"name":"Old","fields":[{"name":"Id","type":"id"}],"unknown":1}'), path="/Old/describe")

    told = describe(client, "Old")

    assert [(field.name, field.type, field.filterable) for field in told.fields] == [("Id", "id", True)]
