"""`python -m tap_salesforce_ci`."""

from tap_salesforce_ci.cli import main

main()
