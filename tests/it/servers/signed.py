"""Tokens that a registry trusts: signed with a key whose certificate it was given."""
import base64, json, ssl, subprocess, time


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Signer:
    def __init__(self, cert, key):
        self.key, self.chain = key, base64.b64encode(ssl.PEM_cert_to_DER_cert(open(cert).read())).decode()

    def token(self, account, service, scopes, allowed):
        """`allowed(action)` says what of the scopes is granted."""
        access = []
        for scope in scopes:
            kind, rest = scope.split(":", 1)
            name, actions = rest.rsplit(":", 1)
            access.append({"type": kind, "name": name, "actions": [one for one in actions.split(",") if allowed(one)]})
        now = int(time.time())
        claims = {"iss": "test", "sub": account, "aud": service, "iat": now, "nbf": now - 5, "exp": now + 60, "jti": str(now), "access": access}
        text = encode(json.dumps({"typ": "JWT", "alg": "RS256", "x5c": [self.chain]}).encode()) + "." + encode(json.dumps(claims).encode())
        signed = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.key], input=text.encode(), stdout=subprocess.PIPE, check=True)
        return text + "." + encode(signed.stdout)
