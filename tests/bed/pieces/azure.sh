# shellcheck shell=bash
# Azure: its own descriptions, held by Prism, before a server that keeps the state (azure/server.py).
what="Azure, by its own descriptions"
PORT=5130 BACK=5131 ML=5132 AKS=5133 ACR=5134
. "$HERE/prism.sh"

health() { # Prism refuses what is not in the description
  local said port
  curl -sf -m 10 --noproxy '*' -o /dev/null "http://127.0.0.1:$PORT/_bed/health" || return
  for port in $ML $AKS $ACR; do
    said=$(curl -s -m 10 --noproxy '*' "http://127.0.0.1:$port/") && grep -q stoplight <<<"$said" || return
  done
}

up() {
  require engine
  prism_up
  # shellcheck disable=SC2016
  start sh -c '
    "$1" proxy --errors --host 127.0.0.1 --port "$5" "$2/ml.json" "http://127.0.0.1:$4" &
    "$1" proxy --errors --host 127.0.0.1 --port "$6" "$2/aks.json" "http://127.0.0.1:$4" &
    "$1" mock --errors --host 127.0.0.1 --port "$7" "$2/acr.json" &
    exec python3 "$2/server.py" "$3" "$4" "ml=http://127.0.0.1:$5" "aks=http://127.0.0.1:$6"' \
    azure "$PRISM" "$HERE/azure" $PORT $BACK $ML $AKS $ACR
  wait_for 60 health
}

down() {
  stop
  # What its deployments ran; each test ends its own.
  local left
  for left in $(docker ps -aq --filter label=ml-deploy-bed-azure 2>/dev/null); do docker rm -f "$left" >/dev/null || true; done
}
where() { echo "http://127.0.0.1:$PORT"; }
vars() {
  export_var ML_DEPLOY_BED_AZURE "http://127.0.0.1:$PORT"
  export_var ML_DEPLOY_BED_AZURE_REGISTRY "http://127.0.0.1:$ACR"
  export_var ML_DEPLOY_BED_PRISM "$PRISM"
}
