"""The adapter of Ray Train: it starts the processes of a training and connects them; refuses to know what they do."""

from __future__ import annotations

import logging
from pathlib import Path

import ray
from ray.train import RunConfig, ScalingConfig
from ray.train.torch import TorchConfig, TorchTrainer

from neuromation.agent.cluster import work


def train_under_ray(folder: Path, workers: int) -> None:
    """Do the job in a folder with so many workers, each with `torch.distributed` set up, and wait for its end."""
    ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    try:
        TorchTrainer(
            lambda config: work(Path(config["folder"])),
            train_loop_config={"folder": str(folder)},
            torch_config=TorchConfig(backend="gloo"),
            scaling_config=ScalingConfig(num_workers=workers, use_gpu=False, resources_per_worker={"CPU": 1}),
            run_config=RunConfig(storage_path=str(folder / "ray")),
        ).fit()
    finally:
        ray.shutdown()
