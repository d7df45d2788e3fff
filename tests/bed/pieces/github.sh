# shellcheck shell=bash
# The name of a registry as an instance of GitHub of a company has it, that leads to this machine: the job's token goes by the name
# alone. Owns a line in /etc/hosts; `down` takes it away.
what="a name of a registry of GitHub"
NAME=containers.github.test

health() { hosts_has "$NAME"; }
up() { hosts_add "$NAME"; }
down() { hosts_remove "$NAME"; }
where() { echo "$NAME"; }
vars() { export_var ML_DEPLOY_BED_GITHUB_REGISTRY "$NAME"; }
