# shellcheck shell=bash
# The container engine. One that answers already is used as it is, and never ended by us.
what="Docker engine"

health() { docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

up() {
  if ! command -v dockerd >/dev/null; then
    [ -z "${DOCKER_HOST:-}" ] || die "the engine at $DOCKER_HOST does not answer"
    packages docker.io iptables
    DOCKER_CLIENT=
  fi
  # Where init works the package has started it, and one that is just starting must not get a rival: two in one network
  # namespace delete each other's bridge.
  if ps -C dockerd -o stat= | grep -qv '^Z'; then
    if [ -z "${DOCKER_HOST:-}" ]; then
      wait_for 20 test -S /var/run/docker.sock
      [ -w /var/run/docker.sock ] ||
        die "the engine runs, but $(id -un) may not use it: sudo usermod -aG docker $(id -un), log in again, then run this again"
    fi
    wait_for 20 health; return
  fi
  [ "$(id -u)" = 0 ] || die "no engine answers; start it (systemctl start docker), or run this as root"
  [ -f /run/docker.pid ] && ! [ -d "/proc/$(cat /run/docker.pid)" ] && rm -f /run/docker.pid
  start dockerd
  wait_for 30 health
}

down() { stop; }
where() { echo "${DOCKER_HOST:-unix:///var/run/docker.sock} $(docker version --format '{{.Server.Version}} (API {{.Server.APIVersion}})')"; }
vars() {
  export_var ML_DEPLOY_BED_ENGINE "${DOCKER_HOST:-unix:///var/run/docker.sock}"
  docker version >/dev/null; export_var ML_DEPLOY_BED_DOCKER "$DOCKER_CLIENT"
}
