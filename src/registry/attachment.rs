//! Documents attached to an image: a manifest of their own whose `subject` is the image. A registry with the referrers API
//! lists them; for one without it, a tag made of the image's digest names the list.
//! Source: opencontainers/distribution-spec 1.1, "Pushing Manifests with Subject", "Referrers Tag Schema".

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, LOCATION};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::Reference;
use super::client::{Content, Registry};
use crate::code::Code;
use crate::failure::{Failure, Outcome};
use crate::plan::RegistryLogin;
use crate::sha256;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// The configuration of what is no image.
const EMPTY: (&str, &str) = ("application/vnd.oci.empty.v1+json", "{}");

/// Bytes of a document that are read back.
const LARGEST: u64 = 64 << 20;

/// A document to attach.
#[derive(Clone, Debug)]
pub(crate) struct Attachment {
    /// Media type, of the document and of what is attached.
    pub(crate) kind: &'static str,
    /// Its name as a file, for clients that fetch it.
    pub(crate) title: &'static str,
    pub(crate) content: Vec<u8>,
}

/// How it is found from the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Attached {
    /// It was attached before.
    Already,
    /// By the registry's own list.
    Listed,
    /// By this tag, because the registry has no list.
    Tagged(String),
}

/// Attaches a document to the image with this digest. The same document is attached once, however often it is tried.
///
/// # Errors
/// `RegistryUnreachable`, `RegistryTls`, `RegistryDenied`, and whatever the registry does not take.
pub(crate) async fn attach(
    image: &Reference,
    login: Option<&RegistryLogin>,
    attachment: Attachment,
) -> Outcome<Attached> {
    let registry = Registry::open(image, login).await?;
    let place = Place::of(&registry, image)?;
    let subject = place.subject().await?;
    let known = place.list().await?;

    place.blob(EMPTY.1.as_bytes()).await?;
    place.blob(&attachment.content).await?;
    let layer = json!({
        "mediaType": attachment.kind,
        "digest": digest(&attachment.content),
        "size": attachment.content.len(),
        "annotations": {"org.opencontainers.image.title": attachment.title},
    });
    let config =
        json!({"mediaType": EMPTY.0, "digest": digest(EMPTY.1.as_bytes()), "size": EMPTY.1.len()});
    // Without a time in it, the same document makes the same manifest.
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": attachment.kind,
        "config": config,
        "layers": [layer],
        "subject": subject,
    });
    let manifest = manifest.to_string().into_bytes();
    let name = digest(&manifest);
    if known.manifests.iter().any(|one| one["digest"] == *name) {
        return Ok(Attached::Already);
    }
    let size = manifest.len();
    let answer = place.manifest(&name, MANIFEST, manifest).await?;
    if known.by_api || answer.headers().contains_key("OCI-Subject") {
        return Ok(Attached::Listed);
    }
    let mut manifests = known.manifests;
    manifests.push(json!({
        "mediaType": MANIFEST,
        "digest": name,
        "size": size,
        "artifactType": attachment.kind,
    }));
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
    let tag = place.tag();
    place
        .manifest(&tag, INDEX, index.to_string().into_bytes())
        .await?;
    Ok(Attached::Tagged(tag))
}

/// The newest document of this kind that is attached to the image with this digest; `None` when there is none.
///
/// # Errors
/// `RegistryUnreachable`, `RegistryTls`, `RegistryDenied`.
pub(crate) async fn attached(
    image: &Reference,
    login: Option<&RegistryLogin>,
    kind: &str,
) -> Outcome<Option<Vec<u8>>> {
    let registry = Registry::open(image, login).await?;
    let place = Place::of(&registry, image)?;
    let known = place.list().await?;
    let ours = known.manifests.iter().rev();
    for one in ours.filter(|one| one["artifactType"] == kind) {
        let Some(name) = one["digest"].as_str() else {
            continue;
        };
        let Some(manifest) = place.json("manifests", name).await? else {
            continue;
        };
        let layer = &manifest["layers"][0];
        let Some(name) = layer["digest"].as_str() else {
            continue;
        };
        if layer["size"].as_u64().is_none_or(|size| size > LARGEST) {
            continue;
        }
        if let Some(content) = place.read("blobs", name).await?
            && digest(&content) == name
        {
            return Ok(Some(content.to_vec()));
        }
    }
    Ok(None)
}

fn digest(content: &[u8]) -> String {
    format!("sha256:{}", sha256::of(content))
}

/// What is attached already.
struct Known {
    /// Descriptors.
    manifests: Vec<Value>,
    /// Whether the registry keeps the list itself.
    by_api: bool,
}

