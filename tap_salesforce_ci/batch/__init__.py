"""
Files of rows that BATCH messages name.

`filing` turns a read's pages into files, `files` cuts and writes them, `storage` keeps them.
"""

from tap_salesforce_ci.batch.files import BatchFiles, Encoding
from tap_salesforce_ci.batch.filing import Filed, filed
from tap_salesforce_ci.batch.storage import Storage

__all__ = ["BatchFiles", "Encoding", "Filed", "Storage", "filed"]
