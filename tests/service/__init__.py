"""The service as a whole, as its clients and its operator see it."""
