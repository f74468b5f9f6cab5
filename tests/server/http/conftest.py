"""What the tests of the API share with those of the storages."""

from tests.storage.conftest import emulator

__all__ = ["emulator"]
