"""A small convolutional network on 8x8 pictures, in PyTorch; writes its weights, an ONNX file and its metrics."""

import argparse
import json
import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional


def pictures(folder):
    """Pictures (N, 1, 8, 8) in 0..1 and labels (N,) of a folder of folders, one a class."""
    classes = sorted(path.name for path in folder.iterdir() if path.is_dir())
    files = [(path, label) for label, name in enumerate(classes) for path in sorted((folder / name).glob("*.png"))]
    inputs = np.stack([np.asarray(Image.open(path), np.float32) for path, _ in files])[:, None] / 255
    return torch.from_numpy(inputs), torch.tensor([label for _, label in files])


parser = argparse.ArgumentParser()
parser.add_argument("data", type=Path)
parser.add_argument("--epochs", type=int)
parser.add_argument("--learning-rate", type=float)
parser.add_argument("--seed", type=int)
given = parser.parse_args()
outputs = Path(os.environ["NEUROMATION_OUTPUTS"])

torch.manual_seed(given.seed)
inputs, labels = pictures(given.data)
order = torch.randperm(len(inputs))
held_back, rest = order[: len(order) // 4], order[len(order) // 4 :]
network = nn.Sequential(
    nn.Conv2d(1, 12, 3, padding=1), nn.ReLU(), nn.Conv2d(12, 24, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(24 * 16, 10),
)  # fmt: skip
optimiser = torch.optim.Adam(network.parameters(), lr=given.learning_rate)
for epoch in range(given.epochs):
    for batch in rest[torch.randperm(len(rest))].split(64):
        optimiser.zero_grad()
        loss = functional.cross_entropy(network(inputs[batch]), labels[batch])
        loss.backward()
        optimiser.step()
    print(f"progress {(epoch + 1) / given.epochs:.2f} loss {loss.item():.4f}", flush=True)

network.eval()
with torch.no_grad():
    accuracy = (network(inputs[held_back]).argmax(1) == labels[held_back]).float().mean().item()
save_file(network.state_dict(), outputs / "model.safetensors")
torch.onnx.export(
    network, (inputs[:2],), outputs / "model.onnx", dynamo=True, external_data=False, verbose=False,
    dynamic_shapes=({0: torch.export.Dim("batch")},),
)  # fmt: skip
(outputs / "metrics.json").write_text(json.dumps({"accuracy": accuracy, "loss": loss.item()}))
