//! What must hold before an image is pushed. Each check knows its own subject and no other stage.

pub(crate) mod parity;
