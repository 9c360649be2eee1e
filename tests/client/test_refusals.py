"""What Salesforce answers, and what it means for the run: row by row, over the wire."""

from __future__ import annotations

import pytest

from tap_salesforce_ci.client.http import Client
from tap_salesforce_ci.demo.faults import Refused
from tap_salesforce_ci.demo.org import Org
from tap_salesforce_ci.errors import (
    BadField,
    BudgetError,
    BulkRefused,
    LoginRefused,
    LostCursor,
    NotFound,
    ObjectRefused,
    QueryTimeout,
    TapError,
    TransientError,
    UrlTooLong,
    UserError,
)
from tests.conftest import Connect

NO_SUCH_COLUMN = "\nSELECT Bacon__c FROM Account LIMIT 2\n       ^\nERROR at Row:1:Column:8\nNo such column 'Bacon__c'"
NO_SUCH_TYPE = "\nselect count() from XYZZY\n ^\nERROR at Row:1:Column:21\nsObject type 'XYZZY' is not supported."
LINK = (
    "Implementation restriction: ContentDocumentLink requires a filter by a single Id on ContentDocumentId or "
    "LinkedEntityId using the equals operator or multiple Id's using the IN operator."
)
IDEA = (
    "Implementation restriction. When querying the Idea Comment object, you must filter using the following syntax: "
    "CommunityId = [single ID], Id = [single ID]"
)
FIELD_DEFINITION = "FieldDefinition: a filter on a reified column is required [EntityDefinitionId,DurableId]"

