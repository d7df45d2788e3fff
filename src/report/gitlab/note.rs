//! The note on a merge request: one for each job, found again by its marker and its author, and updated. It knows GitLab's interface,
//! not what the note says. Source: GitLab's documentation of the notes and users API.

use std::time::Duration;

use reqwest::{Client, Method, StatusCode, header, redirect};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use crate::report::Status;

/// How long one request may take, and how often one is tried.
const TIMEOUT: Duration = Duration::from_secs(20);
const TRIES: u32 = 4;
/// Longest wait that a busy server may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Notes are listed in pages of a hundred; ours is among the first of a job that has run before.
const PAGES: u32 = 30;
/// Characters of a note; GitLab takes a million, and nobody reads them.
pub(in crate::report) const LONGEST: usize = 60_000;

/// Where the note stands and who writes it.
#[derive(Debug)]
pub(crate) struct Place {
    /// `https://gitlab.example/api/v4`.
    pub(crate) api: String,
    /// Number of the project that the merge request belongs to.
    pub(crate) project: String,
    /// Number of the merge request within the project.
    pub(crate) merge_request: String,
    /// Name of the job: every job has a note of its own.
    pub(crate) job: String,
    /// Scope `api`, role Reporter; a job's own token may not write notes.
    pub(crate) token: SecretString,
}

/// Why there is no note.
enum Trouble {
    /// Asking again would not help.
    Refused(String),
    /// The server is busy or silent; it may have done what was asked.
    Passing(String, Option<Duration>),
}

impl Place {
    /// The first line of the note; nobody sees it.
    fn marker(&self) -> String {
        // Two hyphens would end the comment.
        let job = self.job.replace("--", "—").replace(['<', '>', '\n'], " ");
        format!("<!-- ml-deploy note of {job} -->")
    }

    /// Writes the note, or what changed of it. The error is one line for the log.
    async fn publish(&self, markdown: &str) -> Result<(), String> {
        let body = format!("{}\n{}", self.marker(), without_commands(markdown));
        let api = Api::open(self)?;
        let mut tries = 0;
        loop {
            tries += 1;
            // After a lost answer the note may be there: it is looked for again, so that there are never two.
            let (why, wait) = match api.write(&self.marker(), &body).await {
                Ok(()) => return Ok(()),
                Err(Trouble::Refused(why)) => return Err(why),
                Err(Trouble::Passing(why, wait)) => (why, wait),
            };
            if tries == TRIES {
                return Err(why);
            }
            let wait = wait.unwrap_or(Duration::from_secs(1 << tries.min(4)) / 2);
            tokio::time::sleep(wait.min(LONGEST_WAIT)).await;
        }
    }
}

/// Longest time for all of it; after a cancel the runner kills us soon.
const ENDING: Duration = Duration::from_secs(60);
const CANCELLED: Duration = Duration::from_millis(1500);

/// Writes the note; returns what to say when there is none.
pub(in crate::report) async fn tell(
    place: &Place,
    markdown: &str,
    status: Status,
) -> Option<String> {
    let patience = match status {
        Status::Cancelled => CANCELLED,
        _ => ENDING,
    };
    let told = tokio::time::timeout(patience, place.publish(markdown)).await;
    let why = told
        .unwrap_or_else(|_| Err("no answer in time".to_owned()))
        .err()?;
    Some(format!(
        "the note on the merge request could not be written: {why}"
    ))
}

