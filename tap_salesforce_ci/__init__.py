"""tap-salesforce-ci: every queryable Salesforce object as a Singer stream."""

from importlib.metadata import version

__version__ = version("tap-salesforce-ci")
