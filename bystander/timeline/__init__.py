"""The timeline: who is where in every frame, and the verdict on each, in one file."""
