"""Reading and writing video and photos."""
