"""
What Salesforce's describes don't say of single objects, as data.

Sources: the error texts that Salesforce gives for a plain query on each (see `reason`), SOQL and SOSL Reference
"SOQL Limits on Objects", and Bulk API 2.0's own refusals. They are seeds: what is not listed is learnt when it refuses.
"""

from __future__ import annotations

NO_PLAIN_QUERY = "Salesforce answers no query on it by itself."
NEEDS_FILTER = "Salesforce answers only with a filter on certain fields; name it in `streams` and give it a `where`."
NO_SUCH_QUERY = "Salesforce answers only the queries of its own pages."

_REFUSED = {
    NO_PLAIN_QUERY: """
        ActivityHistory AggregateResult AssetTokenEvent AttachedContentDocument AttachedContentNote CombinedAttachment
        ContentBody DataType DatasetExportEvent EmailStatus FeedLike FeedSignal FeedTrackedChange
        FolderedContentDocument LookedUpFromActivity Name NoteAndAttachment OpenActivity OrgLifecycleNotification
        OwnedContentDocument ProcessInstanceHistory QuoteTemplateRichTextData UserRecordAccess
    """,
    NEEDS_FILTER: """
        ActivityMetric ActivityMetricRollup AppTabMember ColorDefinition ContentDocumentLink ContentFolderItem
        ContentFolderMember ContentHubItem DataStatistics DatacloudDandBCompany EntityParticle FieldDefinition
        FieldHistoryArchive FlexQueueItem FlowVariableView FlowVersionView IconDefinition IdeaComment
        NetworkUserHistoryRecent OwnerChangeOptionInfo PicklistValueInfo RecordActionHistory RelationshipDomain
        RelationshipInfo SearchLayout SiteDetail UserEntityAccess UserFieldAccess Vote
    """,
    NO_SUCH_QUERY: """
        Announcement CollaborationGroupRecord DatacloudAddress DatacloudCompany DatacloudContact ListViewChartInstance
        OutgoingEmail OutgoingEmailRelation PlatformAction
    """,
}

REFUSED = {name: reason for reason, names in _REFUSED.items() for name in names.split()}
"""Objects that refuse a plain query although they say `queryable`, and why."""

KEYS = {"LightningUriEvent": ("EventIdentifier",), "UriEvent": ("EventIdentifier",)}
"""Objects whose rows are told apart by something else than `Id`."""

NO_KEY_FILTER = frozenset(
    """
    ActivityFieldHistory ApiEvent BackgroundOperationResult BulkApiResultEventStore EmbeddedServiceDetail
    EmbeddedServiceLabel ExternalEncryptionRootKey FileEventStore FormulaFunction FormulaFunctionAllowedType
    FormulaFunctionCategory IdentityProviderEventStore IdentityVerificationEvent LightningUriEvent ListViewEvent
    LoginAsEvent LoginEvent LogoutEvent PendingOrderSummary PermissionSetEventStore Publisher ReportEvent TabDefinition
    UriEvent
    """.split()
)
"""Objects that refuse a range filter on their timestamps, whatever the describe says: read in full."""

NOT_IN_BULK = frozenset(
    """
    AcceptedEventRelation CaseStatus ContractStatus DeclinedEventRelation EventWhoRelation FieldSecurityClassification
    OrderStatus PartnerRole RecentlyViewed ServiceAppointmentStatus ShiftStatus SolutionStatus TaskPriority TaskStatus
    TaskWhoRelation UndecidedEventRelation WorkOrderLineItemStatus WorkOrderStatus WorkStepStatus
    """.split()
)
"""Objects that the Bulk API is known not to have: asking would cost a call."""
