# shellcheck shell=bash
# debian:bookworm-slim, on which the action's own image stands: pulled, or made from Debian packages where no image hub is reached.
what="base image of the action"
TAG=debian:bookworm-slim

health() { docker image inspect $TAG >/dev/null 2>&1; }

up() {
  require engine
  if timeout 20 "$(type -P docker)" pull -q $TAG >/dev/null 2>&1; then return; fi
  packages mmdebstrap
  # shellcheck disable=SC2016
  {
    mmdebstrap --mode=root --variant=minbase --include=ca-certificates --dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/doc/*' \
      --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
      --customize-hook='cp /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/ca-certificates.crt"' bookworm "$DIR/root.tar" &&
      docker import --change 'CMD ["bash"]' "$DIR/root.tar" $TAG
  } >"$DIR/log" 2>&1 9>&- || die "stand-in for $TAG: $(tail -n 5 "$DIR/log")"
  rm -f "$DIR/root.tar"
}

down() { :; } # an image is a cache: it stays
where() { echo "$TAG $(docker image inspect --format '{{.Id}}' $TAG | cut -c1-19)"; }
vars() { export_var ML_DEPLOY_BED_RUNTIME_BASE $TAG; }
