"""Lets a test arm a failpoint of a process that runs already: it dies where a file of the failpoint's name exists, once."""

import os
from pathlib import Path


def _arm() -> None:
    folder = os.environ.get("FAILPOINTS")
    if not folder:
        return
    try:
        from neuromation.kernel import failpoints
    except ImportError:
        return  # some other Python

    def failpoint(name: str) -> None:
        try:
            Path(folder, name).unlink()
        except FileNotFoundError:
            return
        os._exit(137)

    failpoints.failpoint = failpoint


_arm()
