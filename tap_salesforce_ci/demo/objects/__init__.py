"""The objects of the demo org: a compact page for each, and what opens it out to a describe."""

from tap_salesforce_ci.demo.objects.expand import describes

__all__ = ["describes"]
