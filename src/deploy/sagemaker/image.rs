//! Whether SageMaker takes an image: from its registry, for the machines' processor, in its form; and which image of an index it is.

use super::wanted::Image;
use crate::artifact::Pushed;
use crate::cloud::ImagePlace;
use crate::code::Code;
use crate::context::Context;
use crate::engine::Engine;
use crate::failure::{Fail as _, Failure, Outcome};
use crate::plan::SageMakerSpec;
use crate::registry::{self, OneImage, Reference};

/// Media types of a manifest that SageMaker takes: one image, with Docker's or OCI's layers.
const TAKEN: &[&str] = &[
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
];

/// Whether SageMaker can take images from there, and this image, when it exists.
pub(super) async fn place(
    spec: &SageMakerSpec,
    image: Option<&Reference>,
    exists: bool,
) -> Outcome<()> {
    let Some(image) = image else { return Ok(()) };
    let aws = spec.clouds.sagemaker();
    let refused = |why: String, help: &str| {
        Err(Failure::new(
            Code::EndpointImage,
            format!("SageMaker cannot run `{image}`: {why}"),
        )
        .help(help))
    };
    match aws.place(image.host())? {
        ImagePlace::Here => {}
        // Whether that network reaches the registry is known to nobody here.
        ImagePlace::Foreign if spec.network.is_some() => {}
        ImagePlace::Region(region) => {
            return refused(
                format!("it is in {region}, and the endpoint in {}", aws.region()?),
                "push it to a repository in the endpoint's region",
            );
        }
        ImagePlace::Foreign => {
            return refused(
                format!("`{}` is not a private registry of ECR", image.host()),
                "set `image` to ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME, where `create-repository: true` makes it; or `vpc-subnets` of a network that reaches the registry",
            );
        }
    }
    if exists && let Some(images) = registry::images(image, spec.login.as_ref()).await? {
        fitting(spec, &image.to_string(), &images)?;
    }
    Ok(())
}

/// The one of the images in a registry that SageMaker can run.
///
/// # Errors
/// `EndpointImage`, with what is there instead.
fn fitting<'a>(spec: &SageMakerSpec, name: &str, images: &'a [OneImage]) -> Outcome<&'a OneImage> {
    let wanted = spec.architecture();
    let fits = |one: &&OneImage| one.os == "linux" && one.architecture == wanted;
    let Some(found) = images.iter().find(fits) else {
        let there: Vec<_> = images
            .iter()
            .map(|one| format!("{}/{}", one.os, one.architecture))
            .collect();
        return Err(other_platform(spec, name, &there.join(", ")));
    };
    if TAKEN.contains(&found.media_type.as_str()) {
        return Ok(found);
    }
    Err(Failure::new(
        Code::EndpointImage,
        format!(
            "SageMaker cannot run `{name}`: its manifest is of the type `{}`",
            found.media_type
        ),
    )
    .help(
        "build it anew with a current engine, which writes Docker's manifest (schema 2) or OCI's",
    ))
}

fn other_platform(spec: &SageMakerSpec, name: &str, there: &str) -> Failure {
    let wanted = spec.architecture();
    Failure::new(
        Code::EndpointImage,
        format!("SageMaker cannot run `{name}` on the machines chosen: it is for {there}, and they need linux/{wanted}"),
    )
    .help("build for their processor, or choose an `instance-type` of the image's: those with a `g` after the generation, such as ml.m6g.large, are arm64")
}

/// The same of an image that is built and not pushed yet.
///
/// # Errors
/// `EndpointImage`.
pub(crate) async fn built(spec: &SageMakerSpec, engine: &Engine, id: &str) -> Outcome<()> {
    let info = engine.inspect_image(id).await.fail(Code::ImageMissing)?;
    let Some((os, architecture)) = info.and_then(|info| info.platform) else {
        return Ok(());
    };
    if os == "linux" && architecture == spec.architecture() {
        return Ok(());
    }
    Err(other_platform(spec, id, &format!("{os}/{architecture}")))
}

/// The image as SageMaker takes it: one manifest and no index, of the processor of the machines. Of an index the image for
/// that processor is taken, without the attestations beside it.
pub(super) async fn single(ctx: &Context, spec: &SageMakerSpec, pushed: &Pushed) -> Outcome<Image> {
    let pinned = format!("{}@{}", pushed.repository, pushed.digest);
    let missing = |why: String| Failure::new(Code::ImageMissing, why);
    let reference: Reference = pinned
        .parse()
        .map_err(|why| missing(format!("failed to deploy `{pinned}`: it {why}")))?;
    let images = registry::images(&reference, spec.login.as_ref()).await?;
    let Some(images) = images else {
        return Err(missing(format!(
            "failed to deploy `{pinned}`: the registry does not have it"
        )));
    };
    let chosen = fitting(spec, &pinned, &images)?;
    if chosen.digest != pushed.digest {
        ctx.events
            .note(format!(
                "SageMaker takes no index: of `{pinned}` the image for {} is deployed, {}",
                spec.architecture(),
                chosen.digest
            ))
            .await;
    }
    let place = spec.clouds.sagemaker().place(reference.host())?;
    Ok(Image {
        pinned: format!("{}@{}", pushed.repository, chosen.digest),
        behind: place == ImagePlace::Foreign,
    })
}

#[cfg(test)]
mod tests {
    use super::super::wanted::tests::spec;
    use super::*;

    fn one(digest: &str, architecture: &str, media_type: &str) -> OneImage {
        OneImage {
            digest: digest.to_owned(),
            os: "linux".to_owned(),
            architecture: architecture.to_owned(),
            media_type: media_type.to_owned(),
        }
    }

    #[test]
    fn the_image_of_the_machines_processor_is_taken() {
        let both = [
            one("sha256:a", "arm64", TAKEN[1]),
            one("sha256:b", "amd64", TAKEN[0]),
        ];
        assert_eq!(fitting(&spec(), "wine", &both).unwrap().digest, "sha256:b");
        let failure = fitting(&spec(), "wine", &both[..1]).unwrap_err();
        assert_eq!(failure.code(), Code::EndpointImage);
        let finding = failure.findings().next().unwrap();
        assert!(
            finding
                .message
                .contains("it is for linux/arm64, and they need linux/amd64"),
            "{finding:?}"
        );
        let old = [one(
            "sha256:b",
            "amd64",
            "application/vnd.docker.distribution.manifest.v1+prettyjws",
        )];
        let failure = fitting(&spec(), "wine", &old).unwrap_err();
        assert!(
            failure
                .findings()
                .next()
                .unwrap()
                .message
                .contains("v1+prettyjws")
        );
    }
}
