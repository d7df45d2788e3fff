# shellcheck shell=bash
# A real one-node Kubernetes (kubenode/), its binary built once from Go modules: about eight minutes on two idle cores.
# With ML_DEPLOY_TEST_KUBECONFIG the cluster behind it is used and nothing is built or started.
what="Kubernetes node"
SOURCES=$HERE/kubenode

home() { # where the binary and the node's own images are kept: named by what they are made of
  { cat "$SOURCES"/*.go "$SOURCES"/go.mod "$SOURCES"/go.sum "$SOURCES"/build.sh "$SOURCES"/pause/*.go; go version; } 2>/dev/null |
    sha256sum | cut -c1-16
}
NODE=$CACHE/kubenode-$(home)
CONFIG=${ML_DEPLOY_TEST_KUBECONFIG:-$DIR/node/kubeconfig}
KUBECTL="$NODE/kubenode kubectl"
if [ -n "${ML_DEPLOY_TEST_KUBECONFIG:-}" ]; then KUBECTL=$(type -P kubectl || echo kubectl); fi

# shellcheck disable=SC2086
health() { [ -r "$CONFIG" ] && $KUBECTL --kubeconfig "$CONFIG" --request-timeout=5s get --raw /readyz >/dev/null 2>&1; }

build() {
  if [ -f "$NODE/.complete" ]; then return; fi
  command -v go >/dev/null || die "needs Go (https://go.dev/dl) to build the Kubernetes node, or ML_DEPLOY_TEST_KUBECONFIG"
  packages busybox-static
  note "building the Kubernetes node: minutes the first time, log in $DIR/build.log"
  mkdir -p "$NODE/images"
  local applet applets=()
  for applet in $(/bin/busybox --list); do [ "$applet" = busybox ] || applets+=("bin/$applet->busybox"); done
  (
    set -e
    cd "$SOURCES"
    ./build.sh "$NODE/kubenode"
    CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o "$NODE/pause" ./pause
    "$NODE/kubenode" image -out "$NODE/images/pause.tar" -ref kubenode.local/pause:1 -entrypoint /bin/pause "$NODE/pause:/bin/pause"
    "$NODE/kubenode" image -out "$NODE/images/box.tar" -ref test.local/box:1 -entrypoint /bin/sh /bin/busybox:/bin/busybox "${applets[@]}"
  ) >"$DIR/build.log" 2>&1 9>&- || die "kubenode: $(tail -n 5 "$DIR/build.log")"
  touch "$NODE/.complete"
}

node() { as_root env "PATH=$PATH" KUBENODE_STATE="$DIR/node" KUBENODE_BIN="$NODE/kubenode" KUBENODE_IMAGES="$NODE/images" "$SOURCES/cluster" "$@"; }

up() {
  [ -z "${ML_DEPLOY_TEST_KUBECONFIG:-}" ] || die "the cluster of ML_DEPLOY_TEST_KUBECONFIG does not answer"
  packages containerd runc containernetworking-plugins iptables nftables iproute2
  build
  if [ ! -f "$DIR/node/.kubenode" ] && (: </dev/tcp/127.0.0.1/6443) 2>/dev/null; then
    die "another API server listens on 127.0.0.1:6443; name it with ML_DEPLOY_TEST_KUBECONFIG, or end it"
  fi
  node up >"$DIR/up.log" 2>&1 9>&- || die "cluster up: $(tail -n 3 "$DIR/up.log")"
  if [ "$(id -u)" != 0 ]; then as_root chown "$(id -u)" "$CONFIG"; fi
}

down() {
  if [ -n "${ML_DEPLOY_TEST_KUBECONFIG:-}" ] || [ ! -f "$DIR/node/.kubenode" ]; then return; fi
  node down 9>&-; echo "$PIECE ended"
}

where() { echo "$CONFIG"; }
vars() {
  export_var ML_DEPLOY_BED_KUBECONFIG "$CONFIG"
  export_var ML_DEPLOY_BED_KUBECTL "$KUBECTL"
}
