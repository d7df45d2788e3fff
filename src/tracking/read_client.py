# Prints runs from any store that MLflow reads as JSON, in the form of MLflow's REST interface: `tag NAME VALUE`, `run ID ''`, or the
# runs of an experiment that began last, `latest EXPERIMENT COUNT`.
import json
import sys

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

wanted, name, value = sys.argv[1:4]
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


def search():
    if wanted == "latest":
        return client.search_runs([name], max_results=int(value), order_by=["attributes.start_time DESC"])
    if wanted == "run":
        try:
            return [client.get_run(name)]
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return []
            raise
    experiments = [found.experiment_id for found in pages(lambda token: client.search_experiments(page_token=token))]
    if not experiments:
        return []
    tagged = "tags.`%s` = '%s'" % (name, value)
    return pages(lambda token: client.search_runs(experiments, filter_string=tagged, page_token=token))


def datasets(run):
    inputs = getattr(run, "inputs", None)
    return [
        {
            "tags": [{"key": tag.key, "value": tag.value} for tag in found.tags],
            "dataset": {"name": found.dataset.name, "digest": found.dataset.digest},
        }
        for found in getattr(inputs, "dataset_inputs", None) or []
    ]


runs = []
for run in search():
    outputs = getattr(run, "outputs", None)
    runs.append(
        {
            "info": {
                "run_id": run.info.run_id,
                "run_name": run.info.run_name or "",
                "experiment_id": run.info.experiment_id,
                "status": run.info.status,
                "start_time": run.info.start_time or 0,
                "artifact_uri": run.info.artifact_uri or "",
            },
            "data": {
                "metrics": [{"key": key, "value": number(value)} for key, value in run.data.metrics.items()],
                "params": [{"key": key, "value": value} for key, value in run.data.params.items()],
                "tags": [{"key": key, "value": value} for key, value in run.data.tags.items()],
            },
            "inputs": {"dataset_inputs": datasets(run)},
            "outputs": {
                "model_outputs": [{"model_id": model.model_id} for model in getattr(outputs, "model_outputs", None) or []]
            },
        }
    )
json.dump(runs, sys.stdout)
