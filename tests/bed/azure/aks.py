"""Clusters of Azure Kubernetes Service: what server.py keeps of them.

Of the script it reads:
  cluster   {"group", "name", "user": a kubeconfig, "admin": another one; without `admin` local accounts are disabled}
  clusters  more of them as [group, name]; they are only listed
"""
import base64, re

PROVIDER = "Microsoft.ContainerService"
lock = None  # server.py's


def action(method, path):
    last = path.rsplit("/", 1)[-1]
    if last.startswith("listCluster"):
        return f"{PROVIDER}/managedClusters/{last}/action"
    return f"{PROVIDER}/managedClusters/read"


def serve(mine, method, path, body, Refused):
    cluster = mine.script.get("cluster") or {}
    if path.endswith("/providers/" + PROVIDER + "/managedClusters"):
        all = [[cluster.get("group"), cluster.get("name")], *mine.script.get("clusters", [])]
        head = f"/subscriptions/{mine.name}/resourceGroups"
        return 200, {"value": [{"id": f"{head}/{group}/providers/{PROVIDER}/managedClusters/{name}", "name": name, "location": "westeurope"} for group, name in all]}
    group, name, kind = re.search(rf"/resourceGroups/([^/]+)/providers/{PROVIDER}/managedClusters/([^/]+)/listCluster(User|Admin)Credential$", path).groups()
    if group != cluster.get("group"):
        raise Refused(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found.")
    if name != cluster.get("name"):
        raise Refused(404, "ResourceNotFound", f"The Resource '{PROVIDER}/managedClusters/{name}' under resource group '{group}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix")
    if kind.lower() not in cluster:
        raise Refused(400, "BadRequest", "Getting static credential is not allowed because this cluster is set to disable local accounts.")
    value = base64.b64encode(cluster[kind.lower()].encode()).decode()
    return 200, {"kubeconfigs": [{"name": "cluster" + kind, "value": value}]}


def seen(mine):
    return {}


def end(mine):
    pass
