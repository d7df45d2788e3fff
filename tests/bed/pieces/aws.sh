# shellcheck shell=bash
# AWS as moto plays it, extended: endpoints of SageMaker with states and containers, requests held against AWS's own description.
what="AWS (moto, extended)"
PORT=5201
URL=http://127.0.0.1:$PORT

health() { running >/dev/null && curl -sf -m 10 --noproxy '*' -o /dev/null "$URL/_bed/health" && [ -s "$DIR/admin.json" ]; }
up() {
  require uv engine
  local venv; venv=$(python_env aws "moto[server]==5.2.5")
  stop
  rm -f "$DIR/admin.json"
  docker version >/dev/null 2>&1 || true # finds the client
  BED_DOCKER=${DOCKER_CLIENT:-docker} BED_ADMIN=$DIR/admin.json INITIAL_NO_AUTH_ACTION_COUNT=0 PYTHONDONTWRITEBYTECODE=1 \
    start "$venv/bin/python" "$HERE/aws/server.py" "$PORT"
  wait_for 60 health
}
down() {
  stop
  # shellcheck disable=SC2046
  docker rm -f $(docker ps -aq --filter label=ml-deploy-bed.aws) >/dev/null 2>&1 || true
}
where() { echo "$URL"; }
vars() {
  export_var ML_DEPLOY_BED_AWS "$URL"
  export_var ML_DEPLOY_BED_AWS_KEY_ID "$(sed -n 's/.*"access_key_id": "\([^"]*\)".*/\1/p' "$DIR/admin.json")"
  export_var ML_DEPLOY_BED_AWS_SECRET_KEY "$(sed -n 's/.*"secret_access_key": "\([^"]*\)".*/\1/p' "$DIR/admin.json")"
}
