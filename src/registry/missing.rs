//! What to do about a repository that its registry does not have, by whose registry it is. Pure.

use super::Reference;

/// What makes the repository, where pushing to it is not enough.
pub(crate) fn make(reference: &Reference) -> String {
    let host = reference.host();
    let name = host.split(':').next().unwrap_or(host);
    let mut parts = reference.path().split('/');
    let (project, repository) = (parts.next().unwrap_or_default(), parts.next());
    let in_artifacts = |location: &str, repository: &str| {
        format!(
            "make it in the console, or: curl -X POST -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json' -d '{{\"format\": \"DOCKER\"}}' 'https://artifactregistry.googleapis.com/v1/projects/{project}/locations/{location}/repositories?repositoryId={repository}'"
        )
    };
    if let Some(location) = name.strip_suffix("-docker.pkg.dev") {
        return match (repository, parts.next()) {
            (Some(repository), Some(_)) => in_artifacts(location, repository),
            _ => format!("correct `image`: a name there is {host}/PROJECT/REPOSITORY/IMAGE"),
        };
    }
    let location = match name {
        "gcr.io" | "us.gcr.io" => Some("us"),
        "eu.gcr.io" => Some("europe"),
        "asia.gcr.io" => Some("asia"),
        _ => None,
    };
    match location {
        Some(location) => in_artifacts(location, name),
        None => "create the repository in the registry first, or correct `image`".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn google_s_repositories_are_made_by_their_names() {
        for (image, expected) in [
            (
                "europe-west4-docker.pkg.dev/wine/models/app",
                "projects/wine/locations/europe-west4/repositories?repositoryId=models'",
            ),
            (
                "eu.gcr.io/wine/app",
                "projects/wine/locations/europe/repositories?repositoryId=eu.gcr.io'",
            ),
            ("us-docker.pkg.dev/wine/app", "PROJECT/REPOSITORY/IMAGE"),
            ("r.example/wine/app", "create the repository"),
        ] {
            let said = make(&image.parse().unwrap());
            assert!(said.contains(expected), "{said}");
        }
    }
}
