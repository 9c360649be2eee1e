"""Promises of `tap-salesforce-ci connect`, kept over HTTP with the emulated org's own login page."""
