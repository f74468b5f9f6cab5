"""Speed and quality of Bystander, measured; each module is one command."""
