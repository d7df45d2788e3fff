# Prints the runs with a tag from any store that MLflow reads as JSON, in the form of MLflow's REST interface.
import json
import sys

from mlflow.tracking import MlflowClient

tag, value = sys.argv[1:3]
# The store stands in MLFLOW_TRACKING_URI.
client = MlflowClient()


def pages(search):
    token = None
    while True:
        page = search(token)
        yield from page
        token = page.token
        if not token:
            return


def number(value):
    return value if value == value and abs(value) != float("inf") else str(value)


experiments = [found.experiment_id for found in pages(lambda token: client.search_experiments(page_token=token))]
runs = []
if experiments:
    wanted = "tags.`%s` = '%s'" % (tag, value)
    for run in pages(lambda token: client.search_runs(experiments, filter_string=wanted, page_token=token)):
        outputs = getattr(run, "outputs", None)
        runs.append(
            {
                "info": {
                    "run_id": run.info.run_id,
                    "run_name": run.info.run_name or "",
                    "experiment_id": run.info.experiment_id,
                    "status": run.info.status,
                    "start_time": run.info.start_time or 0,
                },
                "data": {
                    "metrics": [{"key": key, "value": number(value)} for key, value in run.data.metrics.items()],
                    "params": [{"key": key, "value": value} for key, value in run.data.params.items()],
                    "tags": [{"key": key, "value": value} for key, value in run.data.tags.items()],
                },
                "outputs": {
                    "model_outputs": [{"model_id": model.model_id} for model in getattr(outputs, "model_outputs", None) or []]
                },
            }
        )
json.dump(runs, sys.stdout)
