"""What the command is given in files and variables: JSON objects, or an error that names the option and the place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO, Any

from tap_salesforce_ci.errors import UserError


def config_file(path: str) -> dict[str, Any]:
    """Return what a settings file holds; raises UserError where it can't be read."""
    text = failure = ""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        failure = str(error.strerror) if isinstance(error, OSError) else "they are not UTF-8"
    # Raised out here, without a context: a decoder's error holds the file.
    if failure:
        raise UserError(
            f"The settings can't be read: {failure}.",
            where=f"--config {path}",
            remedy="Name a JSON file, or ENV for the variables TAP_SALESFORCE_CI_*.",
        )
    return json_object(text, f"--config {path}")


def text_of(file: IO[str], where: str) -> str:
    """Return what a file holds; raises UserError where it is no text."""
    try:
        return file.read()
    except UnicodeDecodeError:
        raise UserError("This is not UTF-8.", where=where, remedy="Name a JSON file.") from None


def json_object(text: str, where: str) -> dict[str, Any]:
    """Return the JSON object that a text is; raises UserError, without a word of the text, for anything else."""
    found, failure = None, ""
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        failure = f"This is not JSON: {error.msg}, line {error.lineno}, column {error.colno}."
    # Raised out here, without a context: a decoder's error holds the text.
    if failure:
        raise UserError(failure, where=where, remedy="Correct it.")
    if not isinstance(found, dict):
        raise UserError("This is JSON, but no object.", where=where, remedy='Write it as {"name": value, ...}.')
    return found


def catalog(text: str, where: str) -> dict[str, Any]:
    """Return the Singer catalog that a text is; raises UserError for what is none."""
    found = json_object(text, where)
    streams = found.get("streams")
    if not isinstance(streams, list) or not all(_is_entry(each) for each in streams):
        raise UserError(
            "This is no Singer catalog: its `streams` are no list of objects with `tap_stream_id` and `schema`.",
            where=where,
            remedy="Make one with --discover.",
        )
    return found


def _is_entry(entry: Any) -> bool:
    if not isinstance(entry, dict):
        return False
    named = isinstance(entry.get("tap_stream_id", entry.get("stream")), str)
    return named and isinstance(entry.get("schema"), dict) and isinstance(entry.get("metadata", []), list)
