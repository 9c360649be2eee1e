"""The client, proven against the emulated org over HTTP."""
