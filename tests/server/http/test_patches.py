"""What is put in the place of BentoML's insides is really used, by the version that is installed.

An update of BentoML fails here first: look at its `server/http` and `_bentoml_impl/server/app.py`,
and whether each patch is still needed, before the version is put into `VERSIONS`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from bystander.server.http.patches import VERSIONS
from tests.conftest import REPOSITORY

BUILT = """
import json
import bentoml
from bystander.server.http.patches import patch_bentoml

patch_bentoml()

@bentoml.service(traffic={"timeout": 60})
class Main:
    @bentoml.api
    def echo(self, text: str) -> str:
        return text

app = Main.to_asgi(is_main=True)
print("BUILT", json.dumps([one.cls.__name__ for one in app.user_middleware]))
"""


def test_bentoml_is_of_a_version_whose_insides_were_looked_at() -> None:
    assert version("bentoml").startswith(VERSIONS)


def test_a_service_is_built_with_what_was_put_there(tmp_path: Path) -> None:
    (tmp_path / "built.py").write_text(BUILT)
    environment = {
        **os.environ,
        "BENTOML_HOME": str(tmp_path / "home"),
        "BENTOML_DO_NOT_TRACK": "true",
        "PYTHONPATH": str(REPOSITORY),
    }
    done = subprocess.run(
        [sys.executable, "built.py"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    used = json.loads(done.stdout.split("BUILT ")[1])
    assert {"NoTimeout", "KnownPaths"} <= set(used)
    assert not {"TimeoutMiddleware", "RunnerTrafficMetricsMiddleware"} & set(used)
