# shellcheck shell=bash
# An MLflow 3 server without password.
what="MLflow 3"
PORT=5101 VENV=mlflow3 REQUIREMENTS=("mlflow[auth]==3.17.2")
. "$HERE/mlflow.sh"

health() { asks; }
up() { mlflow_up; }
where() { echo "$URL"; }
vars() { export_var ML_DEPLOY_BED_MLFLOW "$URL"; }
