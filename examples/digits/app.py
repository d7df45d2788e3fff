"""Serves the model: GET /health, POST /predict {"instances": [[64 pixels from 0 to 16], ...]}."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
from fastapi import FastAPI
from pydantic import BaseModel, conlist

model = keras.saving.load_model(os.environ.get("MODEL_PATH", "model/model.keras"))
# The first prediction compiles: better now than for the first request.
model.predict(np.zeros((1, 64), dtype="float32"), verbose=0)
app = FastAPI()


class Digits(BaseModel):
    instances: conlist(conlist(float, min_length=64, max_length=64), min_length=1)


@app.get("/health")
def health():
    return {"status": "ok"}


@app.post("/predict")
def predict(digits: Digits):
    probabilities = model.predict(np.array(digits.instances, dtype="float32"), verbose=0)
    return {"predictions": probabilities.argmax(axis=1).tolist()}
