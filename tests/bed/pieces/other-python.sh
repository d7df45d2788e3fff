# shellcheck shell=bash
# A Python of another minor version than python:3.11-slim has, as a folder that images can copy: fetched by uv, or the machine's.
what="another minor version of Python"
VERSION=3.12
PLACE=$CACHE/python-$VERSION

health() { [ -f "$PLACE/.complete" ]; }

up() {
  require uv
  local uv found prefix
  uv=$(uv_path)
  export UV_PYTHON_INSTALL_DIR=$CACHE/pythons
  timeout 120 "$uv" -q python install --no-bin $VERSION >"$DIR/log" 2>&1 9>&- || true
  for found in "$("$uv" python find --no-project --system $VERSION 2>>"$DIR/log" || true)" \
    "${PYENV_ROOT:-$HOME/.pyenv}/versions/$VERSION".*/bin/python$VERSION; do
    [ -x "$found" ] && break
  done
  [ -x "$found" ] || die "there is no Python $VERSION on this machine, and uv could not fetch one: $(tail -n 2 "$DIR/log")"
  prefix=$("$found" -c 'import sys; print(sys.base_prefix)')
  rm -rf "$PLACE"; mkdir -p "$PLACE/bin" "$PLACE/lib"
  cp -L "$found" "$PLACE/bin/python$VERSION"; ln -s python$VERSION "$PLACE/bin/python3"
  tar -C "$prefix/lib" --exclude=__pycache__ --exclude=test --exclude=ensurepip --exclude=idlelib --exclude='config-*' \
    --exclude=site-packages --exclude=dist-packages -cf - python$VERSION | tar -C "$PLACE/lib" -xf -
  mkdir -p "$PLACE/lib/python$VERSION/site-packages"
  cp -a "$prefix"/lib/libpython$VERSION.so* "$PLACE/lib/" 2>/dev/null || true
  touch "$PLACE/.complete"
}

down() { :; } # a cache: it stays
where() { echo "$PLACE"; }
vars() { export_var ML_DEPLOY_BED_OTHER_PYTHON "$PLACE"; }
