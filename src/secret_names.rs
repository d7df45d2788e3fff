//! Which names say that what they stand for is secret. The one list of such words; it knows no value and hides nothing.
//!
//! Names of *variables* (and of entries of a ConfigMap, of keys in a file) are made up by people: `DB_PASSWORD_V2`, so a word
//! anywhere in it counts. Names of *fields* of a manifest come from an API, where most speak about secrets without holding one
//! (`secretName`, `imagePullSecrets`, `tokenExpirationSeconds`), so only the end counts.

/// In capitals, without what joins words.
const WORDS: &[&str] = &[
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "SECRET",
    "TOKEN",
    "CREDENTIAL",
    "APIKEY",
    "PRIVATEKEY",
    "ACCESSKEY",
    "ACCOUNTKEY",
    "AUTHKEY",
    "SIGNINGKEY",
    "ENCRYPTIONKEY",
    "AUTHCONFIG",
    "CONNECTIONSTRING",
    // What a program on Azure's App Service proves with that it runs there.
    "IDENTITYHEADER",
];

/// Short ones, which count as the last word only.
const LAST: &[&str] = &["PAT", "PWD", "PASS"];

/// Last words that say where a secret is or what it is called.
const PLACES: &[&str] = &[
    "NAME", "FILE", "PATH", "DIR", "URL", "URI", "ENDPOINT", "HOST", "PORT", "ADDR", "TYPE",
];

/// Whether a variable's name says that its value is secret.
pub(crate) fn variable(name: &str) -> bool {
    let place = last_word(name).is_some_and(|last| PLACES.contains(&last.as_str()));
    mentioned(name) && !place
}

/// Whether a variable has to do with secrets, if only as the place where one is.
pub(crate) fn mentioned(name: &str) -> bool {
    // Language models cut text with those; no secret is in them.
    let joined = joined(name).replace("TOKENIZER", "");
    WORDS.iter().any(|word| joined.contains(word))
        || last_word(name).is_some_and(|last| LAST.contains(&last.as_str()))
}

/// Whether a field of an API with this name holds a secret when its value is a text.
pub(crate) fn field(name: &str) -> bool {
    let joined = joined(name);
    WORDS.iter().any(|word| joined.ends_with(word))
}

fn joined(name: &str) -> String {
    name.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_uppercase())
        .collect()
}

/// The last of several words: the working directory, `PWD`, is no password.
fn last_word(name: &str) -> Option<String> {
    let (_, last) = name.rsplit_once(['_', '-', '.'])?;
    Some(last.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_anywhere_in_a_variable_counts() {
        for name in [
            "DB_PASSWORD_V2",
            "CREDENTIALS",
            "db-password",
            "spring.datasource.password",
            "OPENAI_API_KEY",
            "apiKeyOld",
            "AWS_ACCESS_KEY_ID",
            "DOCKER_AUTH_CONFIG",
            "GH_PAT",
            "DB_PWD",
            "SMTP_PASS",
            "TOKENIZER_API_TOKEN",
            "AZURE_STORAGE_CONNECTION_STRING",
            "IDENTITY_HEADER",
        ] {
            assert!(variable(name) && mentioned(name), "{name}");
        }
        for name in [
            "PATH",
            "PWD",
            "OLDPWD",
            "MODEL",
            "TOKENIZERS_PARALLELISM",
            "COMPASS",
            "AWS_REGION",
            "KEY",
            "PATIENCE",
        ] {
            assert!(!variable(name) && !mentioned(name), "{name}");
        }
    }

    #[test]
    fn where_a_secret_is_is_none() {
        for name in ["DB_SECRET_NAME", "DB_PASSWORD_FILE", "TOKEN_URL"] {
            assert!(mentioned(name) && !variable(name), "{name}");
        }
    }

    #[test]
    fn only_the_end_of_a_field_counts() {
        for name in ["password", "apiKey", "bearerToken", "clientSecret"] {
            assert!(field(name), "{name}");
        }
        for name in [
            "secretName",
            "imagePullSecrets",
            "secretKeyRef",
            "tokenExpirationSeconds",
            "secrets",
            "image",
        ] {
            assert!(!field(name), "{name}");
        }
    }
}
