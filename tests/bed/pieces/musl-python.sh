# shellcheck shell=bash
# A Python that stands on musl, as Alpine's does, as a folder that an image can be made of.
what="Python on musl"
PLACE=$CACHE/musl-python-1

health() { [ -f "$PLACE/.complete" ]; }

up() {
  packages musl-tools gcc make xz-utils
  "$HERE/base/build-musl-python" "$PLACE" "$DIR/build" >"$DIR/log" 2>&1 9>&- || die "Python on musl: $(tail -n 5 "$DIR/log")"
  rm -rf "$DIR/build"
  touch "$PLACE/.complete"
}

down() { :; } # a cache: it stays
where() { echo "$PLACE"; }
vars() { export_var ML_DEPLOY_BED_MUSL_PYTHON "$PLACE"; }
