"""
What Salesforce answers when it will not do a thing, and which objects it will not do it for.

The texts are those of real orgs; Salesforce translates them into the user's language, the codes stay.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

_RESTRICTION = "Implementation restriction: {} requires a filter by "


class SalesforceError(Exception):
    """A refusal, with the status, error code and message Salesforce gives."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int = 400,
        code_first: bool = False,
        fields: Sequence[str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.code_first = code_first
        # Errors about a record name the fields they are about, if any.
        self.fields = fields

    @property
    def body(self) -> list[dict[str, Any]]:
        """The JSON array of the answer; which key comes first differs by where in Salesforce it arose."""
        pairs: dict[str, Any] = {"message": self.message, "errorCode": self.code}
        told = dict(reversed(pairs.items())) if self.code_first else pairs
        return [told if self.fields is None else {**told, "fields": list(self.fields)}]


def not_found() -> SalesforceError:
    """There is nothing at this address."""
    return SalesforceError("NOT_FOUND", "The requested resource does not exist", status=404, code_first=True)


@dataclass(frozen=True)
class FilterNeeded:
    """An object that is only read by the records of a given parent."""

    fields: frozenset[str]
    message: str
    code: str = "MALFORMED_QUERY"


def _needed(message: str, *fields: str, code: str = "MALFORMED_QUERY") -> FilterNeeded:
    return FilterNeeded(frozenset(name.lower() for name in fields), message, code)


def _reified(name: str, *fields: str) -> FilterNeeded:
    return _needed(f"{name}: a filter on a reified column is required [{','.join(fields)}]", *fields)


FILTER_NEEDED = {
    "ContentDocumentLink": _needed(
        _RESTRICTION.format("ContentDocumentLink")
        + "a single Id on ContentDocumentId or LinkedEntityId using the equals operator or multiple Id's using "
        "the IN operator.",
        "ContentDocumentId",
        "LinkedEntityId",
    ),
    "ContentFolderItem": _needed(
        _RESTRICTION.format("ContentFolderItem") + "Id or ParentContentFolderId using the equals or 'IN' operator",
        "Id",
        "ParentContentFolderId",
    ),
    "ContentFolderMember": _needed(
        _RESTRICTION.format("ContentFolderMember")
        + "a single Id, ChildRecordId or ParentContentFolderId using the equals operator",
        "Id",
        "ChildRecordId",
        "ParentContentFolderId",
    ),
    "IdeaComment": _needed(
        "Implementation restriction. When querying the Idea Comment object, you must filter using the following "
        "syntax: CommunityId = [single ID], Id = [single ID], IdeaId = [single ID], Id IN [list of IDs], or "
        "IdeaId IN [list of IDs].",
        "CommunityId",
        "Id",
        "IdeaId",
    ),
    "Vote": _needed(
        "Implementation restriction: When querying the Vote object, you must filter using the following syntax: "
        "ParentId = [single ID], Parent.Type = [single Type], Id = [single ID], or Id IN [list of ID's].",
        "ParentId",
        "Parent.Type",
        "Id",
    ),
    "FieldDefinition": _reified("FieldDefinition", "EntityDefinitionId", "DurableId"),
    "EntityParticle": _reified("EntityParticle", "EntityDefinitionId", "FieldDefinitionId", "DurableId"),
    "PicklistValueInfo": _reified("PicklistValueInfo", "EntityParticleId", "DurableId"),
    "UserEntityAccess": _reified("UserEntityAccess", "UserId", "DurableId"),
    "UserFieldAccess": _reified("UserFieldAccess", "DurableId"),
    "SiteDetail": _reified("SiteDetail", "DurableId"),
    "DataStatistics": _needed(
        "Where clauses should contain StatType", "StatType", code="EXTERNAL_OBJECT_UNSUPPORTED_EXCEPTION"
    ),
    "FlexQueueItem": _needed(
        "The WHERE clause must contain a JobType field expression.",
        "JobType",
        code="EXTERNAL_OBJECT_UNSUPPORTED_EXCEPTION",
    ),
}

NOT_QUERYABLE = frozenset(
    {
        "ActivityHistory",
        "AggregateResult",
        "AttachedContentDocument",
        "CombinedAttachment",
        "ContentBody",
        "EmailStatus",
        "FeedLike",
        "FeedSignal",
        "FeedTrackedChange",
        "FolderedContentDocument",
        "LookedUpFromActivity",
        "Name",
        "NoteAndAttachment",
        "OpenActivity",
        "OwnedContentDocument",
        "ProcessInstanceHistory",
        "QuoteTemplateRichTextData",
    }
)

NOT_IN_BULK = frozenset(
    {
        "AcceptedEventRelation",
        "CaseStatus",
        "ContractStatus",
        "DeclinedEventRelation",
        "EmailStatus",
        "PartnerRole",
        "RecentlyViewed",
        "SolutionStatus",
        "TaskPriority",
        "TaskStatus",
        "UndecidedEventRelation",
    }
)
