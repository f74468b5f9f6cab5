"""The web app: upload, confirm, estimate, progress, review, result.

It speaks HTTP to the service and imports nothing of the library.
"""
