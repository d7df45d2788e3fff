//! The kubeconfig that Resource Manager hands out, and whether its user needs a token of ours. Pure.
//! Source: github.com/Azure/kubelogin (the command line that stands in it).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;
use serde_json::Value;

/// The application that stands for every AKS cluster at Azure's authority.
const SERVER: &str = "6dae42f8-4368-4678-94ff-3960e28e3630";

/// The first kubeconfig of the answer.
pub(super) fn kubeconfig(answer: &Value) -> Option<SecretString> {
    let encoded = answer.pointer("/kubeconfigs/0/value")?.as_str()?;
    let bytes = STANDARD.decode(encoded).ok()?;
    Some(String::from_utf8(bytes).ok()?.into())
}

/// The application that tokens are made for, when the kubeconfig's user needs one: its program is `kubelogin`, or it is of the
/// older form that clients knew by themselves. `None`: it holds a certificate or a token.
pub(super) fn server(kubeconfig: &str) -> Option<String> {
    let document: Value = serde_saphyr::from_str(kubeconfig).ok()?;
    let users = document.get("users")?.as_array()?;
    users
        .iter()
        .filter_map(|named| named.get("user"))
        .find_map(|user| {
            let own = || SERVER.to_owned();
            if let Some(exec) = user.get("exec") {
                let command = exec.get("command")?.as_str()?;
                let program = command.rsplit(['/', '\\']).next()?.trim_end_matches(".exe");
                let words: Vec<&str> = exec
                    .get("args")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .collect();
                let named = words
                    .iter()
                    .position(|word| *word == "--server-id")
                    .and_then(|at| words.get(at + 1));
                return (program == "kubelogin")
                    .then(|| named.map_or_else(own, |id| (*id).to_owned()));
            }
            let provider = user.get("auth-provider")?;
            let named = provider
                .pointer("/config/apiserver-id")
                .and_then(Value::as_str);
            (provider.get("name")? == "azure").then(|| named.map_or_else(own, str::to_owned))
        })
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;
    use serde_json::json;

    use super::*;

    fn of(user: &str) -> Option<String> {
        server(&format!(
            "apiVersion: v1\nkind: Config\nusers:\n- name: clusterUser\n  user:\n{user}"
        ))
    }

    #[test]
    fn a_user_that_needs_kubelogin_is_known() {
        let exec = "    exec:\n      command: kubelogin\n      args: [get-token, --environment, AzurePublicCloud, --server-id, aaaa, --login, devicecode]\n";
        assert_eq!(of(exec).as_deref(), Some("aaaa"));
        assert_eq!(
            of("    exec: {command: /usr/bin/kubelogin, args: [get-token]}\n").as_deref(),
            Some(SERVER)
        );
        let older =
            "    auth-provider: {name: azure, config: {apiserver-id: bbbb, tenant-id: t}}\n";
        assert_eq!(of(older).as_deref(), Some("bbbb"));
        assert_eq!(of("    token: abc\n"), None);
        assert_eq!(of("    exec: {command: aws, args: []}\n"), None);
    }

    #[test]
    fn the_kubeconfig_is_taken_out_of_the_answer() {
        let answer = json!({"kubeconfigs": [{"name": "clusterUser", "value": STANDARD.encode("kind: Config")}]});
        assert_eq!(kubeconfig(&answer).unwrap().expose_secret(), "kind: Config");
        assert!(kubeconfig(&json!({"kubeconfigs": []})).is_none());
    }
}
