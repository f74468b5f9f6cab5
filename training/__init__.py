"""Making the person segmenter: data, cleaning, synthetic crowds, fine-tuning, evaluation, export.

Imports `bystander` to evaluate what it made; nothing imports it.
"""

import os

# ONNX Runtime reports to its maker by default, from its import on: nothing is sent anywhere.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
