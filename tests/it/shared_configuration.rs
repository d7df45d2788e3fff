//! Configuration that the old and the new version both read: what a canary that fails brought along goes with it.

use crate::cluster::Namespace;
use crate::deploy::manifest;
use crate::preflight::applied;
use crate::strategy::{CANARY, deployments, get, predicts, prepared, project, state};
use crate::support::eventually;

#[test]
fn configuration_that_a_bad_canary_brought_is_put_back() {
    let namespace = Namespace::new("it-strategy");
    let settings = |name: &str, value: &str| {
        format!(
            "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{threshold: \"{value}\"}}\n"
        )
    };
    let text = |script: &str, value: &str| manifest(script) + &settings("wine", value);
    let good = text(&predicts("1"), "old");
    prepared(&project(&good, "1"), &namespace, CANARY)
        .run()
        .expect(0);
    let before = state(&namespace, "wine");
    let bad = text(&predicts("2"), "new") + &settings("added", "new");
    prepared(&project(&bad, "1"), &namespace, CANARY)
        .run()
        .expect(60)
        .says("`Deployment/wine-canary` is removed, `Deployment/wine` serves as before; rolled back to");
    let as_before = || {
        let maps = "{range .items[*]}{.metadata.name}={.data.threshold} {end}";
        let maps = get(&namespace, &["configmaps"], maps);
        assert_eq!(maps.trim_end(), "kube-root-ca.crt= wine=old");
        assert_eq!(state(&namespace, "wine"), before);
        assert_eq!(deployments(&namespace), "wine:2");
    };
    as_before();
    // Nor does it stay when it is refused half-way: the quota has room for one more, and there are two.
    applied(
        &namespace.0,
        "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: few}\nspec: {hard: {count/configmaps: '3'}}\n",
    );
    eventually("the quota is counted", || {
        get(&namespace, &["quota", "few"], "{.status.used}").contains('2')
    });
    prepared(
        &project(&(bad + &settings("more", "new")), "2"),
        &namespace,
        CANARY,
    )
    .run()
    .expect(10)
    .code("manifest-rejected")
    .says("exceeded quota")
    .says(
        "`Deployment/wine-canary` was not made, `Deployment/wine` serves as before; rolled back to",
    );
    as_before();
}
