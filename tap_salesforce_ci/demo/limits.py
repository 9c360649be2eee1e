"""The org's allowances, and the header that tells what is left of them."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from tap_salesforce_ci.demo.refusals import SalesforceError

_DAY = timedelta(hours=24)


@dataclass
class Limits:
    """
    How much the org may be asked in a day, and how much it was.

    https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_limits.htm
    """

    daily_max: int = 100_000
    daily_used: int = 0
    bulk_jobs_max: int = 10_000
    bulk_jobs_used: int = 0
    bulk_storage_mb_max: int = 976_562
    bulk_storage_bytes_used: int = 0
    header_form: Literal["plain", "per_app", "bursts"] = "plain"
    app_name: str = "sample-connected-app"
    app_max: int = 250
    app_used: int = 0
    _since: datetime | None = field(default=None, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def spend(self, now: datetime) -> None:
        """Count one call, refusing the one too many; a day later all starts afresh."""
        with self._lock:
            if self._since is not None and now - self._since >= _DAY:
                self.daily_used = self.bulk_jobs_used = self.bulk_storage_bytes_used = self.app_used = 0
                self._since = now
            self._since = self._since or now
            if self.daily_used >= self.daily_max:
                raise SalesforceError("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", status=403)
            self.daily_used += 1
            self.app_used += 1

    @property
    def header(self) -> str:
        """The value of `Sforce-Limit-Info`, in the form this org gives it."""
        usage = f"api-usage={self.daily_used}/{self.daily_max}"
        if self.header_form == "per_app":
            return f"{usage}; per-app-api-usage={self.app_used}/{self.app_max}(appName={self.app_name})"
        if self.header_form == "bursts":
            return f"{usage}; api-bursts={min(self.daily_used, 750)}/750"
        return usage

    @property
    def body(self) -> dict[str, dict[str, int]]:
        """The answer of `/limits`."""
        storage = self.bulk_storage_mb_max - self.bulk_storage_bytes_used // 1_000_000
        used = {
            "DailyApiRequests": (self.daily_max, self.daily_max - self.daily_used),
            "DailyBulkV2QueryFileStorageMB": (self.bulk_storage_mb_max, storage),
            "DailyBulkV2QueryJobs": (self.bulk_jobs_max, self.bulk_jobs_max - self.bulk_jobs_used),
        }
        every = {name: (most, most) for name, most in _UNTOUCHED.items()} | used
        return {name: {"Max": most, "Remaining": left} for name, (most, left) in sorted(every.items())}


_UNTOUCHED = {
    "AnalyticsExternalDataSizeMB": 40_960,
    "ConcurrentAsyncGetReportInstances": 200,
    "ConcurrentSyncReportRuns": 20,
    "DailyAnalyticsDataflowJobExecutions": 60,
    "DailyAsyncApexExecutions": 250_000,
    "DailyBulkApiBatches": 15_000,
    "DailyDurableGenericStreamingApiEvents": 10_000,
    "DailyDurableStreamingApiEvents": 10_000,
    "DailyGenericStreamingApiEvents": 10_000,
    "DailyStandardVolumePlatformEvents": 10_000,
    "DailyStreamingApiEvents": 10_000,
    "DailyWorkflowEmails": 195,
    "DataStorageMB": 5,
    "DurableStreamingApiConcurrentClients": 20,
    "FileStorageMB": 20,
    "HourlyAsyncReportRuns": 1_200,
    "HourlyDashboardRefreshes": 200,
    "HourlyLongTermIdMapping": 100_000,
    "HourlyODataCallout": 1_000,
    "HourlyPublishedPlatformEvents": 50_000,
    "HourlyShortTermIdMapping": 100_000,
    "HourlySyncReportRuns": 500,
    "HourlyTimeBasedWorkflow": 50,
    "MassEmail": 10,
    "SingleEmail": 15,
    "StreamingApiConcurrentClients": 20,
}
