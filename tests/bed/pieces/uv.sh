# shellcheck shell=bash
# uv: the one on PATH, else installed with pip into an environment of its own.
what="uv"
VERSION=0.13.9

health() { uv_path >/dev/null; }
up() {
  if ! python3 -c 'import ensurepip' 2>/dev/null; then packages python3 python3-venv; fi
  rm -rf "$CACHE/uv"
  { python3 -m venv "$CACHE/uv" && "$CACHE/uv/bin/pip" install -q --disable-pip-version-check "uv==$VERSION"; } >"$DIR/log" 2>&1 9>&- ||
    die "pip install uv: $(tail -n 5 "$DIR/log")"
}
down() { :; }
where() { echo "$(uv_path) $("$(uv_path)" --version | cut -d' ' -f2)"; }
vars() { export_var ML_DEPLOY_BED_UV "$(uv_path)"; }
