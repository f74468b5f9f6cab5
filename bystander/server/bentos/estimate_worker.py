"""video -> estimate, in a process of its own.

    python -m bystander.server.bentos.estimate_worker VIDEO PROFILE IN_FLIGHT

prints an `Estimate` as one JSON object. As a job, it decodes what came
from a stranger.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from bystander.choices import ProfileName
from bystander.models import load_models
from bystander.pipeline.estimate import estimate
from bystander.sandbox.lifeline import end_with_parent
from bystander.server.bentos.job_worker import SERVICES_VARIABLE
from bystander.server.bentos.remote import open_models
from bystander.settings import load_profile


def main(arguments: Sequence[str], environ: Mapping[str, str] = os.environ) -> None:
    """Measure and print. Raises BystanderError: what `estimate` raises."""
    video, name, in_flight = arguments
    profile = load_profile(ProfileName(name))
    services = json.loads(environ.get(SERVICES_VARIABLE, "{}"))
    settings = profile.analysis.model_settings()
    models = open_models(services, settings) if services else load_models(settings)
    analysis = profile.analysis.model_copy(update={"workers": int(in_flight)})
    found = estimate(Path(video), models, profile.model_copy(update={"analysis": analysis}))
    print(json.dumps(asdict(found)))


if __name__ == "__main__":
    end_with_parent(os.getppid())
    main(sys.argv[1:])
