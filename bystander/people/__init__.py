"""Who is in the picture, from when to when, and whether they may be seen."""
