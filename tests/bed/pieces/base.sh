# shellcheck shell=bash
# python:3.11-slim: pulled, or a stand-in of that name made from Debian packages on machines that reach no image hub.
what="base image"
TAG=python:3.11-slim

health() { docker image inspect $TAG >/dev/null 2>&1; }

up() {
  require engine
  if timeout 20 "$(type -P docker)" pull -q $TAG >/dev/null 2>&1; then return; fi
  packages mmdebstrap
  "$HERE/base/build-python" $TAG >"$DIR/log" 2>&1 9>&- || die "stand-in for $TAG: $(tail -n 5 "$DIR/log")"
}

down() { :; } # an image is a cache: it stays
where() { echo "$TAG $(docker image inspect --format '{{.Id}}' $TAG | cut -c1-19)"; }
vars() { export_var ML_DEPLOY_BED_BASE $TAG; }
