"""The names of a query, looked up in the org's describes; names that are not there are refused as Salesforce does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from tap_salesforce_ci.demo.refusals import SalesforceError
from tap_salesforce_ci.demo.sobject import Field, Row, SObject

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_salesforce_ci.demo.soql.syntax import Path
    from tap_salesforce_ci.demo.soql.tokens import Token

_ADVICE = "Please reference your WSDL or the describe call for the appropriate names."
_WINDOW = 60
FARTHEST_PARENT = 5

# What can be read through a reference that may point to several objects
# (https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_name.htm).
_NAME_FIELDS = {
    name.lower(): Field(name, kind, custom=False, filterable=True, sortable=True, aggregatable=True, groupable=True,
                        relationship=None, reference_to=(), compound=None, part=None)
    for name, kind in {
        "Alias": "string", "Email": "email", "FirstName": "string", "Id": "id", "IsActive": "boolean",
        "LastName": "string", "Name": "string", "Phone": "phone", "ProfileId": "reference", "Title": "string",
        "Type": "picklist", "UserRoleId": "reference", "Username": "string",
    }.items()
}  # fmt: skip


class Objects(Protocol):
    """What a query can be about: the org's objects and the records their references point to."""

    def find(self, name: str) -> SObject | None:
        """The object of this name, whatever its case."""

    def parent(self, reference: Field, identifier: str) -> tuple[SObject, Row] | None:
        """The record a reference points to."""


@dataclass(frozen=True)
class Column:
    """A field of the queried object, or of one of its parents."""

    hops: tuple[Field, ...]
    field: Field

    @property
    def name(self) -> str:
        """The path in the describe's own spelling: `Account.Owner.Name`."""
        return ".".join([str(hop.relationship) for hop in self.hops] + [self.field.name])

    def reader(self, objects: Objects) -> Callable[[Row], Any]:
        """How to read this column of a record."""
        if not self.hops:
            name = self.field.name
            return lambda row: row.get(name)
        return lambda row: self._far(objects, row)

    def _far(self, objects: Objects, row: Row) -> Any:
        source: SObject | None = None
        for hop in self.hops:
            identifier = row.get(hop.name)
            found = objects.parent(hop, identifier) if identifier else None
            if found is None:
                return None
            source, row = found
        if source and self.field is _NAME_FIELDS["type"]:
            return source.name
        return row.get(self.field.name)


def located(soql: str, at: int, code: str, text: str) -> SalesforceError:
    """A refusal that shows the place in the query, in a window when the line is long."""
    start = soql.rfind("\n", 0, at) + 1
    line = soql[start:].split("\n", 1)[0]
    column = at - start
    left = max(0, column - _WINDOW)
    window = line[left : column + _WINDOW]
    row = soql.count("\n", 0, at) + 1
    shown = f"\n{window}\n{' ' * (column - left)}^\nERROR at Row:{row}:Column:{column + 1}\n{text}"
    return SalesforceError(code, shown)


@dataclass(frozen=True)
class Names:
    """The names that mean something within one query."""

    soql: str
    source: SObject
    alias: str | None
    objects: Objects

    def column(self, path: Path) -> Column:
        """The column a path leads to."""
        steps = list(path.steps)
        own = {self.source.name.lower(), (self.alias or self.source.name).lower()}
        if len(steps) > 1 and steps[0].lower() in own and steps[0].lower() not in self.source.relationships:
            steps.pop(0)
        source: SObject | None = self.source
        hops: list[Field] = []
        for step in steps[:-1]:
            hop = source.relationships.get(step.lower()) if source else None
            if hop is None or len(hops) == FARTHEST_PARENT:
                raise self._no_relationship(path, step)
            hops.append(hop)
            source = self._target(hop)
        found = (source.fields if source else _NAME_FIELDS).get(steps[-1].lower())
        if found is None:
            raise self._no_column(path.token, steps[-1], source.name if source else "Name")
        return Column(tuple(hops), found)

    def refuse(self, token: Token, code: str, text: str) -> SalesforceError:
        """A refusal that points at a word of the query."""
        return located(self.soql, token.at, code, text)

    def _target(self, hop: Field) -> SObject | None:
        """The object a reference points to, None for the Name of whatever it points to."""
        return self.objects.find(hop.reference_to[0]) if len(hop.reference_to) == 1 else None

    def _no_column(self, token: Token, name: str, entity: str) -> SalesforceError:
        return self.refuse(
            token,
            "INVALID_FIELD",
            f"No such column '{name}' on entity '{entity}'. If you are attempting to use a custom field, be sure to "
            f"append the '__c' after the custom field name. {_ADVICE}",
        )

    def _no_relationship(self, path: Path, step: str) -> SalesforceError:
        return self.refuse(
            path.token,
            "INVALID_FIELD",
            f"Didn't understand relationship '{step}' in field path. If you are attempting to use a custom "
            f"relationship, be sure to append the '__r' after the custom relationship name. {_ADVICE}",
        )


def no_such_object(soql: str, token: Token) -> SalesforceError:
    """The refusal of an object that is not there, or that the user may not read."""
    return located(
        soql,
        token.at,
        "INVALID_TYPE",
        f"sObject type '{token.text}' is not supported. If you are attempting to use a custom object, be sure to "
        f"append the '__c' after the entity name. {_ADVICE}",
    )
