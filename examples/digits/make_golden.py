"""Prints golden.jsonl: one request and the response of the trained model for digits that it is sure of."""

import json
import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np

model = keras.saving.load_model("model/model.keras")
table = np.loadtxt("data/digits.csv", delimiter=",", skiprows=1, dtype="float32")
labels, pixels = table[:, 0].astype("int32"), table[:, 1:]
probabilities = model.predict(pixels, verbose=0)
# A digit that it is unsure of may be read otherwise by a model that was trained on another processor.
sure = [row for row in range(len(labels)) if probabilities[row].max() > 0.995 and probabilities[row].argmax() == labels[row]]
for row in sure[:12]:
    request = {"instances": [pixels[row].astype(int).tolist()]}
    print(json.dumps({"request": request, "response": {"predictions": [int(labels[row])]}}))
