# shellcheck shell=bash
# A registry without password, over plain HTTP.
what="registry"
PORT=5001
. "$HERE/registry.sh"

health() { answers "http://127.0.0.1:$PORT/v2/"; }
up() { registry_up; }
where() { echo "127.0.0.1:$PORT"; }
vars() { export_var ML_DEPLOY_BED_REGISTRY "127.0.0.1:$PORT"; }
