//! AWS's token service: keys of a role in exchange for the job's token or for other keys, and who the keys belong to.
//! Source: AWS STS API reference, version 2011-06-15.

use jiff::{SignedDuration, Timestamp};
use reqwest::{Method, Url};
use secrecy::{ExposeSecret as _, SecretString};

use super::super::http::Answer;
use super::super::oidc::Claims;
use super::Aws;
use super::call::{Call, Patience};
use super::keys::Keys;
use super::place::{Partition, Service, endpoint};
use super::refused::{Refused, ahead, element};
use super::sign;
use crate::code::Code;
use crate::failure::{Failure, Outcome};

const VERSION: &str = "2011-06-15";
const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";

/// The audience that a role's trust policy expects, by the partition of the role.
pub(super) fn audience(role: &str) -> &'static str {
    match partition(role) {
        "aws-cn" => "sts.amazonaws.com.cn",
        _ => "sts.amazonaws.com",
    }
}

/// `aws` of `arn:aws:iam::…`.
fn partition(arn: &str) -> &str {
    arn.split(':').nth(1).unwrap_or("aws")
}

impl Aws {
    /// Where the token service is asked: in our region, else in one of the role's partition.
    fn sts_region(&self, role: &str) -> String {
        let ours = self.region();
        let ours = ours.filter(|region| Partition::of(region).name == partition(role));
        ours.unwrap_or_else(|| {
            let first = match partition(role) {
                "aws-cn" => "cn-north-1",
                "aws-us-gov" => "us-gov-west-1",
                _ => "us-east-1",
            };
            first.to_owned()
        })
    }

