"""The settings a person may give, and the frozen values made from them."""

from tap_salesforce_ci.settings.batch import BatchSettings
from tap_salesforce_ci.settings.schema import CONFIG_JSONSCHEMA, SECRETS
from tap_salesforce_ci.settings.values import ApiType, Replication, Settings, tidied

__all__ = ["CONFIG_JSONSCHEMA", "SECRETS", "ApiType", "BatchSettings", "Replication", "Settings", "tidied"]
