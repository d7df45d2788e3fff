# shellcheck shell=bash
# What the pieces of the bed share: places, packages, processes with a recorded start time, waiting.
# shellcheck disable=SC2034
ROOT=$(cd "$HERE/../.." && pwd)
STATE=${ML_DEPLOY_BED_STATE:-$ROOT/target/bed}
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/ml-deploy-bed
LOCKS=/run/lock; [ -w "$LOCKS" ] || LOCKS=${TMPDIR:-/tmp}

die() { echo "bed: $*" >&2; exit 1; }
note() { echo "bed: $*" >&2; }
now() { date +%s%N; }
since() { local ms=$((($(date +%s%N) - $1) / 1000000)); printf '%d.%d' $((ms / 1000)) $((ms % 1000 / 100)); }
export_var() { printf 'export %s=%q\n' "$1" "$2"; }

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

packages() { # PACKAGE...: installs those that are missing
  local name missing=()
  for name; do
    dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null | grep -qx installed || missing+=("$name")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null || die "needs ${missing[*]}, and this is not Debian or Ubuntu: install them by hand"
  note "installing ${missing[*]}"
  (
    exec 8>"$LOCKS/ml-deploy-bed.apt.lock"; flock 8
    as_root apt-get -qq -o DPkg::Lock::Timeout=300 update
    DEBIAN_FRONTEND=noninteractive as_root apt-get -qq -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "${missing[@]}"
  ) >"$STATE/apt.log" 2>&1 8>&- 9>&- || die "apt-get failed: $(tail -n 3 "$STATE/apt.log")"
}

start_time() { # PID: when it started, in ticks; tells a process from a later one of the same number
  local stat; stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  # shellcheck disable=SC2086
  set -- ${stat##*) }
  [ "$1" != Z ] && echo "${20}"
}

running() { # prints the pid of this piece's process group, when it still is the one that we started
  local pid begun
  read -r pid begun 2>/dev/null <"$DIR/pid" || return 1
  [ "$(start_time "$pid")" = "$begun" ] && echo "$pid"
}

start() { # COMMAND...: in a session of its own, log in $DIR/log
  mkdir -p "$DIR"
  setsid "$@" </dev/null >"$DIR/log" 2>&1 9>&- &
  echo "$! $(start_time $!)" >"$DIR/pid"
}

stop() { # ends the recorded process group, and nothing else
  local pid
  if pid=$(running); then
    kill -TERM -- "-$pid" 2>/dev/null || true
    for _ in $(seq 300); do running >/dev/null || break; sleep 0.1; done
    kill -KILL -- "-$pid" 2>/dev/null || true
    echo "$PIECE ended"
  fi
  rm -f "$DIR/pid"
}

# A name that leads to this machine: one line of /etc/hosts a piece.
hosts_line() { echo "127.0.0.1 $1 # ml-deploy test bed"; }
hosts_has() { grep -qxF "$(hosts_line "$1")" /etc/hosts; }
hosts_add() { hosts_has "$1" || hosts_line "$1" | as_root tee -a /etc/hosts >/dev/null; }
hosts_remove() {
  hosts_has "$1" || return 0
  local rest; rest=$(grep -vxF "$(hosts_line "$1")" /etc/hosts || true)
  printf '%s\n' "$rest" | as_root tee /etc/hosts >/dev/null # written in place: in a container it is a mount
}

wait_for() { # SECONDS COMMAND...: until it succeeds; gives up early when the piece's process is gone
  local deadline=$((SECONDS + $1)); shift
  until "$@" >/dev/null 2>&1; do
    if [ -f "$DIR/pid" ] && ! running >/dev/null; then die "$PIECE stopped: $(tail -n 3 "$DIR/log")"; fi
    [ $SECONDS -lt $deadline ] || die "$PIECE does not answer: $(tail -n 3 "$DIR/log" 2>/dev/null)"
    sleep 0.1
  done
}

docker() { # the client on PATH, or Debian's when the former cannot build with BuildKit
  if [ -z "${DOCKER_CLIENT:-}" ]; then
    DOCKER_CLIENT=$(type -P docker || true)
    if [ -x /usr/bin/docker ] && ! "$DOCKER_CLIENT" buildx version >/dev/null 2>&1; then DOCKER_CLIENT=/usr/bin/docker; fi
    [ -n "$DOCKER_CLIENT" ] || return 127
  fi
  DOCKER_BUILDKIT=1 "$DOCKER_CLIENT" "$@"
}

require() { # PIECE...: other pieces that this one stands on
  local lines; lines=$("$HERE/bed" up "$@" 9>&-) || exit 1
  grep ' started ' <<<"$lines" >&2 || true
}

python_env() { # NAME REQUIREMENT...: prints a virtual environment that holds them, made once
  local name=$1; shift
  local uv; uv=$(uv_path)
  local key; key=$(printf '%s\n' "$@" "$(python3 -VV)" "$(type -P python3)" | sha256sum | cut -c1-12)
  local place=$CACHE/$name-$key
  if ! { [ -f "$place/.complete" ] && "$place/bin/python" -c '' 2>/dev/null; }; then
    (
      exec 8>"$LOCKS/ml-deploy-bed.venv-$name.lock"; flock 8
      rm -rf "$place"
      "$uv" -q venv --python "$(python3 -c 'import sys; print(sys.executable)')" "$place" &&
        "$uv" -q pip install --python "$place/bin/python" "$@" && touch "$place/.complete"
    ) >"$STATE/$name.venv.log" 2>&1 9>&- || die "environment $name: $(tail -n 5 "$STATE/$name.venv.log")"
  fi
  echo "$place"
}

uv_path() { # on PATH, or in the cache
  type -P uv || { [ -x "$CACHE/uv/bin/uv" ] && echo "$CACHE/uv/bin/uv"; }
}

go_tool() { # NAME MODULE@VERSION: prints the binary's path, built once for this Go version
  command -v go >/dev/null || die "needs Go (https://go.dev/dl) to build $1"
  local place; place=$CACHE/$1-${2##*@}-$(go env GOVERSION)
  if [ ! -x "$place/$1" ]; then
    GOBIN=$place go install "$2" >"$STATE/$1.go.log" 2>&1 9>&- || die "go install $2: $(tail -n 5 "$STATE/$1.go.log")"
  fi
  echo "$place/$1"
}
