"""Giving memory back between the stages of a long job."""

from __future__ import annotations

import ctypes
import gc
import logging

log = logging.getLogger(__name__)


def release_memory() -> None:
    """Return what is free to the system, where the C library can (glibc).

    glibc keeps what the networks freed, scattered over its arenas; the encoder would
    take as much again on top of it (opera: a peak of 790 MiB instead of 600).
    """
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError) as error:  # another C library
        log.debug("memory can't be given back: %s", error)
