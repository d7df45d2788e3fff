//! Online endpoints of Azure ML: every request is held to Azure's own description, and deployments really run their image. Here
//! what goes well: made, updated beside what serves, kept, gone back to. What goes wrong is in `azureml_fails`.

use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::engine::docker;
use crate::support::{Ended, Project, Run, bed, unique};

const GOLDEN: &str = "{\"request\": {\"x\": 2}, \"response\": {\"y\": 4.0, \"label\": \"cat\"}}\n{\"request\": {\"x\": 3}, \"response\": {\"y\": 6.0, \"label\": \"cat\"}}\n";
/// What only Azure's directory may see.
pub(crate) const SECRET: &str = "azure-client-secret-8417";

/// A subscription of one test, and the endpoint in it.
pub(crate) struct Azure {
    pub(crate) id: String,
    pub(crate) project: Project,
}

impl Azure {
    /// One where everything goes well, but for what `script` says.
    pub(crate) fn new(script: Value) -> Self {
        let number = unique("").trim_start_matches('-').replace('-', "");
        let azure = Self {
            id: format!("00000000-0000-4000-8000-{number:0>12}"),
            project: Project::new().file("golden.jsonl", GOLDEN),
        };
        azure.script(script);
        azure
    }

    /// From now on Azure behaves so.
    pub(crate) fn script(&self, mut script: Value) {
        script["secret"] = SECRET.into();
        self.ask(&["-X", "PUT", "-d", &script.to_string()]);
    }

    fn ask(&self, words: &[&str]) -> Value {
        let url = format!("{}/_bed/{}", bed("AZURE"), self.id);
        let asked = Command::new("curl")
            .args(["-sS", "--noproxy", "*"])
            .args(words)
            .arg(&url)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&asked.stdout).into_owned();
        serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}{asked:?}"))
    }

    /// What was asked, and what there is.
    pub(crate) fn log(&self) -> Value {
        self.ask(&[])
    }

    /// The endpoint as it is.
    pub(crate) fn endpoint(&self) -> Value {
        self.log()["state"]["ml"]["wine"].clone()
    }

    /// How often it was asked so.
    pub(crate) fn count(&self, start: &str) -> usize {
        let log = self.log();
        let all = log["requests"].as_array().unwrap().iter();
        all.filter(|one| one.as_str().unwrap().starts_with(start))
            .count()
    }

    /// A subcommand for the endpoint.
    pub(crate) fn command(&self, subcommand: &str) -> Run<'_> {
        let creds = json!({
            "clientId": "11111111-aaaa-4bbb-8ccc-222222222222",
            "clientSecret": SECRET,
            "tenantId": self.id,
            "subscriptionId": self.id,
            "activeDirectoryEndpointUrl": bed("AZURE"),
            "resourceManagerEndpointUrl": bed("AZURE"),
        });
        self.project
            .ml_deploy(subcommand)
            .input("target", "azureml")
            .input("creds", &creds.to_string())
            .input("resource-group", "rg")
            .input("workspace", "wine-ws")
            .input("endpoint-name", "wine")
    }

    /// A deployment of the server that behaves so.
    pub(crate) fn deploy(&self, mode: &str) -> Run<'_> {
        self.command("deploy")
            .input("image-ref", image())
            .input("instance-type", "Standard_DS2_v2")
            .input("container-env", &format!("MODE={mode}"))
            .input("health-path", "/health")
            .input("predict-path", "/predict")
            .input("golden", "golden.jsonl")
            .input("startup-timeout", "30s")
            .input("deploy-timeout", "60s")
    }

    /// Fails the test when a request or an answer was not as Azure's description has it, or a secret was shown.
    pub(crate) fn held(&self, ended: Ended) -> Ended {
        let log = self.log();
        assert_eq!(log["violations"], json!([]), "{}", ended.stdout);
        let seen = |line: &&str| !line.starts_with("::add-mask::");
        let shown: Vec<&str> = ended.stdout.lines().filter(seen).collect();
        let places = [
            shown.join("\n"),
            ended.stderr.clone(),
            ended.summary.clone(),
            ended.report.to_string(),
        ];
        for place in places {
            for secret in [SECRET, "azure-", "key-"] {
                // Tokens of the directory and keys of endpoints begin so.
                let hidden = !place.split_whitespace().any(|word| {
                    let word = word.trim_matches(['"', '\'', '`', ',']);
                    word.starts_with(secret) && word.len() > 20
                });
                assert!(hidden, "a secret is shown: {place}");
            }
        }
        ended
    }
}

