"""Named misbehaviours, so that a test can say which one it survives."""

from tap_salesforce_ci.demo.faults.line import CorruptGzip, CutBody, ResetConnection, Stall
from tap_salesforce_ci.demo.faults.pages import (
    BadDescribe,
    DuplicatePage,
    JobAborted,
    JobFails,
    JobGone,
    MissingLocator,
    RepeatedLocator,
    ShortResults,
    WrongCount,
)
from tap_salesforce_ci.demo.faults.refused import (
    ApiDisabled,
    BulkLimitExceeded,
    ExpireSession,
    HtmlError,
    InvalidLocator,
    NotAcceptable,
    OAuthRefused,
    Refused,
    RequestLimitExceeded,
    RetryAfter,
    ServerError,
)
from tap_salesforce_ci.demo.faults.triggers import Fault, Faults, Trigger

__all__ = [
    "ApiDisabled",
    "BadDescribe",
    "BulkLimitExceeded",
    "CorruptGzip",
    "CutBody",
    "DuplicatePage",
    "ExpireSession",
    "Fault",
    "Faults",
    "HtmlError",
    "InvalidLocator",
    "JobAborted",
    "JobFails",
    "JobGone",
    "MissingLocator",
    "NotAcceptable",
    "OAuthRefused",
    "Refused",
    "RepeatedLocator",
    "RequestLimitExceeded",
    "ResetConnection",
    "RetryAfter",
    "ServerError",
    "ShortResults",
    "Stall",
    "Trigger",
    "WrongCount",
]
