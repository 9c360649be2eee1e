"""Describes: many at once, and one that fails is one object less."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from tap_salesforce_ci.client.describe import Kept, SObject, describe, describe_all, describe_global
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
from tap_salesforce_ci.demo.wire import Response
from tap_salesforce_ci.errors import BrokenPromise, BudgetError, NotFound, TapError, TransientError
from tests.client.staged import Answers, Recorded, WithoutStamp, json_answer
from tests.conftest import Connect

NAMES = sorted(describes())
COMPOSITE, BATCH = "/composite$", "/composite/batch$"


def asked_for(org: Org, path: str, key: str) -> list[int]:
    """Return how many subrequests each request in that form had."""
    return [len(json.loads(each.body)[key]) for each in org.requests if each.path.endswith(path)]


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


def test_many_objects_travel_in_few_composites(connect: Connect, org: Org) -> None:
    """Thirty-four describes are two requests of at most 25 and two API calls, in the order asked for."""
    client = connect(workers=2)

    told = list(describe_all(client, NAMES))

    assert [name for name, _ in told] == NAMES
    assert [each.name for _, each in told if not isinstance(each, TapError)] == NAMES
    sizes = asked_for(org, "/composite", "compositeRequest")
    assert sorted(sizes) == [len(NAMES) // 2, (len(NAMES) + 1) // 2]
    assert client.allowance.calls == org.limits.daily_used == len(org.requests) == 2


def test_no_composite_is_longer_than_salesforce_takes(connect: Connect, org: Org) -> None:
    """With one worker the composites are as long as allowed, and no longer."""
    list(describe_all(connect(workers=1), NAMES))

    assert asked_for(org, "/composite", "compositeRequest") == [25, len(NAMES) - 25]


def test_a_few_objects_are_asked_for_one_by_one(client: Client, org: Org) -> None:
    """No more requests than workers, and no composite that makes one wait for the other."""
    told = list(describe_all(client, ["Account", "Lead"]))

    assert [name for name, _ in told] == ["Account", "Lead"]
    assert not org.requests.to("/composite")


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


@pytest.mark.parametrize("workers", [1, 50], ids=["in a composite", "one by one"])
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
    """The org's own 404 within a composite."""
    org.drop_object("Lead")

    told = dict(describe_all(client, NAMES))

    assert isinstance(told["Lead"], NotFound)
    assert len([each for each in told.values() if isinstance(each, TapError)]) == 1


def test_406_in_a_composite_is_asked_for_alone(client: Client, org: Org) -> None:
    """A describe that answers 406 now and then comes the second time."""
    org.faults.add(NotAcceptable(), path="/Lead/describe", count=2)

    told = dict(describe_all(client, NAMES))

    assert not [name for name, each in told.items() if isinstance(each, TapError)]


NO_FORM: list[Any] = [
    Refused(404, "NOT_FOUND", "The requested resource does not exist"),
    Refused(405, "METHOD_NOT_ALLOWED", "HTTP Method 'POST' not allowed. Allowed are HEAD,GET"),
    Refused(403, "INSUFFICIENT_ACCESS", "composite is not for you"),
    HtmlError(404),
    json_answer('{"compositeResponse":[]}'),
    json_answer('{"hasErrors":false,"results":[]}'),
    json_answer('{"results":[{"statusCode":200,"result":null}]}'),
    json_answer("{}"),
    json_answer("[]"),
    CutBody(length="cut"),
]


@pytest.mark.parametrize("fault", NO_FORM, ids=repr)
def test_an_org_without_composites_is_asked_in_batches(connect: Connect, org: Org, fault: Any) -> None:
    """Whatever is wrong with the composite, every object is described, and it is not tried again."""
    org.faults.add(fault, path=COMPOSITE, count=None)
    client = connect(workers=1)

    told = dict(describe_all(client, NAMES))

    assert not [name for name, each in told.items() if isinstance(each, TapError)]
    assert list(told) == NAMES
    assert len(set(asked_for(org, "/composite", "compositeRequest"))) == 1, "only the first, and its retries"
    assert asked_for(org, "/composite/batch", "batchRequests") == [25, len(NAMES) - 25]
    assert client.allowance.calls >= 1 + len(NAMES), "each describe of a batch is a call"


@pytest.mark.parametrize("fault", NO_FORM, ids=repr)
def test_an_org_without_either_is_asked_one_by_one(connect: Connect, org: Org, fault: Any) -> None:
    """Whatever is wrong with both, every object is described, and neither is tried again."""
    org.faults.add(fault, path="/composite", count=None)

    told = dict(describe_all(connect(workers=1), NAMES))

    assert not [name for name, each in told.items() if isinstance(each, TapError)]
    assert len(org.requests.to("/describe")) == len(told) == len(NAMES)
    assert set(asked_for(org, "/composite", "compositeRequest")) == {25}
    assert set(asked_for(org, "/composite/batch", "batchRequests")) == {25}


def test_a_session_that_ends_in_between_is_renewed(connect: Connect, org: Org) -> None:
    """Discovery goes on with a new session."""
    from tap_salesforce_ci.client.auth import RefreshToken  # noqa: PLC0415
    from tap_salesforce_ci.demo import oauth  # noqa: PLC0415

    client = connect(RefreshToken(org.instance_url, oauth.CLIENT_ID, oauth.REFRESH_TOKEN, oauth.CLIENT_SECRET))
    org.faults.add(ExpireSession(), path=COMPOSITE, nth=2)

    assert not [each for _, each in describe_all(client, NAMES) if isinstance(each, TapError)]


