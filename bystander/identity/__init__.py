"""Who is who: segments of tracks and what links them -> persons and verdicts."""
