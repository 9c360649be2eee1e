"""Salesforce's REST and Bulk 2.0 APIs, without a word of Singer."""
