//! The form of the log that the user asked for: a word that inputs, host and reporters share.

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Format {
    /// As the place understands it.
    #[default]
    Auto,
    /// Lines without colours and without commands to the place.
    Plain,
    /// The events as JSON lines, and nothing else.
    Json,
}

impl Format {
    /// Reads the input `format`.
    ///
    /// # Errors
    /// What was expected, for any other word.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "plain" => Ok(Self::Plain),
            "json" => Ok(Self::Json),
            _ => Err("expected auto, plain or json".to_owned()),
        }
    }
}
