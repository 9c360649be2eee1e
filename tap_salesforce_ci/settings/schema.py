"""Every setting with its kind, default and unit: what `--about` shows and `meltano.yml` repeats."""

from __future__ import annotations

from singer_sdk import typing as th

from tap_salesforce_ci.settings.batch import BATCH_CONFIG

API_TYPES = ("auto", "rest", "bulk2", "REST", "BULK", "BULK2")
REPLICATIONS = ("modified_at", "add_date", "full_table", "paused")


def _of_objects(values: th.StringType) -> th.ObjectType:
    return th.ObjectType(additional_properties=values)


LOGIN = (
    th.Property(
        "client_id",
        th.StringType,
        title="Client ID",
        description="Consumer key of the connected app (or External Client App).",
    ),
    th.Property(
        "client_secret",
        th.StringType,
        secret=True,
        title="Client secret",
        description="Consumer secret of the app. With `domain` = a My Domain and no other login: client credentials.",
    ),
    th.Property(
        "refresh_token",
        th.StringType,
        secret=True,
        title="Refresh token",
        description="What `tap-salesforce-ci connect` leaves behind (OAuth web server flow).",
    ),
    th.Property(
        "username",
        th.StringType,
        title="User name",
        description="Salesforce user, for JWT bearer, the OAuth password grant and SOAP login.",
    ),
    th.Property("password", th.StringType, secret=True, title="Password", description="That user's password."),
    th.Property(
        "security_token",
        th.StringType,
        secret=True,
        title="Security token",
        description="That user's security token, where Salesforce asks for it behind the password.",
    ),
    th.Property(
        "private_key",
        th.StringType,
        secret=True,
        title="Private key",
        description="RSA private key as PEM text, for JWT bearer (RS256). `\\n` in one line is understood.",
    ),
    th.Property(
        "private_key_path",
        th.StringType,
        title="Private key file",
        description="Path of the PEM file, instead of `private_key`.",
    ),
    th.Property(
        "access_token",
        th.StringType,
        secret=True,
        title="Access token",
        description="A session that someone else opened; needs `instance_url`.",
    ),
    th.Property(
        "instance_url",
        th.StringType,
        title="Instance URL",
        description="The org's own address, for `access_token`: https://NAME.my.salesforce.com.",
    ),
    th.Property(
        "sf_cli_org",
        th.StringType,
        title="Salesforce CLI org",
        description="Alias or user name known to the `sf` command; its session is used.",
    ),
    th.Property(
        "domain",
        th.StringType,
        title="Domain",
        description=(
            "Where to log in: `login` (default), `test`, a My Domain name, or any pasted Salesforce URL of the org. "
            "http is taken for 127.0.0.1 and localhost only."
        ),
    ),
    th.Property(
        "is_sandbox",
        th.BooleanType,
        title="Sandbox",
        description="Legacy form of `domain: test`.",
    ),
    th.Property(
        "token_store",
        th.StringType,
        title="Token store",
        description=(
            "File (0600) in which a rotated refresh token is kept; it must outlive the run. Several runs may share it."
        ),
    ),
)

