"""
What `batch_config` asks for: the form, place and size of the files that BATCH messages name.

The keys are those of Meltano's SDK (https://sdk.meltano.com/en/latest/batch.html).
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
from singer_sdk import typing as th

from tap_salesforce_ci.settings.login import Problem

COMPRESSIONS = {"jsonl": ("gzip", "none"), "parquet": ("snappy", "gzip", "zstd", "none"), "arrow": ("none",)}
"""What a format's files can be compressed with; the first is the default."""

BATCH_SIZE = 100_000

BATCH_CONFIG = th.Property(
    "batch_config",
    th.ObjectType(
        th.Property(
            "encoding",
            th.ObjectType(
                th.Property(
                    "format",
                    th.StringType,
                    allowed_values=list(COMPRESSIONS),
                    title="Batch format",
                    description="`jsonl`, `parquet`, or `arrow` (Arrow IPC files); what your target takes.",
                ),
                th.Property(
                    "compression",
                    th.StringType,
                    allowed_values=["gzip", "none", "snappy", "zstd"],
                    title="Batch compression",
                    description=(
                        "jsonl: `gzip` (default) or `none`; parquet: `snappy` (default), `gzip`, `zstd` or `none`; "
                        "arrow: `none`."
                    ),
                ),
                additional_properties=False,
            ),
            title="Batch encoding",
            description="Form of the files; without it, no BATCH messages are written.",
        ),
        th.Property(
            "storage",
            th.ObjectType(
                th.Property(
                    "root",
                    th.StringType,
                    title="Batch storage root",
                    description=(
                        "Directory of the files, as a path or URL (`file:///data/batches`, `s3://bucket/batches` with "
                        "`s3fs` installed). Default: `singer-sdk` in the system's directory for temporary files."
                    ),
                ),
                th.Property(
                    "prefix",
                    th.StringType,
                    title="Batch storage prefix",
                    description="Put before the files' names; `crm/` is a directory.",
                ),
                additional_properties=False,
            ),
            title="Batch storage",
            description="Place of the files.",
        ),
        th.Property(
            "batch_size",
            th.IntegerType(minimum=1),
            title="Batch size",
            description=f"Most rows in a file. Default: {BATCH_SIZE:,}.",
        ),
        additional_properties=False,
    ),
    title="BATCH files",
    description="Write files and BATCH messages that name them, instead of RECORD messages.",
)


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """The files to write; `root` is a URL, `prefix` may be empty."""

    format: str
    compression: str
    root: str
    prefix: str
    batch_size: int

    def as_config(self) -> dict[str, Any]:
        """Return what Meltano's SDK makes its own values of."""
        return {
            "encoding": {"format": self.format, "compression": self.compression},
            "storage": {"root": self.root, "prefix": self.prefix},
            "batch_size": self.batch_size,
        }


def is_asked_for(config: Mapping[str, Any]) -> bool:
    """
    Say whether `batch_config` asks for files.

    Settings managers may send a part of it to users who never asked: like Meltano's SDK 0.55, no encoding is no wish.
    """
    return bool((config.get("batch_config") or {}).get("encoding"))


def batch_settings(config: Mapping[str, Any]) -> tuple[BatchSettings | None, list[Problem]]:
    """Return what a config that its schema allows asks for, and what is wrong with it."""
    if not is_asked_for(config):
        return None, []
    given = config["batch_config"]
    storage = given.get("storage") or {}
    format_ = given["encoding"].get("format")
    if format_ is None:
        formats = ", ".join(f"`{name}`" for name in COMPRESSIONS)
        return None, [Problem("batch_config.encoding.format", "is missing.", f"Choose one of {formats}.")]
    compression = given["encoding"].get("compression") or COMPRESSIONS[format_][0]
    root = storage.get("root") or str(Path(tempfile.gettempdir(), "singer-sdk"))
    problems = [*_compression_problems(format_, compression), *_root_problems(root)]
    if problems:
        return None, problems
    batch_size = given.get("batch_size") or BATCH_SIZE
    return BatchSettings(format_, compression, root, storage.get("prefix") or "", batch_size), []


def _compression_problems(format_: str, compression: str) -> list[Problem]:
    possible = COMPRESSIONS[format_]
    if compression in possible:
        return []
    choices = " or ".join(f"`{name}`" for name in possible)
    return [Problem("batch_config.encoding.compression", f"`{compression}` is none for {format_}.", f"Use {choices}.")]


def _root_problems(root: str) -> list[Problem]:
    """Say what keeps files from being written to a URL: another package than the tap's own has to know its scheme."""
    scheme = fsspec.utils.get_protocol(root)
    try:
        fsspec.get_filesystem_class(scheme)
    except (ImportError, ValueError) as error:
        remedy = f"Install the package that knows `{scheme}:` beside the tap, or give a `file://` URL."
        return [Problem("batch_config.storage.root", f"can't be written to: {error}.", remedy)]
    return []