impl Drop for Azure {
    fn drop(&mut self) {
        let url = format!("{}/_bed/{}", bed("AZURE"), self.id);
        drop(
            Command::new("curl")
                .args(["-s", "--noproxy", "*", "-X", "DELETE", &url])
                .output(),
        );
    }
}

/// A server whose behaviour a variable chooses, by digest.
pub(crate) fn image() -> &'static str {
    static IMAGE: OnceLock<String> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let project = Project::new()
            .file(
                "Dockerfile",
                &format!(
                    "FROM {}\nCOPY serve.py /\nEXPOSE 8080\nCMD [\"python3\", \"-u\", \"/serve.py\"]\n",
                    bed("BASE")
                ),
            )
            .file("serve.py", include_str!("servers/predicts.py"));
        let image = format!("{}/{}:1", bed("REGISTRY"), unique("it/azureml"));
        docker(&["build", "-q", "-t", &image, &project.path().display().to_string()]);
        docker(&["push", &image]);
        // The same bytes may stand under other tests' names too.
        let digests = docker(&["inspect", "-f", "{{join .RepoDigests \" \"}}", &image]);
        let name = image.trim_end_matches(":1");
        let mut ours = digests.split(' ').filter(|one| one.starts_with(name));
        ours.next().unwrap_or_else(|| panic!("{digests}")).trim().to_owned()
    })
}

#[test]
fn an_endpoint_of_somebody_else_is_asked_as_it_wants_to_be() {
    let right = |name: &str| {
        format!("Microsoft.MachineLearningServices/workspaces/onlineEndpoints/{name}/action")
    };
    // Who may not have its keys need not: a token of the directory for endpoints, or one of the workspace.
    for (auth, scope, asked) in [("AADToken", true, false), ("AMLToken", false, true)] {
        let azure = Azure::new(
            json!({"endpoint": {"authMode": auth, "description": "Wine"}, "deny": [right("listKeys")]}),
        );
        azure.held(azure.deploy("good").run().expect(0));
        let log = azure.log();
        let scopes = log["scopes"].to_string();
        assert_eq!(scopes.contains("https://ml.azure.com/.default"), scope);
        let requests = log["requests"].to_string();
        assert!(!requests.contains("listKeys"), "{log}");
        assert_eq!(requests.contains("onlineEndpoints/wine/token 200"), asked);
        assert_eq!(azure.endpoint()["traffic"], json!({"blue": 100}));
    }
    // The right that it does take is missed before anything is changed.
    let azure = Azure::new(json!({"endpoint": {"authMode": "AMLToken"}, "deny": [right("token")]}));
    let ended = azure.deploy("good").run().expect(10).code("cloud-denied");
    azure.held(ended.says(&format!("lacks the right `{}`", right("token"))));
}

