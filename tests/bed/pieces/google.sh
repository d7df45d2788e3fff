# shellcheck shell=bash
# What tests of Google need: Prism for its own descriptions (google/google.json), and a registry's name as Google's are, in a location
# that does not exist, that leads to this machine: a token goes by the name alone. Owns a line in /etc/hosts; `down` takes it away.
what="Prism, and a name of a registry of Google"
NAME=bed-docker.pkg.dev
. "$HERE/prism.sh"

health() { [ -f "$PLACE/.complete" ] && hosts_has "$NAME"; }
up() {
  prism_up
  hosts_add "$NAME"
}
down() { hosts_remove "$NAME"; }
where() { echo "$NAME"; }
vars() {
  export_var ML_DEPLOY_BED_GOOGLE_REGISTRY "$NAME"
  export_var ML_DEPLOY_BED_PRISM "$PRISM"
}
