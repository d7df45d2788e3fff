# shellcheck shell=bash
# actionlint and zizmor, which read action.yml and the workflows; Groovy of the version that Jenkins has, which reads Jenkinsfiles.
what="actionlint, zizmor, Groovy"
MODULE=github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
ZIZMOR=zizmor==1.32.0
GROOVY=/usr/share/java/groovy-all.jar

health() { [ -x "$CACHE/linters/actionlint-${MODULE##*@}" ] && [ -x "$CACHE/linters/${ZIZMOR/==/-}" ] && [ -f "$GROOVY" ] && type -P java >/dev/null; }
up() {
  local java=(); type -P java >/dev/null || java=(default-jre-headless)
  packages groovy "${java[@]}"
  require uv
  local actionlint zizmor; actionlint=$(go_tool actionlint "$MODULE"); zizmor=$(python_env zizmor "$ZIZMOR")
  mkdir -p "$CACHE/linters"
  ln -sf "$actionlint" "$CACHE/linters/actionlint-${MODULE##*@}"
  ln -sf "$zizmor/bin/zizmor" "$CACHE/linters/${ZIZMOR/==/-}"
}
down() { :; }
where() { echo "$CACHE/linters"; }
vars() {
  export_var ML_DEPLOY_BED_ACTIONLINT "$CACHE/linters/actionlint-${MODULE##*@}"
  export_var ML_DEPLOY_BED_GROOVY "$GROOVY"
  export_var ML_DEPLOY_BED_ZIZMOR "$CACHE/linters/${ZIZMOR/==/-}"
}