#[test]
fn a_new_version_takes_over_only_after_it_has_answered_beside_the_old_one() {
    // No command-line tool of Azure is here to help.
    let found = Command::new("sh").args(["-c", "command -v az"]).output();
    assert!(!found.unwrap().status.success(), "az is on PATH");
    let azure = Azure::new(json!({"throttle": {"PUT onlineEndpoints": 1, "GET deployments": 1}}));

    let first = azure.held(azure.deploy("good").run().expect(0));
    let first = first
        .says("deployment `blue` is ready, without traffic")
        .says("endpoint `wine` sends its traffic to `blue` 100 %")
        // It was told to wait, and waited.
        .says("429");
    assert!(first.output("endpoint").starts_with("http://127.0.0.1:"));
    assert_eq!(first.output("image-ref"), image());
    let made = azure.endpoint();
    assert_eq!(made["traffic"], json!({"blue": 100}));
    let blue = &made["deployments"]["blue"];
    assert_eq!(blue["image"], image());
    let digest = image().split_once('@').unwrap().1;
    assert_eq!(blue["tags"]["ml-deploy.digest"], digest);
    assert_eq!(
        blue["tags"]["ml-deploy.commit"],
        "0123456789abcdef0123456789abcdef01234567"
    );
    assert_eq!(
        blue["properties"]["requestSettings"]["requestTimeout"],
        "PT60S"
    );
    // A container that dies is found long before the deployment may end.
    assert_eq!(blue["properties"]["livenessProbe"]["failureThreshold"], 9);
    assert_eq!(blue["properties"]["livenessProbe"]["initialDelay"], "PT30S");
    assert_eq!(blue["sku"]["capacity"], 1);
    let scored = azure.log()["scored"].to_string();
    // Rows by the header come first, and those of everybody last.
    let (header, traffic) = scored.split_once("by traffic").unwrap();
    assert!(header.contains("POST /predict by header blue"), "{scored}");
    assert!(
        traffic.contains("POST /predict by traffic blue"),
        "{scored}"
    );

    // The same again changes nothing.
    let (puts, again) = (azure.count("PUT"), azure.deploy("good").run().expect(0));
    azure.held(again.says("nothing is changed"));
    assert_eq!(azure.count("PUT"), puts);

    // Another one, in steps, with the old one kept.
    let second = azure
        .deploy("noisy")
        .input("tolerance", "rtol=1e-4")
        .input("keep-old", "true")
        .input("traffic-step", "50%")
        .input("instance-count", "2")
        .input("max-concurrent-requests", "4")
        .input("request-timeout", "90s")
        .run()
        .expect(0);
    azure.held(
        second
            .says("endpoint `wine` sends its traffic to `blue` 50 %, `green` 50 %")
            .says("deployment `blue` is kept, without traffic"),
    );
    let updated = azure.endpoint();
    assert_eq!(updated["traffic"], json!({"green": 100}));
    assert_eq!(updated["deployments"]["blue"]["state"], "Succeeded");
    let green = &updated["deployments"]["green"];
    assert_eq!(green["sku"]["capacity"], 2);
    assert_eq!(
        green["properties"]["requestSettings"],
        json!({"requestTimeout": "PT90S", "maxConcurrentRequestsPerInstance": 4})
    );

    let status = azure.held(azure.command("status").run().expect(0));
    status
        .says("traffic to `green` 100 %")
        .says("0 %, Succeeded, 1 x Standard_DS2_v2")
        .says("commit 0123456789abcdef");

    // Back to the one that was kept, and forth again.
    let back = azure.command("rollback").input("health-path", "/health");
    azure.held(back.run().expect(0).says("going back to deployment `blue`"));
    assert_eq!(azure.endpoint()["traffic"], json!({"blue": 100}));
    assert_eq!(
        azure.endpoint()["deployments"]["green"]["state"],
        "Succeeded"
    );
    let forth = azure.deploy("wrapped").input("predict-path", "/score");
    let forth = forth
        .input("golden", "")
        .run()
        .expect(0)
        .says("left by an earlier run, is removed");
    azure.held(forth);
    // Without `keep-old` what is replaced goes.
    let last = azure.endpoint();
    assert_eq!(last["traffic"], json!({"green": 100}));
    assert_eq!(last["deployments"].as_object().unwrap().len(), 1, "{last}");
}
