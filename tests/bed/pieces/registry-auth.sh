# shellcheck shell=bash
# A registry that asks for a password, over plain HTTP.
what="registry with password"
PORT=5002 USER_NAME=robot PASSWORD=s3cret
. "$HERE/registry.sh"

health() { answers -u "$USER_NAME:$PASSWORD" "http://127.0.0.1:$PORT/v2/"; }
up() {
  packages apache2-utils
  password_file
  EXTRA="auth: {htpasswd: {realm: test, path: $DIR/htpasswd}}"
  registry_up
}
where() { echo "127.0.0.1:$PORT (user $USER_NAME)"; }
vars() {
  export_var ML_DEPLOY_BED_REGISTRY_AUTH "127.0.0.1:$PORT"
  export_var ML_DEPLOY_BED_REGISTRY_USER "$USER_NAME"
  export_var ML_DEPLOY_BED_REGISTRY_PASSWORD "$PASSWORD"
}
