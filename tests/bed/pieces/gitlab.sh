# shellcheck shell=bash
# gitlab-ci-local, which runs GitLab pipelines here, and the schema of SARIF with a validator; from npm, in the cache.
what="gitlab-ci-local, SARIF schema"
# Newer ones of the first need a newer Node than Debian's.
NPM=(gitlab-ci-local@4.61.1 @microsoft/jest-sarif@1.0.0-beta.0 ajv@6.15.0)
# What it copies files with, in a container of its own.
HELPER=ml-deploy-bed/gitlab-helper:1
PLACE=$CACHE/npm-$(printf '%s\n' "${NPM[@]}" | sha256sum | cut -c1-12)

health() { [ -f "$PLACE/.complete" ] && type -P node rsync >/dev/null && docker image inspect $HELPER >/dev/null 2>&1; }

up() {
  local missing=(rsync)
  type -P npm >/dev/null || missing+=(nodejs npm)
  packages "${missing[@]}"
  require engine runtime-base
  printf 'FROM debian:bookworm-slim\nRUN apt-get update && apt-get install -y --no-install-recommends rsync && rm -rf /var/lib/apt/lists/*\n' |
    docker build -q -t $HELPER - >"$DIR/log" 2>&1 9>&- || die "$HELPER: $(tail -n 5 "$DIR/log")"
  [ ! -f "$PLACE/.complete" ] || return 0
  rm -rf "$PLACE"; mkdir -p "$PLACE"
  (cd "$PLACE" && npm install --no-audit --no-fund --ignore-scripts "${NPM[@]}" && touch .complete) \
    >"$DIR/log" 2>&1 9>&- || die "npm: $(tail -n 5 "$DIR/log")"
}

down() { :; }
where() { echo "$PLACE"; }
vars() {
  export_var ML_DEPLOY_BED_GITLAB_HELPER $HELPER
  export_var ML_DEPLOY_BED_GITLAB_CI_LOCAL "$PLACE/node_modules/.bin/gitlab-ci-local"
  export_var ML_DEPLOY_BED_NODE_MODULES "$PLACE/node_modules"
}
