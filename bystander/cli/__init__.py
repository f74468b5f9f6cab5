"""The command line: one module for the commands, the others for what they print and take."""
