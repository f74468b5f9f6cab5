"""What the product does with a network: test sets, metrics, and the pages that show both."""
