"""The HTTP API, mounted at /v1 of the service."""
