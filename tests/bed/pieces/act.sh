# shellcheck shell=bash
# act runs GitHub workflows here; built once from its Go module.
what="act"
MODULE=github.com/nektos/act@v0.2.89

health() { command -v go >/dev/null && [ -x "$CACHE/act-${MODULE##*@}-$(go env GOVERSION)/act" ]; }
up() { go_tool act "$MODULE" >/dev/null; }
down() { :; }
where() { go_tool act "$MODULE"; }
vars() { export_var ML_DEPLOY_BED_ACT "$(go_tool act "$MODULE")"; }