@pytest.mark.parametrize("path", [COMPOSITE, BATCH, "/describe"])
def test_a_spent_allowance_ends_it(connect: Connect, org: Org, path: str) -> None:
    """An allowance that is used up is no reason of one object's: it ends the run."""
    if path == BATCH:
        org.faults.add(HtmlError(404), path=COMPOSITE, count=None)
    org.faults.add(RequestLimitExceeded(), path=path, count=None)
    names = ["Account", "Lead"] if path == "/describe" else NAMES

    with pytest.raises(BudgetError):
        list(describe_all(connect(), names))


def test_its_own_allowance_ends_it_too(connect: Connect, org: Org) -> None:
    """So does the share that the settings give the run."""
    org.limits.daily_max = 100
    org.faults.add(HtmlError(404), path=COMPOSITE, count=None)
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


def kept_of(client: Client, names: list[str]) -> dict[str, Kept]:
    """Return what is kept of a first describe of all these objects."""
    kept: dict[str, Kept] = {}
    list(describe_all(client, names, kept))
    return kept


@pytest.mark.parametrize("workers", [1, 50], ids=["in composites", "one by one"])
def test_what_is_kept_is_asked_for_only_if_modified_since(connect: Connect, org: Org, workers: int) -> None:
    """An unchanged describe is answered with 304 and told as it was; a changed one is told, and kept, as it is now."""
    client = connect(workers=workers)
    kept = kept_of(client, NAMES)
    first = dict(describe_all(client, NAMES))
    org.add_field("Lead", {**describes()["Lead"]["fields"][-1], "name": "Fresh__c"})
    seen = Recorded()
    org.faults.add(seen, path="/describe", count=None)

    second = dict(describe_all(client, NAMES, kept))

    changed = second.pop("Lead")
    assert isinstance(changed, SObject)
    assert changed.field("Fresh__c") is not None
    assert sorted(seen.statuses.items()) == [(name, 200 if name == "Lead" else 304) for name in NAMES]
    assert second == {name: told for name, told in first.items() if name != "Lead"}
    assert dict(describe_all(client, NAMES, kept))["Lead"] == changed
    assert seen.statuses["Lead"] == 304


def test_a_describe_without_a_stamp_is_not_kept(connect: Connect, org: Org) -> None:
    """What can't be asked for by its last change is told, and asked for again the next time."""
    org.faults.add(WithoutStamp(), path="/Lead/describe", count=None)
    kept = kept_of(connect(), NAMES)

    assert sorted(kept) == [name for name in NAMES if name != "Lead"]


def test_what_is_gone_is_kept_no_longer(connect: Connect, org: Org) -> None:
    """An object that the org no longer has is dropped from what is kept."""
    client = connect()
    kept = kept_of(client, NAMES)
    org.drop_object("Lead")

    assert isinstance(dict(describe_all(client, NAMES, kept))["Lead"], NotFound)
    assert "Lead" not in kept


@pytest.mark.parametrize("workers", [1, 50], ids=["in composites", "one by one"])
@pytest.mark.parametrize("spoiled", [b"{}", b"null", b'{"name":"Lead","fields":7}', b"\xff", b"not JSON"])
def test_what_is_kept_and_can_t_be_read_is_asked_for_afresh(connect: Connect, workers: int, spoiled: bytes) -> None:
    """A kept describe that is none costs a request, not the object."""
    client = connect(workers=workers)
    kept = kept_of(client, NAMES)
    whole = kept["Lead"]
    kept["Lead"] = Kept(whole.last_modified, msgspec.Raw(spoiled))

    told = dict(describe_all(client, NAMES, kept))

    assert not [name for name, each in told.items() if isinstance(each, TapError)]
    assert bytes(kept["Lead"].sobject) == bytes(whole.sobject)


@pytest.mark.parametrize("workers", [1, 50], ids=["in composites", "one by one"])
def test_an_org_that_calls_unmodified_what_nobody_knows_is_told(connect: Connect, org: Org, workers: int) -> None:
    """A 304 to an unconditional request is a broken promise of one object, not an endless question."""
    org.faults.add(Answers(Response(304, b"", {})), path="/Lead/describe", count=None)

    told = dict(describe_all(connect(workers=workers), NAMES))

    assert isinstance(told.pop("Lead"), BrokenPromise)
    assert not [name for name, each in told.items() if isinstance(each, TapError)]


def test_batches_that_know_no_conditions_leave_what_is_kept(connect: Connect, org: Org) -> None:
    """Where composites end between two runs all is told afresh, and what was kept stays, for it is asked for again."""
    client = connect(workers=1)
    kept = kept_of(client, NAMES)
    before = dict(kept)
    org.faults.add(HtmlError(404), path=COMPOSITE, count=None)
    org.add_field("Lead", {**describes()["Lead"]["fields"][-1], "name": "Fresh__c"})

    told = dict(describe_all(client, NAMES, kept))

    lead = told["Lead"]
    assert isinstance(lead, SObject)
    assert lead.field("Fresh__c") is not None
    assert not [name for name, each in told.items() if isinstance(each, TapError)]
    assert kept == before
    org.faults.clear()
    assert dict(describe_all(client, NAMES, kept))["Lead"] == lead


def test_a_describe_without_end_is_left_and_named(client: Client, org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    """One object that takes a hundred megabytes to describe costs neither memory nor the others."""
    monkeypatch.setattr("tap_salesforce_ci.client.describe.LONGEST_DESCRIBE", 200_000)
    long = json.dumps({"name": "Lead", "label": "x" * 200_000, "fields": []})
    org.faults.add(json_answer(long), path="/Lead/describe", count=None)

    found = dict(describe_all(client, ["Account", "Lead"]))

    assert isinstance(found["Account"], SObject)
    refused = found["Lead"]
    assert isinstance(refused, BrokenPromise)
    assert "longer than 200,000 bytes" in refused.what
    assert "Lead" in refused.where