    /// The session's name, which AWS's own log shows.
    fn session(&self) -> String {
        let get = |name: &str| self.around.environment.get(name);
        if let Some(name) = get("AWS_ROLE_SESSION_NAME") {
            return name.to_owned();
        }
        let run = get("GITHUB_RUN_ID")
            .or(get("CI_JOB_ID"))
            .or(get("BUILD_NUMBER"));
        let run = run.filter(|run| run.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        run.map_or_else(|| "ml-deploy".to_owned(), |run| format!("ml-deploy-{run}"))
    }

    /// Keys of a role in exchange for a token that somebody else has signed.
    ///
    /// # Errors
    /// `CloudDenied` with what the token says and what the role's trust policy has to say; `CloudUnreachable`.
    pub(super) async fn with_token(
        &self,
        role: &str,
        token: &SecretString,
        session: Option<&str>,
    ) -> Outcome<Keys> {
        let tried = format!("take the role `{role}` with an identity token");
        let session = session.map_or_else(|| self.session(), str::to_owned);
        let form = sign::encoded(&[
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", VERSION),
            ("RoleArn", role),
            ("RoleSessionName", &session),
            ("WebIdentityToken", token.expose_secret()),
        ]);
        let region = self.sts_region(role);
        let base = endpoint(Service::Sts, &region, &self.around.environment);
        let http = &self.around.http;
        let mut patience = Patience::default();
        loop {
            // The token is the proof: nothing is signed.
            let request = http.client().post(format!("{base}/"));
            let request = request.header("content-type", FORM).body(form.clone());
            let answer = http.send(&tried, request).await?;
            if answer.status.is_success() {
                return self.taken(&tried, role, &answer).await;
            }
            let refused = Refused::of(&answer);
            if !patience.again(self, &tried, &refused).await? {
                let claims = Claims::of(token.expose_secret()).unwrap_or_default();
                return Err(not_trusted(&tried, role, &claims, &refused));
            }
        }
    }

    /// Keys of a role, taken with other keys.
    ///
    /// # Errors
    /// `CloudDenied`, `CloudUnreachable`.
    pub(super) async fn with_keys(
        &self,
        role: &str,
        keys: &Keys,
        external_id: Option<&str>,
        session: Option<&str>,
    ) -> Outcome<Keys> {
        let tried = format!("take the role `{role}`");
        let session = session.map_or_else(|| self.session(), str::to_owned);
        let mut form = vec![
            ("Action", "AssumeRole"),
            ("Version", VERSION),
            ("RoleArn", role),
            ("RoleSessionName", &session),
        ];
        form.extend(external_id.map(|id| ("ExternalId", id)));
        let region = self.sts_region(role);
        match self.form(&region, &form, &tried, keys).await? {
            Ok(answer) => self.taken(&tried, role, &answer).await,
            Err(refused) if refused.is_denied() => {
                let failure = refused.failure(&tried, keys, ("sts:AssumeRole", role));
                Err(failure.help(format!(
                    "let the identity do `sts:AssumeRole` on `{role}`, and let the role's trust policy name it as `Principal`"
                )))
            }
            Err(refused) => Err(refused.failure(&tried, keys, ("sts:AssumeRole", role))),
        }
    }

    /// The name of who we are, as policies and access entries have it: a role's own, not that of its session.
    ///
    /// # Errors
    /// Those of finding the identity; `CloudDenied` when the keys are refused.
    pub(super) async fn principal(&self) -> Outcome<String> {
        let tried = "ask AWS who we are";
        let keys = self.keys().await?;
        let region = self.region().unwrap_or_else(|| "us-east-1".to_owned());
        let form = [("Action", "GetCallerIdentity"), ("Version", VERSION)];
        let answer = self.form(&region, &form, tried, &keys).await?;
        let answer = answer
            .map_err(|refused| refused.failure(tried, &keys, ("sts:GetCallerIdentity", "*")))?;
        Ok(principal(
            &element(&answer.text(), "Arn").unwrap_or_default(),
        ))
    }

    async fn form(
        &self,
        region: &str,
        form: &[(&str, &str)],
        tried: &str,
        keys: &Keys,
    ) -> Outcome<Result<Answer, Refused>> {
        let call = Call {
            service: Service::Sts,
            region,
            method: Method::POST,
            path: "/",
            headers: &[("content-type", FORM)],
            body: sign::encoded(form).into_bytes(),
            tried,
        };
        self.send(&call, keys).await
    }

    /// The keys in an answer; from now on they are hidden everywhere.
    async fn taken(&self, tried: &str, role: &str, answer: &Answer) -> Outcome<Keys> {
        let text = answer.text();
        let get = |name: &str| element(&text, name);
        let (Some(id), Some(secret), Some(token)) = (
            get("AccessKeyId"),
            get("SecretAccessKey"),
            get("SessionToken"),
        ) else {
            return Err(Failure::new(
                Code::CloudUnreachable,
                format!("failed to {tried}: the answer holds no keys"),
            ));
        };
        let keys = Keys {
            id,
            secret: secret.into(),
            session_token: Some(token.into()),
            expires: get("Expiration").and_then(|text| on_our_clock(&text, answer)),
            origin: format!("the role `{role}`"),
        };
        keys.mask(&self.around.voice).await;
        Ok(keys)
    }
}

/// A time of AWS's on our own clock.
fn on_our_clock(text: &str, answer: &Answer) -> Option<Timestamp> {
    let time: Timestamp = text.parse().ok()?;
    let ahead = ahead(&answer.headers).unwrap_or(SignedDuration::ZERO);
    time.checked_sub(ahead).ok()
}

/// What to say when a role does not trust a token: what the token says, and the lines to change.
fn not_trusted(tried: &str, role: &str, claims: &Claims, refused: &Refused) -> Failure {
    let what = format!("failed to {tried}");
    let issuer = claims.issuer.trim_start_matches("https://");
    let account = role.split(':').nth(4).unwrap_or_default();
    let said = format!("{}: {}", refused.kind, refused.message);
    let message = |why: &str| format!("{what}: {why}; its token has {claims}");
    let failure = match refused.kind.as_str() {
        "AccessDenied" => Failure::new(
            Code::CloudDenied,
            message("its trust policy does not let this job have it, or there is no such role"),
        )
        .help(format!(
            "write into the role's trust policy `\"Condition\": {{\"StringEquals\": {{\"{issuer}:aud\": \"{}\", \"{issuer}:sub\": \"{}\"}}}}`",
            claims.audience, claims.subject
        )),
        "InvalidIdentityToken" if refused.message.contains("audience") => Failure::new(
            Code::CloudDenied,
            message("the account's identity provider does not know the token's audience"),
        )
        .help(format!(
            "add `{}` to the audiences of the provider `{issuer}` in account {account}",
            claims.audience
        )),
        "InvalidIdentityToken" => Failure::new(
            Code::CloudDenied,
            message("its account does not know who signed the job's token"),
        )
        .help(format!(
            "add the identity provider once to account {account}: `aws iam create-open-id-connect-provider --url {} --client-id-list {}`",
            claims.issuer, claims.audience
        )),
        kind if kind.starts_with("ExpiredToken") => Failure::new(
            Code::CloudDenied,
            message("the job's token has expired"),
        )
        .help("on GitLab a token lives as long as the job's `timeout`; elsewhere see who writes the file that AWS_WEB_IDENTITY_TOKEN_FILE names"),
        kind if kind.starts_with("RegionDisabled") => Failure::new(
            Code::CloudDenied,
            message("the region is not enabled for its account"),
        )
        .help(format!("enable it in account {account}, or set another `aws-region`")),
        _ => Failure::new(Code::CloudDenied, message(&said)).help("correct `role-to-assume`, as `arn:aws:iam::ACCOUNT:role/NAME`"),
    };
    failure.evidence([said])
}

/// `arn:aws:sts::1:assumed-role/NAME/SESSION` is the role `NAME` of the account.
fn principal(arn: &str) -> String {
    let Some((before, name)) = arn.split_once(":assumed-role/") else {
        return arn.to_owned();
    };
    let name = name.split('/').next().unwrap_or(name);
    format!("{}:role/{name}", before.replacen(":sts:", ":iam:", 1))
}

/// An address of ours as a signed question of who we are, good for a minute: EKS takes it for a token.
pub(super) fn who_we_are(
    keys: &Keys,
    region: &str,
    base: &str,
    cluster: &str,
    at: Timestamp,
) -> Result<String, String> {
    let url = Url::parse(base).map_err(|error| error.to_string())?;
    let signer = sign::Signer {
        keys,
        region,
        service: Service::Sts.signs_as(),
        at,
    };
    let query = signer.query(
        &sign::Request {
            method: "GET",
            host: &super::call::host_of(&url),
            path: "/",
            query: &[("Action", "GetCallerIdentity"), ("Version", VERSION)],
            headers: &[("x-k8s-aws-id", cluster)],
            body: b"",
        },
        60,
    );
    Ok(format!("{base}/?{query}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_stands_for_its_role() {
        assert_eq!(
            principal("arn:aws-cn:sts::123456789012:assumed-role/deploy/ml-deploy-1"),
            "arn:aws-cn:iam::123456789012:role/deploy"
        );
        let user = "arn:aws:iam::123456789012:user/robot";
        assert_eq!(principal(user), user);
    }

    #[test]
    fn china_expects_an_audience_of_its_own() {
        assert_eq!(audience("arn:aws-cn:iam::1:role/x"), "sts.amazonaws.com.cn");
        assert_eq!(
            audience("arn:aws-us-gov:iam::1:role/x"),
            "sts.amazonaws.com"
        );
    }

    #[test]
    fn a_denial_names_the_lines_to_change() {
        let claims = Claims {
            subject: "repo:org/wine:ref:refs/heads/main".to_owned(),
            audience: "sts.amazonaws.com".to_owned(),
            issuer: "https://token.actions.githubusercontent.com".to_owned(),
        };
        let told = |kind: &str, message: &str| {
            let body = format!(
                "<ErrorResponse><Error><Code>{kind}</Code><Message>{message}</Message></Error></ErrorResponse>"
            );
            let refused = Refused::of(&Answer {
                status: reqwest::StatusCode::FORBIDDEN,
                headers: reqwest::header::HeaderMap::new(),
                body: body.into(),
            });
            let role = "arn:aws:iam::123456789012:role/x";
            let failure = not_trusted("take it", role, &claims, &refused);
            let finding = failure.findings().next().unwrap();
            assert!(
                finding
                    .message
                    .contains("subject `repo:org/wine:ref:refs/heads/main`")
            );
            finding.advice().to_owned()
        };
        let denied = told(
            "AccessDenied",
            "Not authorized to perform sts:AssumeRoleWithWebIdentity",
        );
        assert!(
            denied.contains(
                r#""token.actions.githubusercontent.com:sub": "repo:org/wine:ref:refs/heads/main""#
            ),
            "{denied}"
        );
        let provider = told(
            "InvalidIdentityToken",
            "No OpenIDConnect provider found in your account for x",
        );
        assert!(
            provider.contains("create-open-id-connect-provider --url https://token.actions"),
            "{provider}"
        );
        assert!(provider.contains("123456789012"));
        assert!(told("InvalidIdentityToken", "Incorrect token audience").contains("audiences"));
        assert!(told("ExpiredTokenException", "x").contains("timeout"));
        assert!(told("ValidationError", "x is invalid").contains("role-to-assume"));
        assert!(told("RegionDisabledException", "x").contains("another `aws-region`"));
    }
}
