"""`python -m neuromation.worker`: one worker process, set up by the environment."""

from neuromation import wiring
from neuromation.worker.loop import run

if __name__ == "__main__":
    wiring.log_to_stderr()
    run(wiring.build(wiring.Settings.from_env()))
