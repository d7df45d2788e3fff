//! Secrets planted in every input and file that may hold one, and looked for in every place that somebody may read afterwards: as
//! they are, in base64 at each alignment, URL-encoded.

mod aws;
mod azure;
mod delivery;
mod google;
mod places;
mod plants;
mod site;

use std::path::Path;

use crate::support::path_with_uv;

/// Programs of the clouds, which would do the work in place of ours.
const TOOLS: &[&str] = &[
    "aws",
    "aws-iam-authenticator",
    "docker-credential-ecr-login",
    "az",
    "kubelogin",
    "docker-credential-acr-env",
    "gcloud",
    "gke-gcloud-auth-plugin",
    "docker-credential-gcloud",
];

/// Our `PATH` without them: where one is, a folder below `spare` stands for it, with links to the rest.
fn path_without_tools(spare: &Path) -> String {
    let path = path_with_uv();
    let folders = path.split(':').enumerate().map(|(number, folder)| {
        let is_one = |name: &str| TOOLS.contains(&name);
        let names = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let names: Vec<_> = names.map(|one| one.file_name()).collect();
        if !names.iter().any(|name| is_one(&name.to_string_lossy())) {
            return folder.to_owned();
        }
        let links = spare.join(number.to_string());
        std::fs::create_dir_all(&links).unwrap();
        for name in names.iter().filter(|name| !is_one(&name.to_string_lossy())) {
            let from = Path::new(folder).join(name);
            // It is there already from the run before.
            drop(std::os::unix::fs::symlink(from, links.join(name)));
        }
        links.display().to_string()
    });
    folders.collect::<Vec<_>>().join(":")
}
