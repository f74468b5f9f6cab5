"""`python -m bystander` is the command line."""

from bystander.cli import main

main()
