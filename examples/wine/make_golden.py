"""Prints golden.jsonl: one request and the response of the trained model for every sixteenth wine."""

import json

import joblib
import pandas as pd

model = joblib.load("model/model.joblib")
rows = pd.read_csv("data/train.csv").drop(columns="target").iloc[::16]
for row in rows.to_numpy().tolist():
    predictions = model.predict([row]).tolist()
    print(json.dumps({"request": {"instances": [row]}, "response": {"predictions": predictions}}))
