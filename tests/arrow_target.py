"""A small target made with Meltano's SDK that takes Arrow files: it loads each and deletes it, as the targets do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
from singer_sdk import Sink, Target
from singer_sdk import typing as th


class ArrowSink(Sink):
    """A table in memory."""

    max_size = 1
    tables: ClassVar[dict[str, list[pa.Table]]] = {}

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Refuse rows one by one."""
        raise NotImplementedError

    def process_batch(self, context: dict[str, Any]) -> None:
        """Do nothing: files are loaded at once."""

    def process_batch_files(self, encoding: Any, files: Sequence[str]) -> None:
        """Load files into the table."""
        assert (encoding.format, encoding.compression) == ("arrow", "none")
        for url in files:
            path = Path(url.removeprefix("file://"))
            with pa.ipc.open_file(path) as file:
                table = file.read_all()
            assert set(table.column_names) <= set(self.schema["properties"]) | {"_sdc_table_version"}
            self.tables.setdefault(self.stream_name, []).append(table)
            path.unlink()


class ArrowTarget(Target):
    """Loads Arrow files."""

    name = "target-arrow"
    config_jsonschema = th.PropertiesList().to_dict()
    default_sink_class = ArrowSink