READING = (
    th.Property(
        "api_version",
        th.StringType,
        default="66.0",
        title="API version",
        description="Salesforce API version, 58.0 or newer.",
    ),
    th.Property(
        "start_date",
        th.DateTimeType,
        title="Start date",
        description="Oldest replication value to read (RFC 3339). Unset: everything.",
    ),
    th.Property(
        "streams",
        th.ArrayType(th.StringType),
        title="Objects",
        description="Objects to consider, as API names or globs (`Account`, `*__c`). Default: all.",
    ),
    th.Property(
        "streams_to_discover",
        th.ArrayType(th.StringType),
        title="Objects (legacy)",
        description="Legacy name of `streams`.",
    ),
    th.Property(
        "stream_prefix",
        th.StringType,
        default="sf_",
        title="Stream prefix",
        description="Put before the object's API name to make the stream's name; may be empty.",
    ),
    th.Property(
        "select_fields_by_default",
        th.BooleanType,
        default=True,
        title="Select fields by default",
        description="Whether fields are selected unless the catalog says otherwise.",
    ),
    th.Property(
        "api_type",
        th.StringType,
        default="auto",
        allowed_values=list(API_TYPES),
        title="API",
        description=(
            "`auto` takes REST or Bulk API 2.0 by how many rows a read has; `rest` and `bulk2` insist. "
            "The legacy spellings REST, BULK and BULK2 are accepted."
        ),
    ),
    th.Property(
        "lookback_window",
        th.IntegerType(minimum=0),
        default=600,
        title="Lookback window",
        description="Seconds read again before the bookmark, for rows that were committed late.",
    ),
    th.Property(
        "include_deleted",
        th.BooleanType,
        default=True,
        title="Include deleted",
        description="Read rows in the Recycle Bin too (`queryAll`); they carry `IsDeleted`.",
    ),
    th.Property(
        "verify_counts",
        th.BooleanType,
        default=False,
        title="Verify counts",
        description="Compare the rows of each read with what COUNT() says of it, at the cost of an API call; a read "
        "that differs is done once more, and fails if it differs again.",
    ),
    th.Property(
        "where",
        _of_objects(th.StringType()),
        title="Row filters",
        description='Object name to a SOQL condition added to its reads: {"Case": "IsClosed = true"}.',
    ),
    th.Property(
        "replication",
        _of_objects(th.StringType(allowed_values=list(REPLICATIONS))),
        title="Replication methods",
        description=(
            "Object name or glob to `modified_at`, `add_date`, `full_table` or `paused`. "
            "Default: by the newest timestamp that the object has, else the full table."
        ),
    ),
)

LIMITS = (
    th.Property(
        "quota_percent_total",
        th.IntegerType(minimum=1, maximum=100),
        default=80,
        title="API quota, everybody",
        description="Percent of the org's daily API calls that may be used up by all; the run stops before (exit 3).",
    ),
    th.Property(
        "quota_percent_per_run",
        th.IntegerType(minimum=1, maximum=100),
        default=25,
        title="API quota, one run",
        description="Percent of the org's daily API calls that one run may use; it stops before (exit 3).",
    ),
    th.Property(
        "max_workers",
        th.IntegerType(minimum=1, maximum=50),
        default=8,
        title="Workers",
        description="Concurrent requests. Salesforce allows 25 long ones at once (5 in developer editions).",
    ),
    th.Property(
        "max_bytes_in_flight",
        th.IntegerType(minimum=8 << 20),
        default=256 << 20,
        title="Bytes in flight",
        description="Bytes of memory for rows on their way: pages that are being downloaded, and pages that wait to be "
        "written. A result page for which there is no room lies in a temporary file, packed.",
    ),
    th.Property(
        "request_timeout",
        th.IntegerType(minimum=1, maximum=3600),
        default=300,
        title="Request timeout",
        description="Seconds without a byte before a request counts as stalled and is tried again.",
    ),
    th.Property(
        "user_agent",
        th.StringType,
        title="User agent",
        description="Replaces the `User-Agent` that names the tap.",
    ),
    th.Property(
        "describe_cache",
        th.StringType,
        title="Describe cache",
        description=(
            "File (0600) in which describes are kept between runs, each asked for again only if it was modified since; "
            "or `off`. Default: a file per org, user and API version in `tap-salesforce-ci` below the user's cache "
            "folder (`~/.cache` or XDG_CACHE_HOME on Linux, `~/Library/Caches` on macOS, `%LOCALAPPDATA%` on Windows)."
        ),
    ),
)

TELLING = (
    th.Property(
        "quiet",
        th.BooleanType,
        default=False,
        title="Quiet",
        description="Nothing on stderr but warnings and errors: no progress, no table of the run.",
    ),
)

CONFIG = th.PropertiesList(*LOGIN, *READING, *LIMITS, *TELLING, BATCH_CONFIG)
CONFIG_JSONSCHEMA = CONFIG.to_dict()
SECRETS = frozenset(name for name, schema in CONFIG_JSONSCHEMA["properties"].items() if schema.get("secret"))
