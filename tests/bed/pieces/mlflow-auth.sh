# shellcheck shell=bash
# An MLflow 3 server with basic authentication.
what="MLflow 3 with password"
PORT=5102 VENV=mlflow3 REQUIREMENTS=("mlflow[auth]==3.17.2") USER_NAME=admin PASSWORD=wine-cellar-1234
. "$HERE/mlflow.sh"

health() { asks -u "$USER_NAME:$PASSWORD"; }
up() {
  cat >"$DIR/auth.ini" <<END
[mlflow]
default_permission = READ
database_uri = sqlite:///$DIR/data/auth.db
admin_username = $USER_NAME
admin_password = $PASSWORD
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
END
  export MLFLOW_AUTH_CONFIG_PATH=$DIR/auth.ini MLFLOW_AUTH_ADMIN_PASSWORD=$PASSWORD MLFLOW_FLASK_SERVER_SECRET_KEY=test-bed
  mlflow_up --app-name basic-auth
}
where() { echo "$URL (user $USER_NAME)"; }
vars() {
  export_var ML_DEPLOY_BED_MLFLOW_AUTH "$URL"
  export_var ML_DEPLOY_BED_MLFLOW_AUTH_USER "$USER_NAME"
  export_var ML_DEPLOY_BED_MLFLOW_AUTH_PASSWORD "$PASSWORD"
}
