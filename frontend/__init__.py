"""The web app: upload, estimate, progress, review, result.

It speaks HTTP to the service and imports nothing of the library.
"""
