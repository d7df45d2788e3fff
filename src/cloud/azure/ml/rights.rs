//! What may be known before anything is changed: the identity's rights in the workspace, machine types and quota of the region.

use serde_json::Value;

use super::MachineLearning;
use super::refusal::{Asked, give};
use super::request::Ask;
use super::types::text;
use crate::failure::Outcome;

/// Version of the interface that says what is allowed.
const VERSION: &str = "2022-04-01";

/// What the identity's roles allow in the workspace.
#[derive(Clone, Debug, Default)]
pub(crate) struct Permissions(Vec<(Vec<String>, Vec<String>)>);

impl Permissions {
    fn of(listed: &[Value]) -> Self {
        let texts = |one: &Value, name: &str| -> Vec<String> {
            let list = one.get(name).and_then(Value::as_array);
            let texts = list.into_iter().flatten().filter_map(Value::as_str);
            texts.map(str::to_lowercase).collect()
        };
        let each = listed
            .iter()
            .map(|one| (texts(one, "actions"), texts(one, "notActions")));
        Self(each.collect())
    }

    /// Whether one of the roles allows it; a role's exceptions hold for that role alone.
    pub(crate) fn allow(&self, action: &str) -> bool {
        let action = action.to_lowercase();
        let any = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, &action));
        self.0.iter().any(|(yes, no)| any(yes) && !any(no))
    }
}

/// `*` stands for any text.
fn matches(pattern: &str, action: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = action.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    for part in parts {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}

/// A type of machines and what is left of its family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) cores: u64,
    /// As quotas are counted.
    pub(crate) family: String,
    /// Cores of the family that may still be used; `None`: not told.
    pub(crate) free: Option<u64>,
}

impl MachineLearning {
    /// What the identity may do in the workspace, or with an endpoint that is there.
    ///
    /// # Errors
    /// As `workspace`.
    pub(crate) async fn permissions(&self, endpoint: Option<&str>) -> Outcome<Permissions> {
        let mut path = Vec::new();
        path.extend(
            endpoint
                .into_iter()
                .flat_map(|name| ["onlineEndpoints", name]),
        );
        path.extend(["providers", "Microsoft.Authorization", "permissions"]);
        let tried = "read the identity's own rights";
        let listed = self.list(tried, Ask::get(&path).version(VERSION)).await?;
        Ok(Permissions::of(&listed))
    }

    /// How the identity is given what it lacks.
    pub(crate) fn give(&self) -> String {
        give(&Asked {
            tried: "",
            workspace: &self.workspace,
            scope: &self.scope(),
            assignee: self.clouds.azure.identity.assignee(),
        })
    }

    /// The machines of that type in the region; `Err` names the nearest types when there are none.
    ///
    /// # Errors
    /// As `workspace`.
    pub(crate) async fn size(
        &self,
        location: &str,
        name: &str,
    ) -> Outcome<Result<Size, Vec<String>>> {
        let sizes = self
            .of_region("list machine types", location, "vmSizes")
            .await?;
        let (family, cores) = match find(&sizes, name) {
            Ok(found) => found,
            Err(nearest) => return Ok(Err(nearest)),
        };
        let usages = self.of_region("read the quota", location, "usages").await;
        let free = usages.ok().and_then(|usages| free(&usages, &family));
        Ok(Ok(Size {
            cores,
            family,
            free,
        }))
    }
}

/// Family and cores of a type.
fn find(all: &[Value], name: &str) -> Result<(String, u64), Vec<String>> {
    let named = |one: &&Value| text(one, "/name").eq_ignore_ascii_case(name);
    if let Some(found) = all.iter().find(named) {
        let cores = found.get("vCPUs").and_then(Value::as_u64);
        return Ok((text(found, "/family").to_owned(), cores.unwrap_or(1)));
    }
    let mut near: Vec<(f64, &str)> = all
        .iter()
        .map(|one| text(one, "/name"))
        .map(|other| (strsim::jaro_winkler(other, name), other))
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    Err(near
        .into_iter()
        .take(3)
        .map(|(_, other)| other.to_owned())
        .collect())
}

/// What is left of a family's cores.
fn free(usages: &[Value], family: &str) -> Option<u64> {
    let found = usages
        .iter()
        .find(|one| text(one, "/name/value").eq_ignore_ascii_case(family))?;
    let (limit, used) = (
        found.get("limit")?.as_u64()?,
        found.get("currentValue")?.as_u64()?,
    );
    Some(limit.saturating_sub(used))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_role_allows_what_it_names_but_for_its_exceptions() {
        let scientist = [json!({
            "actions": ["Microsoft.MachineLearningServices/workspaces/*/read", "Microsoft.MachineLearningServices/workspaces/*/write"],
            "notActions": ["Microsoft.MachineLearningServices/workspaces/computes/*/write"]})];
        let scientist = Permissions::of(&scientist);
        let endpoint = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/write";
        assert!(scientist.allow(endpoint));
        assert!(!scientist.allow("Microsoft.MachineLearningServices/workspaces/computes/x/write"));
        assert!(
            !scientist.allow("Microsoft.MachineLearningServices/workspaces/onlineEndpoints/delete")
        );
        assert!(Permissions::of(&[json!({"actions": ["*"]})]).allow(endpoint));
        let reader = [json!({"actions": ["*/read"]})];
        assert!(!Permissions::of(&reader).allow(endpoint));
        assert!(!Permissions::of(&[]).allow(endpoint));
        assert!(matches("a/b", "a/b") && !matches("a/b", "a/b/c") && matches("a/*/c*", "a/x/cd"));
    }

    #[test]
    fn types_and_what_is_left_of_them() {
        let sizes = [
            json!({"name": "Standard_DS3_v2", "family": "standardDSv2Family", "vCPUs": 4}),
            json!({"name": "Standard_NC6s_v3", "family": "standardNCSv3Family", "vCPUs": 6}),
        ];
        assert_eq!(
            find(&sizes, "standard_ds3_v2"),
            Ok(("standardDSv2Family".to_owned(), 4))
        );
        assert_eq!(
            find(&sizes, "Standard_DS3_v3").unwrap_err()[0],
            "Standard_DS3_v2"
        );
        let usages =
            [json!({"name": {"value": "standardDSv2Family"}, "limit": 10, "currentValue": 8})];
        assert_eq!(free(&usages, "standardDSv2Family"), Some(2));
        assert_eq!(free(&usages, "standardNCSv3Family"), None);
    }
}
