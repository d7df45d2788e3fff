# shellcheck shell=bash
# A registry with TLS by an authority of its own, and a password. Owns a line in /etc/hosts and a folder in /etc/docker/certs.d
# (the engine checks no certificate on 127.0.0.0/8, so it needs another name); `down` takes both away.
what="registry with TLS"
NAME=registry.test PORT=5003 USER_NAME=robot PASSWORD=s3cret
CERTS=/etc/docker/certs.d/$NAME:$PORT
. "$HERE/registry.sh"

health() {
  hosts_has "$NAME" && cmp -s "$DIR/ca.pem" "$CERTS/ca.crt" &&
    answers --cacert "$DIR/ca.pem" -u "$USER_NAME:$PASSWORD" "https://$NAME:$PORT/v2/"
}

certificates() {
  local key=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)
  openssl req -x509 "${key[@]}" -days 30 -subj "/CN=ml-deploy test bed" -addext basicConstraints=critical,CA:TRUE \
    -keyout "$DIR/ca.key" -out "$DIR/ca.pem"
  openssl req "${key[@]}" -subj "/CN=$NAME" -keyout "$DIR/server.key" -out "$DIR/server.csr"
  openssl x509 -req -in "$DIR/server.csr" -CA "$DIR/ca.pem" -CAkey "$DIR/ca.key" -CAcreateserial -days 30 -out "$DIR/server.pem" \
    -extfile <(echo "subjectAltName=DNS:$NAME,DNS:localhost,IP:127.0.0.1")
}

up() {
  packages openssl apache2-utils
  stop
  if ! openssl x509 -checkend 86400 -noout -in "$DIR/server.pem" >/dev/null 2>&1; then certificates 2>"$DIR/openssl.log"; fi
  password_file
  hosts_add "$NAME"
  as_root mkdir -p "$CERTS"; as_root cp "$DIR/ca.pem" "$CERTS/ca.crt"
  EXTRA="  tls: {certificate: $DIR/server.pem, key: $DIR/server.key}
auth: {htpasswd: {realm: test, path: $DIR/htpasswd}}"
  registry_up
}

down() {
  stop
  hosts_remove "$NAME"
  if [ -d "$CERTS" ]; then as_root rm -rf "$CERTS"; fi
  rm -rf "${DIR:?}/data"
}

where() { echo "$NAME:$PORT (user $USER_NAME, CA $DIR/ca.pem)"; }
vars() {
  export_var ML_DEPLOY_BED_REGISTRY_TLS "$NAME:$PORT"
  export_var ML_DEPLOY_BED_CA "$DIR/ca.pem"
}
