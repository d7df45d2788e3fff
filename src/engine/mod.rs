//! The container engine: one connection function, containers, images, builds, pushes.
//! Only this folder names bollard, hyper or tonic; it knows no stage. Errors tell the story and leave the code to the caller.

mod address;
mod build;
mod connect;
mod container;
mod inside;
mod push;
mod registries;
mod session;
mod silence;
mod watched;
mod wire;

pub(crate) use build::{BuildRequest, BuildUpdate};
pub(crate) use connect::{Engine, RUN};
pub(crate) use container::{ContainerSpec, ContainerState, ImageInfo};
pub(crate) use inside::{ImageStart, Printed, look_name};
pub(crate) use push::PushUpdate;
pub(crate) use silence::Silent;
pub(crate) use wire::EngineError;
