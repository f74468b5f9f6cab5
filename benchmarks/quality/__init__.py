"""How well the promise holds: made scenes with exact truth, and the clips that have truth."""
