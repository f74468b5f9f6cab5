"""Putting networks into BentoML's model store, from where services and Bentos take them."""

from __future__ import annotations

import importlib
import os
import shutil
from pathlib import Path

from bystander.errors import ConfigError
from bystander.models.store import ModelStore


def import_model(store: ModelStore, name: str) -> str:
    """Copy the file of `name` into the model store in BENTOML_HOME.

    The version is the beginning of the file's checksum: importing the same file again
    changes nothing.

    Returns:
        The tag, NAME:VERSION.

    Raises:
        ConfigError: BentoML isn't installed, or the catalogue has no such model.
        ModelNotFound, ModelCorrupt: there is no intact file to import.
    """
    # Imported late: it takes seconds, and a plain install doesn't have it.
    os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")
    try:
        bentoml = importlib.import_module("bentoml")
    except ImportError as error:
        raise ConfigError(
            "BentoML is not installed", "Run `pip install 'bystander[serve]'`."
        ) from error
    entry = store.catalogue.entry(name)
    file = store.find(name)
    tag = f"{name}:{entry.sha256[:12]}"
    if not any(str(model.tag) == tag for model in bentoml.models.list()):
        facts = {"sha256": entry.sha256, "licence": entry.licence, "source": entry.source}
        with bentoml.models.create(tag, labels={"role": entry.role}, metadata=facts) as model:
            shutil.copyfile(file, Path(model.path) / entry.file)
    return tag
