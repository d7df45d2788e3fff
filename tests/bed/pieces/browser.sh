# shellcheck shell=bash
# A browser that shows a summary as GitHub does: GitHub's own Markdown, its style sheet, and mermaid as it is published.
what="Chromium, cmark-gfm, mermaid"
NPM=(mermaid@11.17.2 github-markdown-css@5.9.0)
PLACE=$CACHE/browser-$(printf '%s\n' "${NPM[@]}" | sha256sum | cut -c1-12)

health() { [ -f "$PLACE/.complete" ] && type -P chromium cmark-gfm >/dev/null; }

up() {
  packages chromium cmark-gfm fonts-dejavu-core fonts-noto-color-emoji
  [ ! -f "$PLACE/.complete" ] || return 0
  type -P npm >/dev/null || packages nodejs npm
  rm -rf "$PLACE"; mkdir -p "$PLACE"
  # The packages alone: mermaid's file has everything that it needs inside.
  (cd "$PLACE" && npm pack --silent "${NPM[@]}" &&
    tar -xzf mermaid-*.tgz --strip-components=2 package/dist/mermaid.min.js &&
    tar -xzf github-markdown-css-*.tgz --strip-components=1 package/github-markdown-light.css &&
    rm ./*.tgz && touch .complete) >"$DIR/log" 2>&1 9>&- || die "npm: $(tail -n 5 "$DIR/log")"
}

down() { :; }
where() { echo "$PLACE"; }
vars() {
  export_var ML_DEPLOY_BED_BROWSER "$(type -P chromium)"
  export_var ML_DEPLOY_BED_BROWSER_FILES "$PLACE"
}