/// A line that begins with `/` would be a command to GitLab, given with the token's rights: `/merge`.
fn without_commands(markdown: &str) -> String {
    let lines = markdown.lines().map(|line| match line.strip_prefix('/') {
        Some(rest) => format!(" /{rest}"),
        None => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

struct Api {
    client: Client,
    base: String,
    /// `…/projects/ID/merge_requests/IID/notes`.
    notes: String,
}

impl Api {
    fn open(place: &Place) -> Result<Self, String> {
        let mut token = header::HeaderValue::from_str(place.token.expose_secret())
            .map_err(|_| "`gitlab-token` holds characters that no token has".to_owned())?;
        token.set_sensitive(true);
        let headers = header::HeaderMap::from_iter([(
            header::HeaderName::from_static("private-token"),
            token,
        )]);
        let client = Client::builder()
            .timeout(TIMEOUT)
            .default_headers(headers)
            // A token must not follow to another host.
            .redirect(redirect::Policy::none())
            .build();
        let base = place.api.trim_end_matches('/').to_owned();
        let notes = format!(
            "{base}/projects/{}/merge_requests/{}/notes",
            place.project, place.merge_request
        );
        let client = client.map_err(|error| format!("no client for GitLab: {error}"))?;
        Ok(Self {
            client,
            base,
            notes,
        })
    }

    async fn write(&self, marker: &str, body: &str) -> Result<(), Trouble> {
        let (me, _) = self
            .ask(Method::GET, &format!("{}/user", self.base), None)
            .await?;
        let said = json!({ "body": body });
        if let Some(known) = self.find(marker, &me["id"]).await? {
            if known["body"] == body {
                return Ok(());
            }
            let url = format!("{}/{}", self.notes, known["id"]);
            self.ask(Method::PUT, &url, Some(&said)).await?;
        } else {
            self.ask(Method::POST, &self.notes, Some(&said)).await?;
        }
        Ok(())
    }

    /// Our note: with the marker, and written by us. Anybody can copy a marker.
    async fn find(&self, marker: &str, me: &Value) -> Result<Option<Value>, Trouble> {
        for page in 1..=PAGES {
            let order = "per_page=100&order_by=created_at&sort=asc";
            let url = format!("{}?{order}&page={page}", self.notes);
            let (notes, more) = self.ask(Method::GET, &url, None).await?;
            let ours = notes.as_array().into_iter().flatten().find(|note| {
                let body = note["body"].as_str().unwrap_or_default();
                body.starts_with(marker) && !me.is_null() && note["author"]["id"] == *me
            });
            if ours.is_some() || !more {
                return Ok(ours.cloned());
            }
        }
        Ok(None)
    }

    /// The answer, and whether there is another page of it.
    async fn ask(
        &self,
        method: Method,
        url: &str,
        body: Option<&Value>,
    ) -> Result<(Value, bool), Trouble> {
        let mut request = self.client.request(method, url);
        if let Some(body) = body {
            request = request.json(body);
        }
        let passing = |error: reqwest::Error| {
            let why = crate::failure::chain(&error.without_url().into());
            Trouble::Passing(format!("{} does not answer: {why}", self.base), None)
        };
        let answer = request.send().await.map_err(passing)?;
        let status = answer.status();
        let header = |name: &str| answer.headers().get(name)?.to_str().ok();
        if status.is_success() {
            let more = header("x-next-page").is_some_and(|page| !page.is_empty());
            return Ok((answer.json().await.map_err(passing)?, more));
        }
        let wait = header("retry-after").and_then(|wait| wait.parse().ok());
        let wait = wait.map(Duration::from_secs);
        let said: Value = answer.json().await.unwrap_or_default();
        let said = ["message", "error_description", "error"]
            .iter()
            .find_map(|name| said[*name].as_str())
            .unwrap_or_default();
        let why = format!("{} answers {status} {said}", self.base);
        Err(match status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
                Trouble::Passing(why, wait)
            }
            // Somebody has deleted the note between two questions.
            StatusCode::NOT_FOUND if url.starts_with(&format!("{}/", self.notes)) => {
                Trouble::Passing(why, None)
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
                Trouble::Refused(format!(
                    "{why}; `gitlab-token` must be a project's or group's access token with the scope `api` and the role Reporter"
                ))
            }
            status if status.is_server_error() => Trouble::Passing(why, wait),
            _ => Trouble::Refused(why),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_a_command_to_gitlab() {
        let text = without_commands("a\n/merge\n /close\n```\n/approve\n```");
        assert_eq!(text, "a\n /merge\n /close\n```\n /approve\n```");
    }

    #[test]
    fn a_job_cannot_end_the_marker() {
        let place = Place {
            api: String::new(),
            project: String::new(),
            merge_request: String::new(),
            job: "a --> <b>\n".to_owned(),
            token: SecretString::from("x"),
        };
        assert_eq!(place.marker(), "<!-- ml-deploy note of a —   b   -->");
    }
}
