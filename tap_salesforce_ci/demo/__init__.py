"""A small, honest Salesforce org of our own: what the first run loads from and the tests talk to."""
