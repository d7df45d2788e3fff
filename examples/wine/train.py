"""Trains a classifier for the cultivar of a wine from 13 measurements."""

import argparse
from pathlib import Path

import joblib
import mlflow
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import train_test_split


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data-path", type=Path, default=Path("data/train.csv"))
    parser.add_argument("--model-output", type=Path, default=Path("model"))
    parser.add_argument("--trees", type=int, default=100)
    parser.add_argument("--max-depth", type=int, default=8)
    args = parser.parse_args()

    data = pd.read_csv(args.data_path)
    features, target = data.drop(columns="target"), data["target"]
    train_x, test_x, train_y, test_y = train_test_split(
        features.to_numpy(), target.to_numpy(), test_size=0.25, random_state=7, stratify=target
    )

    with mlflow.start_run():
        mlflow.log_params({"trees": args.trees, "max_depth": args.max_depth, "rows": len(data)})
        model = RandomForestClassifier(args.trees, max_depth=args.max_depth, random_state=7)
        model.fit(train_x, train_y)

        predicted = model.predict(test_x)
        accuracy = accuracy_score(test_y, predicted)
        f1 = f1_score(test_y, predicted, average="macro")
        mlflow.log_metrics({"accuracy": accuracy, "f1": f1})
        print(f"accuracy {accuracy:.4f}, f1 {f1:.4f} on {len(test_y)} wines")

        args.model_output.mkdir(parents=True, exist_ok=True)
        joblib.dump(model, args.model_output / "model.joblib")
        mlflow.log_artifacts(str(args.model_output), artifact_path="model")


if __name__ == "__main__":
    main()