/// One image in one registry.
struct Place<'a> {
    registry: &'a Registry<'a>,
    path: &'a str,
    digest: &'a str,
}

impl<'a> Place<'a> {
    fn of(registry: &'a Registry<'a>, image: &'a Reference) -> Outcome<Self> {
        let digest = image.digest().ok_or_else(|| {
            Failure::new(
                Code::Internal,
                format!("`{image}` has no digest to attach to"),
            )
        })?;
        Ok(Self {
            registry,
            path: image.path(),
            digest,
        })
    }

    /// `sha256-…`, which stands for the list of what is attached.
    fn tag(&self) -> String {
        self.digest.replace(':', "-")
    }

    /// The image's own descriptor.
    async fn subject(&self) -> Outcome<Value> {
        let path = format!("/v2/{}/manifests/{}", self.path, self.digest);
        let answer = self.registry.ask(Method::GET, &path, "pull").await?;
        let answer = self
            .registry
            .succeeded(answer, "read the manifest of")
            .await?;
        let kind = answer.headers().get(CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or(MANIFEST);
        let kind = kind.split(';').next().unwrap_or(MANIFEST).trim().to_owned();
        let content = self.whole(answer).await?;
        Ok(json!({"mediaType": kind, "digest": self.digest, "size": content.len()}))
    }

    /// What is attached to the image.
    async fn list(&self) -> Outcome<Known> {
        let path = format!("/v2/{}/referrers/{}", self.path, self.digest);
        let answer = self.registry.ask(Method::GET, &path, "pull").await?;
        let manifests = |index: &Value| index["manifests"].as_array().cloned();
        if answer.status().is_success() {
            // Something that is no registry at heart may answer every path with a page.
            let content = self.whole(answer).await?;
            let index: Value = serde_json::from_slice(&content).unwrap_or_default();
            if let Some(manifests) = manifests(&index) {
                return Ok(Known {
                    manifests,
                    by_api: true,
                });
            }
        }
        let index = self.json("manifests", &self.tag()).await?;
        Ok(Known {
            manifests: index.as_ref().and_then(manifests).unwrap_or_default(),
            by_api: false,
        })
    }

    /// Sends a blob that the registry does not have.
    async fn blob(&self, content: &[u8]) -> Outcome<()> {
        let name = digest(content);
        let path = format!("/v2/{}/blobs/{name}", self.path);
        let there = self.registry.ask(Method::HEAD, &path, "pull").await?;
        if there.status().is_success() {
            return Ok(());
        }
        let path = format!("/v2/{}/blobs/uploads/", self.path);
        let begun = self.registry.ask(Method::POST, &path, "pull,push").await?;
        let begun = self
            .registry
            .succeeded(begun, "attach a document in")
            .await?;
        let location = begun.headers().get(LOCATION);
        let location = location.and_then(|location| location.to_str().ok());
        let Some(mut url) = location.and_then(|location| begun.url().join(location).ok()) else {
            return Err(Failure::new(
                Code::RegistryUnreachable,
                "the registry does not say where to upload to",
            ));
        };
        url.query_pairs_mut().append_pair("digest", &name);
        let content = Content {
            kind: "application/octet-stream",
            bytes: Bytes::copy_from_slice(content),
        };
        let sent = self
            .registry
            .send(Method::PUT, url.as_str(), "pull,push", Some(content));
        self.registry
            .succeeded(sent.await?, "attach a document in")
            .await
            .map(drop)
    }

    async fn manifest(
        &self,
        name: &str,
        kind: &'static str,
        content: Vec<u8>,
    ) -> Outcome<Response> {
        let path = format!("/v2/{}/manifests/{name}", self.path);
        let bytes = Bytes::from(content);
        let answer = self.registry.put(&path, Content { kind, bytes }).await?;
        self.registry
            .succeeded(answer, "attach a document in")
            .await
    }

    async fn json(&self, kind: &str, name: &str) -> Outcome<Option<Value>> {
        let content = self.read(kind, name).await?;
        Ok(content.and_then(|content| serde_json::from_slice(&content).ok()))
    }

    async fn read(&self, kind: &str, name: &str) -> Outcome<Option<Bytes>> {
        let path = format!("/v2/{}/{kind}/{name}", self.path);
        let answer = self.registry.ask(Method::GET, &path, "pull").await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let answer = self
            .registry
            .succeeded(answer, "read what is attached in")
            .await?;
        self.whole(answer).await.map(Some)
    }

    async fn whole(&self, answer: Response) -> Outcome<Bytes> {
        let content = answer.bytes().await;
        content.map_err(|error| Failure::from(self.registry.unreachable(error)))
    }
}
