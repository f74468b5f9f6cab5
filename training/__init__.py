"""Making the person segmenter: data, cleaning, synthetic crowds, fine-tuning, evaluation, export.

Imports `bystander` to evaluate what it made; nothing imports it.
"""
