"""The way to a Dask cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from features.errors import UsageError
from features.message import say

if TYPE_CHECKING:
    from distributed import Client


def connected(address: str) -> Client:
    """Return a client of a Dask cluster.

    Parameters
    ----------
    address : str
        Address of the scheduler, such as ``tcp://host:8786``.

    Raises
    ------
    UsageError
        Codes E-DASK-MISSING (not installed) and E-DASK-ADDRESS (nobody answers).
    """
    try:
        import distributed  # noqa: PLC0415 - an optional part
    except ImportError:
        raise UsageError(
            "E-DASK-MISSING",
            say("a Dask scheduler is named, but dask and distributed are not installed"),
            "--scheduler",
            say("install energy-advisor[cluster], or leave --scheduler out"),
        ) from None
    try:
        return distributed.Client(address, timeout=30)
    except (OSError, ValueError, TimeoutError) as error:
        raise UsageError(
            "E-DASK-ADDRESS",
            say("no scheduler answers: {error}", error=error),
            address,
            say("check address and network"),
        ) from None
