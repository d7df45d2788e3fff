# shellcheck shell=bash
# What tests of Google need: Prism for its own descriptions (google/google.json), and a registry's name as Google's are, in a location
# that does not exist, that leads to this machine: a token goes by the name alone. Owns a line in /etc/hosts; `down` takes it away.
what="Prism, and a name of a registry of Google"
NAME=bed-docker.pkg.dev
HOSTS_LINE="127.0.0.1 $NAME # ml-deploy test bed"
. "$HERE/prism.sh"

health() { [ -f "$PLACE/.complete" ] && grep -qxF "$HOSTS_LINE" /etc/hosts; }
up() {
  prism_up
  grep -qxF "$HOSTS_LINE" /etc/hosts || echo "$HOSTS_LINE" | as_root tee -a /etc/hosts >/dev/null
}
down() {
  if grep -qxF "$HOSTS_LINE" /etc/hosts; then # written in place: in a container it is a mount
    local rest; rest=$(grep -vxF "$HOSTS_LINE" /etc/hosts || true)
    printf '%s\n' "$rest" | as_root tee /etc/hosts >/dev/null
  fi
}
where() { echo "$NAME"; }
vars() {
  export_var ML_DEPLOY_BED_GOOGLE_REGISTRY "$NAME"
  export_var ML_DEPLOY_BED_PRISM "$PRISM"
}
