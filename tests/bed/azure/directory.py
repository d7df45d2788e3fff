"""Azure's directory as far as server.py needs it: who gets a token, and in which words it is refused.

Of the script it reads:
  client_id      the only application that it knows; any one without it
  secret, expired  client secrets that are taken, and that were taken once
  federated      {"issuer", "subject", "audience"} of the jobs' tokens that are trusted; any one without it
  refuse         {"number", "text"}: what everybody is told instead
  token_seconds  how long its tokens live
  subject        who the job is that asks for an identity of its own
  identities     client IDs of what is assigned to the machine that asks; `header`: what a service proves with that it runs there
  busy           how often the machine's own service is busy first
A tenant without a script does not exist.
"""
import base64, json, secrets, time

# Who asks for what: the audiences of tokens.
FOR = {"registry": "https://containerregistry.azure.net/.default", "cluster": "6dae42f8-4368-4678-94ff-3960e28e3630/.default"}
ISSUER = "https://token.actions.githubusercontent.com"


def refused(number, text, error="invalid_client", status=401):
    trace = f" Trace ID: {secrets.token_hex(8)} Correlation ID: {secrets.token_hex(8)} Timestamp: 2026-01-02 03:04:05Z"
    return status, {"error": error, "error_description": f"AADSTS{number}: {text}{trace}", "error_codes": [number], "trace_id": "0", "correlation_id": "0", "error_uri": f"https://login.microsoftonline.com/error?code={number}"}


def token(mine, form):
    script = mine.script
    mine.log["scopes"].append(form.get("scope"))
    if not script:
        return refused(90002, f"Tenant '{mine.name}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud.", "invalid_request", 400)
    if "refuse" in script:
        return refused(script["refuse"]["number"], script["refuse"]["text"])
    if script.get("client_id", form.get("client_id")) != form.get("client_id"):
        return refused(700016, f"Application with identifier '{form.get('client_id')}' was not found in the directory '{mine.name}'.", "unauthorized_client", 400)
    answer = assertion(script, form) if "client_assertion" in form else secret(script, form)
    if answer:
        return answer
    value, life = "azure-" + secrets.token_urlsafe(40), script.get("token_seconds", 3600)
    mine.tokens[value] = time.time() + life
    mine.log.setdefault("issued", {})[value] = form.get("scope")
    return 200, {"token_type": "Bearer", "expires_in": life, "ext_expires_in": life, "access_token": value}


def secret(script, form):
    if form.get("client_secret") == script.get("expired"):
        return refused(7000222, f"The provided client secret keys for app '{form['client_id']}' are expired. Visit the Azure portal to create new keys for your app.")
    if form.get("client_secret") != script.get("secret"):
        return refused(7000215, f"Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{form['client_id']}'.")


def assertion(script, form):
    if form.get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer":
        return refused(900144, "The request body must contain the following parameter: 'client_assertion_type'.", "invalid_request", 400)
    payload = form["client_assertion"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    trusted = script.get("federated", {"issuer": claims["iss"], "subject": claims["sub"], "audience": claims["aud"]})
    if claims["aud"] != trusted["audience"]:
        return refused(700212, f"No matching federated identity record found for presented assertion audience '{claims['aud']}'.")
    if claims["iss"] != trusted["issuer"]:
        return refused(700211, f"No matching federated identity record found for presented assertion issuer '{claims['iss']}'.")
    if claims["sub"] != trusted["subject"]:
        return refused(700213, f"No matching federated identity record found for presented assertion subject '{claims['sub']}'. Check your federated identity credential Subject, Audience and Issuer against the presented assertion.")
    if claims["exp"] < time.time():
        return refused(700024, "Client assertion is not within its valid time range.")


def machine(mine, query, headers):
    """As the metadata service of virtual machines hands out a token of what is assigned to it."""
    if headers.get("metadata") != "true" or query.get("api-version") != "2018-02-01":
        return 400, {"error": "invalid_request", "error_description": "Required metadata header not specified"}
    if mine.script.get("busy", 0) > 0:
        mine.script["busy"] -= 1
        return 429, {"error": "too_many_requests"}
    refused, given = assigned(mine, query)
    return refused or (200, {**given, "expires_on": str(int(time.time()) + int(given["expires_in"]))})


def service(mine, query, headers):
    """As App Service and its like do, who want to see that the asker runs there."""
    if headers.get("x-identity-header") != mine.script.get("header") or query.get("api-version") != "2019-08-01":
        return 401, {"statusCode": 401, "message": "Invalid identity header"}
    refused, given = assigned(mine, query)
    # It says only when the token ends, not how long it lives.
    return refused or (200, {"expires_on": str(int(time.time()) + int(given.pop("expires_in"))), **given})


def assigned(mine, query):
    """A refusal, or a token."""
    all, wanted = mine.script.get("identities", []), query.get("client_id")
    if wanted is None and len(all) > 1:
        return (400, {"error": "invalid_request", "error_description": "Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token request"}), None
    if not all or wanted not in (None, *all):
        return (400, {"error": "invalid_request", "error_description": "Identity not found"}), None
    value, life = "azure-" + secrets.token_urlsafe(40), mine.script.get("token_seconds", 3600)
    scope = query["resource"] + "/.default"
    mine.tokens[value] = time.time() + life
    mine.log["scopes"].append(scope)
    mine.log.setdefault("issued", {})[value] = scope
    return None, {"access_token": value, "client_id": wanted or all[0], "expires_in": str(life), "resource": query["resource"], "token_type": "Bearer"}


def review(mine, asked):
    good = mine.tokens.get(asked["token"], 0) > time.time()
    scope = mine.log.get("issued", {}).get(asked["token"])
    return (200 if good and scope == FOR[asked.get("for", "cluster")] else 401), {}


def job_token(mine, audience):
    """What a job of GitHub is given. Nobody here looks at the signature."""
    now = int(time.time())
    claims = {"iss": ISSUER, "sub": mine.script["subject"], "aud": audience, "iat": now, "exp": now + 300, "jti": secrets.token_hex(16)}
    parts = (b'{"alg":"RS256","typ":"JWT"}', json.dumps(claims).encode(), secrets.token_bytes(32))
    value = ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
    mine.log.setdefault("issued", {})[value] = "job"
    return 200, {"value": value}
