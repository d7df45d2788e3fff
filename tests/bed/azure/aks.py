"""Clusters of Azure Kubernetes Service, and the registries that they pull from: what server.py keeps of them.

Of the script it reads:
  cluster   {"group", "name", "user": a kubeconfig, "admin": another one; without `admin` local accounts are disabled}
  clusters  more of them as [group, name]; they are only listed, each on a page of its own
  seen      properties that the cluster shows of itself
  registry  {"name", "server", "open", "roles": who has a role there}; there is one page without it first
"""
import base64, re

PROVIDER = "Microsoft.ContainerService"
REGISTRIES = "Microsoft.ContainerRegistry"
BASE = None  # server.py's
lock = None  # server.py's


def action(method, path):
    if path.endswith("/roleAssignments"):
        return "Microsoft.Authorization/roleAssignments/read"
    if path.endswith("/registries"):
        return f"{REGISTRIES}/registries/read"
    last = path.rsplit("/", 1)[-1]
    if last.startswith("listCluster"):
        return f"{PROVIDER}/managedClusters/{last}/action"
    return f"{PROVIDER}/managedClusters/read"


def registries(mine, path, page, query):
    known = mine.script.get("registry")
    group = f"/subscriptions/{mine.name}/resourceGroups/images/providers/{REGISTRIES}/registries"
    if path.endswith("/roleAssignments"):
        principal = re.search(r"assignedTo\('([^']+)'\)", query["$filter"])[1]
        scope = path.removesuffix("/providers/Microsoft.Authorization/roleAssignments")
        return 200, {"value": [{"id": f"{scope}/x", "name": "x", "properties": {"principalId": principal, "roleDefinitionId": "/y/7f951dda", "scope": scope}} for one in (known or {}).get("roles", []) if one == principal]}
    other = {"id": f"{group}/other", "name": "other", "location": "westeurope", "properties": {"loginServer": "other.azurecr.io"}}
    if page == 0:
        return 200, {"value": [other], **({"nextLink": f"{BASE}{path}?api-version=2023-07-01&page=1"} if known else {})}
    return 200, {"value": [{"id": f"{group}/{known['name']}", "name": known["name"], "location": "westeurope", "properties": {"loginServer": known["server"], "anonymousPullEnabled": known.get("open", False)}}]}


def serve(mine, method, path, body, Refused, query=None):
    query = query or {}
    page = int(query.get("page", 0))
    if f"/providers/{REGISTRIES}/" in path:
        return registries(mine, path, page, query)
    cluster = mine.script.get("cluster") or {}
    if path.endswith("/providers/" + PROVIDER + "/managedClusters"):
        all = [*mine.script.get("clusters", []), [cluster.get("group"), cluster.get("name")]]
        head = f"/subscriptions/{mine.name}/resourceGroups"
        group, name = all[page]
        more = {"nextLink": f"{BASE}{path}?api-version=2024-09-01&page={page + 1}"} if page + 1 < len(all) else {}
        return 200, {"value": [{"id": f"{head}/{group}/providers/{PROVIDER}/managedClusters/{name}", "name": name, "location": "westeurope"}], **more}
    group, name, kind = re.search(rf"/resourceGroups/([^/]+)/providers/{PROVIDER}/managedClusters/([^/]+?)(?:/listCluster(User|Admin)Credential)?$", path).groups()
    if group != cluster.get("group"):
        raise Refused(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found.")
    if name != cluster.get("name"):
        raise Refused(404, "ResourceNotFound", f"The Resource '{PROVIDER}/managedClusters/{name}' under resource group '{group}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix")
    if kind is None:
        properties = {"provisioningState": "Succeeded", "powerState": {"code": "Running"}, **mine.script.get("seen", {})}
        return 200, {"id": path, "name": name, "location": "westeurope", "type": f"{PROVIDER}/ManagedClusters", "properties": properties}
    if kind.lower() not in cluster:
        raise Refused(400, "BadRequest", "Getting static credential is not allowed because this cluster is set to disable local accounts.")
    value = base64.b64encode(cluster[kind.lower()].encode()).decode()
    return 200, {"kubeconfigs": [{"name": "cluster" + kind, "value": value}]}


def seen(mine):
    return {}


def end(mine):
    pass
