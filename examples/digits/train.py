"""Trains a small network that reads handwritten digits of 8 by 8 pixels."""

import argparse
import os
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import mlflow
import numpy as np


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data-path", type=Path, default=Path("data/digits.csv"))
    parser.add_argument("--model-output", type=Path, default=Path("model"))
    parser.add_argument("--epochs", type=int, default=40)
    args = parser.parse_args()
    keras.utils.set_random_seed(7)

    table = np.loadtxt(args.data_path, delimiter=",", skiprows=1, dtype="float32")
    table = np.random.default_rng(7).permutation(table)
    labels, pixels = table[:, 0].astype("int32"), table[:, 1:]
    held = len(labels) // 5

    with mlflow.start_run():
        mlflow.log_params({"epochs": args.epochs, "rows": len(labels), "backend": keras.backend.backend()})
        model = keras.Sequential(
            [
                keras.Input((64,)),
                keras.layers.Rescaling(1 / 16),
                keras.layers.Dense(128, activation="relu"),
                keras.layers.Dense(10, activation="softmax"),
            ]
        )
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        model.fit(pixels[held:], labels[held:], batch_size=32, epochs=args.epochs, verbose=2)

        loss, accuracy = model.evaluate(pixels[:held], labels[:held], verbose=0)
        mlflow.log_metrics({"loss": float(loss), "accuracy": float(accuracy)})
        print(f"accuracy {accuracy:.4f} on {held} digits")

        args.model_output.mkdir(parents=True, exist_ok=True)
        model.save(args.model_output / "model.keras")
        mlflow.log_artifacts(str(args.model_output), artifact_path="model")


if __name__ == "__main__":
    main()
