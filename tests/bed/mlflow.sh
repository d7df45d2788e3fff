# shellcheck shell=bash
# One MLflow server on loopback with a database and artifacts of its own; the three pieces differ in PORT, VENV and options.
URL=http://127.0.0.1:$PORT

mlflow_up() { # OPTION...
  require uv
  local venv; venv=$(python_env "$VENV" "${REQUIREMENTS[@]}")
  stop # its workers can outlive a dead parent
  rm -rf "$DIR/data"; mkdir -p "$DIR/data/artifacts"
  cd "$DIR/data" || die "no $DIR/data"
  export PATH=$venv/bin:$PATH MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=true
  start "$venv/bin/mlflow" server --backend-store-uri "sqlite:///$DIR/data/mlflow.db" \
    --artifacts-destination "$DIR/data/artifacts" --host 127.0.0.1 --port "$PORT" --workers 1 "$@"
  wait_for 180 health
}

asks() { # CURL-OPTION...: a real request to the REST interface
  [ "$(curl -s -m 10 --noproxy '*' -o /dev/null -w '%{http_code}' "$@" "$URL/api/2.0/mlflow/experiments/get?experiment_id=0")" = 200 ]
}
down() { stop; rm -rf "${DIR:?}/data"; }
