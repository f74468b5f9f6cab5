"""From a video to the masked video: what a program calls."""
