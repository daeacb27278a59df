"""A small convolutional network on 8x8 pictures, in Keras; writes a .keras file and its metrics."""

import json
import sys
from pathlib import Path

import keras
import numpy as np
from PIL import Image

folder, outputs, epochs, optimiser, seed = (
    Path(sys.argv[1]),
    Path(sys.argv[2]),
    int(sys.argv[3]),
    sys.argv[4],
    int(sys.argv[5]),
)
classes = sorted(path.name for path in folder.iterdir() if path.is_dir())
files = [(path, label) for label, name in enumerate(classes) for path in sorted((folder / name).glob("*.png"))]
inputs = np.stack([np.asarray(Image.open(path), np.float32) for path, _ in files])[..., None] / 255
labels = np.array([label for _, label in files])
order = np.random.default_rng(seed).permutation(len(files))
inputs, labels, held_back = inputs[order], labels[order], len(files) // 4

keras.utils.set_random_seed(seed)
network = keras.Sequential(
    [
        keras.Input((8, 8, 1)),
        keras.layers.Conv2D(12, 3, padding="same", activation="relu"),
        keras.layers.Conv2D(24, 3, padding="same", activation="relu"),
        keras.layers.MaxPooling2D(),
        keras.layers.Flatten(),
        keras.layers.Dense(10, activation="softmax"),
    ]
)


class Progress(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        print(f"progress {(epoch + 1) / epochs:.2f} loss {logs['loss']:.4f}", flush=True)


network.compile(optimizer=optimiser, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
network.fit(inputs[held_back:], labels[held_back:], batch_size=64, epochs=epochs, verbose=0, callbacks=[Progress()])
loss, accuracy = network.evaluate(inputs[:held_back], labels[:held_back], verbose=0)
network.save(outputs / "model.keras")
(outputs / "metrics.json").write_text(json.dumps({"accuracy": float(accuracy), "loss": float(loss)}))
