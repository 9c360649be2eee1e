"""Which queries the org will not answer, though their names are right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_salesforce_ci.demo.refusals import FILTER_NEEDED, NOT_IN_BULK, NOT_QUERYABLE, FilterNeeded, SalesforceError
from tap_salesforce_ci.demo.soql.query import narrowed_by
from tap_salesforce_ci.demo.soql.syntax import Call, Children, TypeOf
from tap_salesforce_ci.demo.values import COMPOUNDS

if TYPE_CHECKING:
    from tap_salesforce_ci.demo.sobject import SObject
    from tap_salesforce_ci.demo.soql.query import Query
    from tap_salesforce_ci.demo.soql.syntax import Select

_AGGREGATE = "Aggregate Relationships not supported in Bulk Query"
# https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/queries.htm
_NOT_IN_BULK_CSV = {
    "base64": ("FEATURENOTENABLED", "Binary field not supported"),
    "complexvalue": ("API_ERROR", "Selecting compound data not supported in Bulk Query"),
} | dict.fromkeys(COMPOUNDS, ("API_ERROR", "Selecting compound data not supported in Bulk Query"))


class Restrictions:
    """Salesforce's own restrictions by the objects' names, and those a test adds."""

    def __init__(self) -> None:
        self._refused: dict[str, tuple[str, str]] = {}
        self._refused_bulk = {name.lower(): ("INVALIDENTITY", _not_in_bulk(name)) for name in NOT_IN_BULK}
        self._filters: dict[str, FilterNeeded] = {name.lower(): needed for name, needed in FILTER_NEEDED.items()}

    def refuse(self, name: str, code: str, message: str) -> None:
        """No plain query reads this object."""
        self._refused[name.lower()] = (code, message)

    def refuse_bulk(self, name: str, code: str, message: str | None) -> None:
        """Bulk does not read this object."""
        self._refused_bulk[name.lower()] = (code, message or _not_in_bulk(name))

    def need_filter(self, name: str, *fields: str, message: str, code: str) -> None:
        """The object is only read by one of these fields."""
        self._filters[name.lower()] = FilterNeeded(frozenset(field.lower() for field in fields), message, code)

    def check(self, query: Query) -> None:
        """Refuse what no API answers."""
        source = query.source
        if source.name.lower() in self._refused:
            raise SalesforceError(*self._refused[source.name.lower()])
        if not _queryable(source):
            text = f"entity type {source.name} does not support query"
            raise SalesforceError("INVALID_TYPE_FOR_OPERATION", text)
        needed = self._filters.get(source.name.lower())
        if needed and not needed.fields & narrowed_by(query.select.where):
            raise SalesforceError(needed.code, needed.message)

    def check_bulk(self, query: Query) -> None:
        """Refuse what Bulk does not answer."""
        refused = self._refused_bulk.get(query.source.name.lower())
        if refused:
            raise _bulk_refusal(*refused)
        try:
            self.check(query)
        except SalesforceError as error:
            restricted = error.message.startswith("Implementation restriction")
            code = "API_ERROR" if restricted else error.code
            raise _bulk_refusal(code, error.message) from error
        for column in query.fields:
            if column.field.type in _NOT_IN_BULK_CSV:
                raise _bulk_refusal(*_NOT_IN_BULK_CSV[column.field.type])


def check_bulk_clauses(select: Select) -> None:
    """Refuse what no Bulk query may say, whatever it is about."""
    functions = [each.name for each in select.items if isinstance(each, Call)]
    if select.group or {*functions} - {"FIELDS"} or any(isinstance(each, Children) for each in select.items):
        raise _bulk_refusal("FEATURENOTENABLED", _AGGREGATE)
    if select.offset is not None:
        raise _bulk_refusal("FEATURENOTENABLED", "OFFSET not supported in Bulk Query")
    if any(isinstance(each, TypeOf) for each in select.items):
        raise _bulk_refusal("FEATURENOTENABLED", "TYPEOF not supported in Bulk Query")
    if functions:
        raise _bulk_refusal("MALFORMED_QUERY", "The SOQL FIELDS function is not supported in Bulk Query")


def _bulk_refusal(code: str, message: str) -> SalesforceError:
    return SalesforceError(code, message, code_first=True)


def _not_in_bulk(name: str) -> str:
    return f"Entity '{name}' is not supported by the Bulk API."


def _queryable(source: SObject) -> bool:
    return bool(source.describe.get("queryable", True)) and source.name not in NOT_QUERYABLE
