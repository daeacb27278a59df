"""`python -m neuromation.api --fd N`: one API process on a socket that its parent has bound."""

import argparse

import uvicorn

from neuromation import wiring
from neuromation.api.app import create_app

GRACE_S = 2  # open event streams never end by themselves

if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--fd", type=int, required=True, help="an open listening socket")
    wiring.log_to_stderr()
    uvicorn.run(
        create_app(wiring.build(wiring.Settings.from_env())),
        fd=arguments.parse_args().fd,
        log_level="warning",
        timeout_graceful_shutdown=GRACE_S,
    )
