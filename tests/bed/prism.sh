# shellcheck shell=bash
# Prism, which holds requests and answers against a vendor's own description. From npm, in the cache; it needs a newer Node than
# Debian's, which npm brings too. Sets PRISM.
NPM=(@stoplight/prism-cli@5.16.0 "node-linux-$(case $(uname -m) in aarch64) echo arm64 ;; *) echo x64 ;; esac)@24.21.0")
PLACE=$CACHE/npm-$(printf '%s\n' "${NPM[@]}" | sha256sum | cut -c1-12)
PRISM=$PLACE/prism

prism_up() {
  type -P npm >/dev/null || packages nodejs npm
  (
    exec 8>"$LOCKS/ml-deploy-bed.prism.lock"; flock 8
    if [ -f "$PLACE/.complete" ]; then exit; fi
    rm -rf "$PLACE"; mkdir -p "$PLACE"
    cd "$PLACE" && npm install --no-audit --no-fund --ignore-scripts "${NPM[@]}" &&
      printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$PLACE"/node_modules/node-linux-*/bin/node \
        "$PLACE/node_modules/@stoplight/prism-cli/dist/index.js" >"$PRISM" && chmod +x "$PRISM" && touch .complete
  ) >"$DIR/npm.log" 2>&1 9>&- || die "npm: $(tail -n 5 "$DIR/npm.log")"
}
