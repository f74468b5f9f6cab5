"""What the service bears and how fast it is, against a server of its own."""
