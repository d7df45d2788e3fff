# shellcheck shell=bash
# Azure: its own descriptions, held by Prism, before a server that keeps the state (azure/server.py). From npm, in the cache; Prism
# needs a newer Node than Debian's, which npm brings too.
what="Azure, by its own descriptions"
PORT=5130 BACK=5131 ML=5132 AKS=5133 ACR=5134
NPM=(@stoplight/prism-cli@5.16.0 "node-linux-$(case $(uname -m) in aarch64) echo arm64 ;; *) echo x64 ;; esac)@24.21.0")
PLACE=$CACHE/npm-$(printf '%s\n' "${NPM[@]}" | sha256sum | cut -c1-12)

health() { # Prism refuses what is not in the description
  local said port
  curl -sf -m 10 --noproxy '*' -o /dev/null "http://127.0.0.1:$PORT/_bed/health" || return
  for port in $ML $AKS $ACR; do
    said=$(curl -s -m 10 --noproxy '*' "http://127.0.0.1:$port/") && grep -q stoplight <<<"$said" || return
  done
}

up() {
  type -P npm >/dev/null || packages nodejs npm
  require engine
  if ! [ -f "$PLACE/.complete" ]; then
    rm -rf "$PLACE"; mkdir -p "$PLACE"
    (cd "$PLACE" && npm install --no-audit --no-fund --ignore-scripts "${NPM[@]}" && touch .complete) \
      >"$DIR/log" 2>&1 9>&- || die "npm: $(tail -n 5 "$DIR/log")"
    printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$PLACE"/node_modules/node-linux-*/bin/node \
      "$PLACE/node_modules/@stoplight/prism-cli/dist/index.js" >"$PLACE/prism"
    chmod +x "$PLACE/prism"
  fi
  # shellcheck disable=SC2016
  start sh -c '
    "$1" proxy --errors --host 127.0.0.1 --port "$5" "$2/ml.json" "http://127.0.0.1:$4" &
    "$1" proxy --errors --host 127.0.0.1 --port "$6" "$2/aks.json" "http://127.0.0.1:$4" &
    "$1" mock --errors --host 127.0.0.1 --port "$7" "$2/acr.json" &
    exec python3 "$2/server.py" "$3" "$4" "ml=http://127.0.0.1:$5" "aks=http://127.0.0.1:$6"' \
    azure "$PLACE/prism" "$HERE/azure" $PORT $BACK $ML $AKS $ACR
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
  export_var ML_DEPLOY_BED_PRISM "$PLACE/prism"
}
