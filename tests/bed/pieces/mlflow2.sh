# shellcheck shell=bash
# An MLflow 2 server without password.
what="MLflow 2"
PORT=5103 VENV=mlflow2 REQUIREMENTS=("mlflow==2.22.5" "sqlalchemy<2.1" "setuptools<81")
. "$HERE/mlflow.sh"

health() { asks; }
up() { mlflow_up; }
where() { echo "$URL"; }
vars() { export_var ML_DEPLOY_BED_MLFLOW2 "$URL"; }
