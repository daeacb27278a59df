"""A network of two layers on 8x8 pictures, in JAX; reads its parameters from their file, writes weights and metrics."""

import json
import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image
from safetensors.numpy import save_file

given = json.loads(Path(os.environ["NEUROMATION_PARAMETERS"]).read_text())
folder, outputs = Path(os.environ["NEUROMATION_INPUTS"]), Path(os.environ["NEUROMATION_OUTPUTS"])
classes = sorted(path.name for path in folder.iterdir() if path.is_dir())
files = [(path, label) for label, name in enumerate(classes) for path in sorted((folder / name).glob("*.png"))]
inputs = np.stack([np.asarray(Image.open(path), np.float32).ravel() for path, _ in files]) / 255
labels = np.array([label for _, label in files])
order = np.random.default_rng(given["seed"]).permutation(len(files))
inputs, labels, held_back = inputs[order], labels[order], len(files) // 4


def logits(weights, x):
    return jax.nn.relu(x @ weights["w1"] + weights["b1"]) @ weights["w2"] + weights["b2"]


def loss_of(weights, x, y):
    return -jnp.mean(jax.nn.log_softmax(logits(weights, x))[jnp.arange(len(y)), y])


@jax.jit
def step(weights, x, y):
    loss, slope = jax.value_and_grad(loss_of)(weights, x, y)
    return jax.tree.map(lambda w, s: w - given["learning_rate"] * s, weights, slope), loss


first, second = jax.random.split(jax.random.key(given["seed"]))
weights = {
    "w1": jax.random.normal(first, (64, given["hidden"])) * 0.1, "b1": jnp.zeros(given["hidden"]),
    "w2": jax.random.normal(second, (given["hidden"], 10)) * 0.1, "b2": jnp.zeros(10),
}  # fmt: skip
rng = np.random.default_rng(given["seed"])
for number in range(given["steps"]):
    batch = rng.integers(held_back, len(inputs), 64)
    weights, loss = step(weights, inputs[batch], labels[batch])
    if number % 20 == 0:
        print(f"progress {number / given['steps']:.2f} loss {loss:.4f}", flush=True)

accuracy = float(np.mean(np.argmax(logits(weights, inputs[:held_back]), axis=1) == labels[:held_back]))
save_file({name: np.asarray(value) for name, value in weights.items()}, outputs / "model.safetensors")
(outputs / "metrics.json").write_text(json.dumps({"accuracy": accuracy, "loss": float(loss)}))
