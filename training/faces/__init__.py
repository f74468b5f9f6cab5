"""How far the face recognisers can be trusted: ROC curves, thresholds, several frames at once.

`python -m training.faces` measures every pack on labelled photos and on face tracks from
clips, and writes a report of curves and numbers. Faces are biometric data: pictures and
embeddings stay in memory and appear in no file. docs/faces.md tells what came out.
"""
