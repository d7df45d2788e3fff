# Prints runs from an MLflow database as JSON, in the form of MLflow's REST interface: `tag NAME VALUE`, `run ID ''`, or the runs of
# an experiment that began last, `latest EXPERIMENT COUNT`. Standard library only.
import json
import math
import sqlite3
import sys
from urllib.parse import quote

path, wanted, name, value = sys.argv[1:5]
# Reading must not create or change anything.
database = sqlite3.connect("file:" + quote(path) + "?mode=ro", uri=True, timeout=20)
tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
if not {"runs", "tags", "latest_metrics", "params"} <= tables:
    print("[]")
    sys.exit()


def pairs(table, run):
    rows = database.execute("SELECT key, value FROM " + table + " WHERE run_uuid = ?", (run,))
    return [{"key": key, "value": value or ""} for key, value in rows]


def number(value, is_nan):
    # The database has no infinities: MLflow writes the greatest double instead.
    if is_nan:
        return "NaN"
    if value is not None and abs(value) >= sys.float_info.max:
        return "Infinity" if value > 0 else "-Infinity"
    return value if value is not None and math.isfinite(value) else str(value)


def models(run):
    if "logged_models" not in tables:
        return []
    rows = database.execute(
        "SELECT model_id FROM logged_models WHERE source_run_id = ? ORDER BY creation_timestamp_ms", (run,)
    )
    return [{"model_id": model} for (model,) in rows]


def datasets(run):
    if not {"inputs", "datasets", "input_tags"} <= tables:
        return []
    rows = database.execute(
        "SELECT i.input_uuid, d.name, d.digest FROM inputs i JOIN datasets d ON d.dataset_uuid = i.source_id "
        "WHERE i.source_type = 'DATASET' AND i.destination_type = 'RUN' AND i.destination_id = ?",
        (run,),
    ).fetchall()
    found = []
    for uuid, name, digest in rows:
        tags = database.execute("SELECT name, value FROM input_tags WHERE input_uuid = ?", (uuid,))
        tags = [{"key": key, "value": value or ""} for key, value in tags]
        found.append({"tags": tags, "dataset": {"name": name, "digest": digest}})
    return found


columns = "SELECT r.run_uuid, r.name, r.experiment_id, r.status, r.start_time, r.artifact_uri FROM runs r "
if wanted == "tag":
    found = database.execute(
        columns + "JOIN tags t ON t.run_uuid = r.run_uuid WHERE t.key = ? AND t.value = ?", (name, value)
    ).fetchall()
elif wanted == "run":
    found = database.execute(columns + "WHERE r.run_uuid = ?", (name,)).fetchall()
else:
    found = database.execute(
        columns + "WHERE r.experiment_id = ? AND r.lifecycle_stage = 'active' ORDER BY r.start_time DESC LIMIT ?",
        (int(name), int(value)),
    ).fetchall()
runs = []
for run, shown, experiment, status, start, artifacts in found:
    metrics = database.execute("SELECT key, value, is_nan FROM latest_metrics WHERE run_uuid = ?", (run,))
    runs.append(
        {
            "info": {
                "run_id": run,
                "run_name": shown or "",
                "experiment_id": str(experiment),
                "status": status or "",
                "start_time": start or 0,
                "artifact_uri": artifacts or "",
            },
            "data": {
                "metrics": [{"key": key, "value": number(value, nan)} for key, value, nan in metrics],
                "params": pairs("params", run),
                "tags": pairs("tags", run),
            },
            "inputs": {"dataset_inputs": datasets(run)},
            "outputs": {"model_outputs": models(run)},
        }
    )
json.dump(runs, sys.stdout)
