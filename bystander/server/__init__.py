"""The service: what `bystander serve` starts."""
