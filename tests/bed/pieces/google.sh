# shellcheck shell=bash
# A registry's name as Google's are, in a location that does not exist, that leads to this machine: a token goes by the name alone.
# Owns a line in /etc/hosts; `down` takes it away.
what="name of a registry of Google"
NAME=bed-docker.pkg.dev
HOSTS_LINE="127.0.0.1 $NAME # ml-deploy test bed"

health() { grep -qxF "$HOSTS_LINE" /etc/hosts; }
up() { echo "$HOSTS_LINE" | as_root tee -a /etc/hosts >/dev/null; }
down() {
  if health; then # written in place: in a container it is a mount
    local rest; rest=$(grep -vxF "$HOSTS_LINE" /etc/hosts || true)
    printf '%s\n' "$rest" | as_root tee /etc/hosts >/dev/null
  fi
}
where() { echo "$NAME"; }
vars() { export_var ML_DEPLOY_BED_GOOGLE_REGISTRY "$NAME"; }
