# shellcheck shell=bash
# One Debian docker-registry process; the three registry pieces differ in what they set: PORT, EXTRA (lines of its "http:" part
# and after), PROBE (a function that asks it something).
registry_up() {
  packages docker-registry apache2-utils openssl
  mkdir -p "$DIR/data"
  cat >"$DIR/config.yml" <<END
version: 0.1
log: {level: warn}
storage:
  filesystem: {rootdirectory: $DIR/data}
  delete: {enabled: true}
http:
  addr: 127.0.0.1:$PORT
${EXTRA:-}
END
  start docker-registry serve "$DIR/config.yml"
  wait_for 20 health
}

password_file() { htpasswd -Bbn "$USER_NAME" "$PASSWORD" >"$DIR/htpasswd"; }
answers() { [ "$(curl -s -m 5 --noproxy '*' -o /dev/null -w '%{http_code}' "$@")" = 200 ]; }
down() { stop; rm -rf "${DIR:?}/data"; }
