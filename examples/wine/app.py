"""Serves the model: GET /health, POST /predict {"instances": [[13 numbers], ...]}."""

import os

import joblib
import numpy as np
from flask import Flask, jsonify, request

FEATURES = 13
model = joblib.load(os.environ.get("MODEL_PATH", "model/model.joblib"))
app = Flask(__name__)


@app.get("/health")
def health():
    return jsonify(status="ok")


@app.post("/predict")
def predict():
    body = request.get_json(silent=True) or {}
    try:
        rows = np.array(body["instances"], dtype=float)
    except (KeyError, TypeError, ValueError):
        return jsonify(error='expected {"instances": [[13 numbers], ...]}'), 400
    if rows.ndim != 2 or rows.shape[1] != FEATURES:
        return jsonify(error=f"each instance has {FEATURES} numbers"), 400
    return jsonify(predictions=model.predict(rows).tolist())
