"""`tap-salesforce-ci connect`: a person's Salesforce login, from the browser to the settings of the tap."""
