"""Masks, boxes and coordinates of one frame, and what converts between them."""
