"""The org's own reader of SOQL: text to tokens to a syntax tree to a query over described objects."""
