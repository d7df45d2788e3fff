//! Whether the machines of Azure ML run an image that was built. It knows nothing of the workspace.

use crate::code::Code;
use crate::engine::Engine;
use crate::failure::{Fail as _, Failure, Outcome};
use crate::plan::AzureMlSpec;

/// Looks before the push at what Azure would only find when the container does not start.
///
/// # Errors
/// `EndpointImage` when it is for another processor, `ImageMissing` when the engine does not say.
pub(crate) async fn built(engine: &Engine, id: &str) -> Outcome<()> {
    let info = engine.inspect_image(id).await.fail(Code::ImageMissing)?;
    // An engine that does not say it is believed.
    match info.and_then(|info| info.platform) {
        Some((os, architecture)) => runs(id, &os, &architecture),
        None => Ok(()),
    }
}

fn runs(id: &str, os: &str, architecture: &str) -> Outcome<()> {
    let wanted = AzureMlSpec::ARCHITECTURE;
    if os == "linux" && architecture == wanted {
        return Ok(());
    }
    Err(Failure::new(
        Code::EndpointImage,
        format!("Azure ML cannot run `{id}`: it is for {os}/{architecture}, and its machines need linux/{wanted}"),
    )
    .help("build on a machine, or with an engine, of that processor; a base image may be pinned to another one too"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_images_for_its_machines_are_run() {
        assert!(runs("wine", "linux", "amd64").is_ok());
        let refused = |os: &str, architecture: &str| runs("wine", os, architecture).unwrap_err();
        let laptop = refused("linux", "arm64");
        assert_eq!(laptop.code(), Code::EndpointImage);
        assert!(laptop.message().contains("it is for linux/arm64"));
        assert!(
            refused("windows", "amd64")
                .message()
                .contains("windows/amd64")
        );
    }
}