REFUSALS: list[tuple[Refused, type[TapError], str]] = [
    # The API is switched off.
    (Refused(403, "API_DISABLED_FOR_ORG", "API is not enabled for this Organization"), UserError, "edition"),
    (Refused(403, "API_CURRENTLY_DISABLED", "API is disabled for this User"), UserError, "API Enabled"),
    (Refused(403, "TXN_SECURITY_METERING_ERROR", "We can't complete"), UserError, "transaction security"),
    # Queries.
    (Refused(400, "MALFORMED_QUERY", "unexpected token: SELEKT"), UserError, "`where`"),
    (Refused(400, "MALFORMED_QUERY", "unexpected token: '<EOF>'"), UserError, "`where`"),
    (Refused(400, "INVALID_FIELD", NO_SUCH_COLUMN), BadField, "catalog"),
    (Refused(400, "INVALID_TYPE", NO_SUCH_TYPE), NotFound, "permission"),
    (
        Refused(400, "INVALID_TYPE_FOR_OPERATION", "entity type ActivityHistory does not support query"),
        ObjectRefused,
        "deselect",
    ),
    (Refused(400, "QUERY_TIMEOUT", "Your query request was running for too long."), QueryTimeout, "start_date"),
    (Refused(400, "OPERATION_TOO_LARGE", "exceeded 100000 distinct who/what's"), UserError, "View All Data"),
    (Refused(400, "INVALID_QUERY_LOCATOR", "invalid query locator"), LostCursor, "asked again"),
    (Refused(404, "INVALID_QUERY_LOCATOR", "invalid query locator"), LostCursor, "asked again"),
    (Refused(400, "UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access"), TransientError, "run again"),
    (Refused(400, "INSUFFICIENT_ACCESS", "insufficient access rights on object id"), UserError, "read access"),
    (Refused(403, "INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights"), UserError, "read access"),
    (Refused(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."), BudgetError, "later"),
    (
        Refused(403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded."),
        TransientError,
        "max_workers",
    ),
    (
        Refused(403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests (Concurrent API Requests) Limit exceeded."),
        TransientError,
        "max_workers",
    ),
    (Refused(404, "NOT_FOUND", "The requested resource does not exist"), NotFound, "permission"),
    (Refused(414, "", "URI Too Long"), UrlTooLong, "bulk2"),
    (Refused(431, "", "Request Header Fields Too Large"), UrlTooLong, "bulk2"),
    (Refused(500, "UNKNOWN_EXCEPTION", "An unexpected error occurred."), TransientError, "run again"),
    (Refused(400, "UNKNOWN_EXCEPTION", "An unexpected error occurred."), TransientError, "run again"),
    (Refused(503, "SERVER_UNAVAILABLE", "Server Unavailable"), TransientError, "status.salesforce.com"),
    # Objects that need a filter.
    (Refused(400, "MALFORMED_QUERY", LINK), ObjectRefused, "`where`"),
    (Refused(400, "MALFORMED_QUERY", IDEA), ObjectRefused, "`where`"),
    (Refused(400, "API_ERROR", LINK), ObjectRefused, "`where`"),
    (
        Refused(400, "MALFORMED_QUERY", "ContentHubRepositoryId,ExternalId or Id must be specified in your query"),
        ObjectRefused,
        "`where`",
    ),
    (Refused(400, "MALFORMED_QUERY", FIELD_DEFINITION), ObjectRefused, "`where`"),
    (
        Refused(400, "EXTERNAL_OBJECT_UNSUPPORTED_EXCEPTION", "Where clauses should contain StatType"),
        ObjectRefused,
        "`where`",
    ),
    (Refused(400, "EXTERNAL_OBJECT_EXCEPTION", "Transient queries are not implemented"), ObjectRefused, "`where`"),
    (Refused(400, "DATACLOUD_API_DISABLED_EXCEPTION", "no permission"), ObjectRefused, "deselect"),
    # Bulk API 2.0.
    (
        Refused(400, "API_ERROR", "Selecting compound data not supported in Bulk Query"),
        BulkRefused,
        "REST",
    ),
    (
        Refused(400, "INVALID_FIELD", "Selecting compound data not supported in Bulk Query"),
        BulkRefused,
        "REST",
    ),
    (
        Refused(400, "FUNCTIONALITY_NOT_ENABLED", "Selecting compound data not supported in Bulk Query"),
        BulkRefused,
        "REST",
    ),
    (
        Refused(400, "INVALIDENTITY", "Entity 'CaseStatus' is not supported by the Bulk API."),
        BulkRefused,
        "REST",
    ),
    (Refused(400, "InvalidEntity", "Entity 'CaseStatus' is not supported by the Bulk API."), BulkRefused, "REST"),
    (Refused(400, "API_ERROR", "entity type X does not support query"), ObjectRefused, "deselect"),
    (Refused(400, "FUNCTIONALITYNOTENABLED", "Aggregates not supported in Bulk Query"), BulkRefused, "REST"),
    (Refused(400, "FEATURENOTENABLED", "Binary field not supported"), BulkRefused, "REST"),
    (Refused(400, "API_ERROR", "Binary field not supported"), BulkRefused, "REST"),
    (
        Refused(400, "LIMIT_EXCEEDED", "Max bulk v2 query jobs (10000) per 24 hrs has been reached (10021)"),
        BulkRefused,
        "24 hours",
    ),
    (
        Refused(400, "API_ERROR", "Max bulk v2 query result size stored (1000000000) kb per 24 hrs has been exceeded"),
        BulkRefused,
        "24 hours",
    ),
    # Versions.
    (Refused(410, "GONE", "The requested resource is no longer available"), UserError, "api_version"),
    (Refused(400, "InvalidVersion", "Api version no longer supported"), UserError, "api_version"),
    (Refused(400, "INVALIDJOBSTATE", "Results are not available yet"), TransientError, "run again"),
    (Refused(500, "UNSUPPORTED_API_VERSION", "Invalid Api version specified on URL"), UserError, "api_version"),
    (Refused(409, "API_ERROR", "The job was created with API version 66.0"), UserError, "api_version"),
    # The describe that answers 406 now and then.
    (Refused(406, "", ""), TransientError, "run again"),
]  # fmt: skip


@pytest.mark.parametrize(("refusal", "kind", "remedy"), REFUSALS, ids=lambda value: repr(value)[:90])
def test_each_documented_refusal_has_its_class_and_its_remedy(
    client: Client, org: Org, refusal: Refused, kind: type[TapError], remedy: str
) -> None:
    """Exactly this class, with Salesforce's own words, the place and what to do."""
    org.faults.add(refusal, path="/query", count=None)

    with pytest.raises(TapError) as refused:
        client.get(f"{client.data_path}/query?q=SELECT+Id+FROM+Account")
    error = refused.value
    assert type(error) is kind
    assert remedy in error.remedy
    assert " ".join(refusal.message.split())[:80] in error.what
    assert error.where == "GET /services/data/v66.0/query"
    assert error.code == refusal.code


SPOKEN = [
    (Refused(401, "INVALID_SESSION_ID", "セッションが期限切れか無効です"), LoginRefused),
    (Refused(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests の上限を超えました。"), BudgetError),
    (Refused(400, "INVALID_FIELD", "Colonne inexistante"), BadField),
    (Refused(400, "INVALID_TYPE", "Der sObject-Typ wird nicht unterstützt"), NotFound),
    (Refused(400, "INVALID_TYPE_FOR_OPERATION", "このエンティティは照会できません"), ObjectRefused),
    (Refused(400, "INVALIDENTITY", "Entität wird nicht unterstützt"), BulkRefused),
    (Refused(400, "INVALID_QUERY_LOCATOR", "ungültiger Locator"), LostCursor),
    (Refused(400, "QUERY_TIMEOUT", "trop long"), QueryTimeout),
    (Refused(403, "API_DISABLED_FOR_ORG", "API 未启用"), UserError),
]


@pytest.mark.parametrize(("refusal", "kind"), SPOKEN, ids=repr)
def test_the_code_decides_in_whatever_language_salesforce_speaks(
    client: Client, org: Org, refusal: Refused, kind: type[TapError]
) -> None:
    """Messages follow the user's language, codes do not."""
    org.faults.add(refusal, path="/query", count=None)

    with pytest.raises(TapError) as refused:
        client.get(f"{client.data_path}/query?q=SELECT+Id+FROM+Account")
    assert type(refused.value) is kind


@pytest.mark.parametrize("status", [400, 402, 403, 405, 412, 415, 418, 428])
def test_an_unknown_refusal_is_a_persons_business(client: Client, org: Org, slept: list[float], status: int) -> None:
    """What no row knows is neither retried nor taken for success: it is shown, with exit code 2."""
    org.faults.add(Refused(status, "CODE_OF_TOMORROW", "Something new."), path="/query", count=None)

    with pytest.raises(UserError, match="CODE_OF_TOMORROW: Something new") as refused:
        client.get(f"{client.data_path}/query?q=SELECT+Id+FROM+Account")
    assert refused.value.exit_code == 2
    assert slept == []


@pytest.mark.parametrize("status", [500, 502, 503, 504, 507, 520, 599])
def test_an_unknown_failure_of_the_server_passes(client: Client, org: Org, slept: list[float], status: int) -> None:
    """Any 5xx is Salesforce's own trouble, and is tried again."""
    org.faults.add(Refused(status, "CODE_OF_TOMORROW", "Something new."), path="/limits")

    assert client.get(f"{client.data_path}/limits").status == 200
    assert len(slept) == 1


def test_an_object_that_needs_a_filter_is_refused_by_the_org_itself(client: Client) -> None:
    """The emulated org's own refusal of an unfiltered ContentDocumentLink, not a staged one."""
    with pytest.raises(ObjectRefused):
        client.get(f"{client.data_path}/query?q=SELECT+Id+FROM+ContentDocumentLink")


def test_a_retired_version_is_told(connect: Connect) -> None:
    """The org's own 410 names the setting."""
    client = connect(api_version="30.0")

    with pytest.raises(UserError) as refused:
        client.get(f"{client.data_path}/limits")
    assert "api_version" in refused.value.remedy


def test_a_version_of_the_future_is_told(connect: Connect) -> None:
    """The org's own 404 of a version it does not have yet names the setting too."""
    client = connect(api_version="99.0")

    with pytest.raises(UserError) as refused:
        client.get(f"{client.data_path}/limits")
    assert "api_version" in refused.value.remedy
