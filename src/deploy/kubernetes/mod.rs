//! The Kubernetes target, readable top to bottom: load, pin the image, apply, wait until the newest revision serves.

mod image;
mod manifest;
mod tree;
