//! What goes wrong at Azure ML: whatever it is, what served before serves after, and the cause is said in words.

use serde_json::json;

use crate::azureml::Azure;
use crate::support::{Ended, Run};

/// An endpoint that serves.
fn serving() -> Azure {
    let azure = Azure::new(json!({}));
    azure.held(azure.deploy("good").run().expect(0));
    azure
}

/// What served before does, alone.
fn serves_as_before(azure: &Azure, ended: Ended) -> Ended {
    let now = azure.endpoint();
    assert_eq!(now["traffic"], json!({"blue": 100}), "{}", ended.stdout);
    assert_eq!(
        now["deployments"].as_object().unwrap().len(),
        1,
        "{now}\n{}",
        ended.stdout
    );
    azure.held(ended)
}

#[test]
fn a_version_that_predicts_otherwise_never_gets_traffic() {
    let azure = serving();
    let writes = azure
        .count("PUT Microsoft.MachineLearningServices/workspaces/wine-ws/onlineEndpoints/wine 200");
    let ended = azure
        .deploy("wrong")
        .run()
        .expect(60)
        .code("verify-prediction");
    let ended = ended
        .says("golden row 2 is answered otherwise")
        .says("endpoint `wine` sends its traffic to `blue` 100 % as before")
        .says("deployment `green` is removed");
    assert_eq!(ended.output("rolled-back"), "true");
    serves_as_before(&azure, ended);
    assert_eq!(
        azure.count(
            "PUT Microsoft.MachineLearningServices/workspaces/wine-ws/onlineEndpoints/wine 200"
        ),
        writes,
        "the endpoint was written"
    );
}

#[test]
fn a_deployment_that_fails_is_told_with_its_log() {
    let azure = serving();
    // The container really ends, and says why.
    let ended = azure.deploy("exits").run().expect(50).code("not-ready");
    serves_as_before(
        &azure,
        ended.says("no license found").says("ResourceNotReady"),
    );
    for (code, ours, words) in [
        (
            "OutOfQuota",
            "quota-exceeded",
            "the quota does not suffice for 1 x `Standard_DS2_v2`",
        ),
        (
            "ImageBuildFailure",
            "endpoint-failed",
            "could not make the environment of the image",
        ),
    ] {
        let log = "Step 4/9 : RUN pip install\nERROR: no space";
        azure.script(json!({"fail": {"code": "UserError", "message": "It failed.", "details": [{"code": code, "message": "no"}]}, "log": log}));
        let ended = azure.deploy("noisy").run().expect(50).code(ours);
        serves_as_before(&azure, ended.says(words).says("ERROR: no space").says(code));
    }
    // Azure may also refuse to begin, in words alone.
    let said = "Not enough quota available for Standard_DS2_v2 in SubscriptionId s. Current usage/limit: 4/4. Additional needed: 2";
    azure.script(json!({"declined": {"code": "BadRequest", "message": said}}));
    let run = azure.deploy("noisy").input("on-first-failure", "remove");
    let ended = run.run().expect(50).code("quota-exceeded");
    let ended = ended
        .says("failed to make deployment `green` of endpoint `wine`: the quota does not suffice")
        .says("ask for more quota")
        .says(said);
    serves_as_before(&azure, ended);
    // A log that may not be read hides nothing, and what served before is no first deployment.
    let logs =
        "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments/getLogs/action";
    azure.script(json!({"deny": [logs]}));
    let run = azure.deploy("exits").input("on-first-failure", "remove");
    let ended = run.run().expect(50).code("not-ready");
    let ended = ended
        .says("the container ended, or did not answer its health path")
        .says("(the server's log is not shown: failed to read the log of deployment `green`")
        .says(&format!("the identity lacks the right `{logs}`"));
    serves_as_before(&azure, ended);
}

#[test]
fn traffic_that_does_not_move_is_a_failure_named_so() {
    let azure = serving();
    azure.script(json!({"traffic": "stuck"}));
    let ended = azure.deploy("noisy").input("tolerance", "rtol=1e-4");
    let ended = ended.run().expect(50).code("traffic-unmoved");
    let ended = ended.says("Azure says that it is done, and it still goes to `blue` 100 %");
    assert_eq!(ended.output("rolled-back"), "true");
    serves_as_before(&azure, ended);

    // Azure does not take it, and what there is shall be looked at.
    azure.script(json!({"traffic": "refused"}));
    let ended = azure
        .deploy("noisy")
        .input("tolerance", "rtol=1e-4")
        .input("on-failure", "keep")
        .run()
        .expect(50)
        .code("traffic-unmoved");
    azure.held(
        ended
            .says("being updated by somebody else")
            .says("`on-failure: keep`"),
    );
    let left = azure.endpoint();
    assert_eq!(left["traffic"], json!({"blue": 100}));
    assert_eq!(left["deployments"]["green"]["state"], "Succeeded");
}

#[test]
fn what_is_denied_or_missing_is_said_before_anything_is_changed() {
    let right = |name: &str| format!("Microsoft.MachineLearningServices/workspaces/{name}");
    let (write, delete, environments) = (
        right("onlineEndpoints/deployments/write"),
        right("onlineEndpoints/deployments/delete"),
        right("environments/*"),
    );
    let azure = Azure::new(
        json!({"deny": [write, delete, environments], "usages": {"standardDSv2Family": [3, 4]}}),
    );
    let ended = azure.deploy("good").run().expect(10).code("cloud-denied");
    let ended = ended
        .says(&format!("lacks the right `{write}` and 3 more"))
        .says(&right("environments/write"))
        .says("AzureML Data Scientist")
        // All at once.
        .says(
            "need 2 cores of `standardDSv2Family`, and the quota in region `westeurope` has 1 left",
        );
    azure.held(ended);

    azure.script(json!({"deny": [right("read")]}));
    let ended = azure.deploy("good").run().expect(10).code("cloud-denied");
    azure.held(ended.says("lacks the right `Microsoft.MachineLearningServices/workspaces/read`"));

    azure.script(json!({"workspace": null}));
    let ended = azure
        .deploy("good")
        .run()
        .expect(10)
        .code("workspace-missing");
    azure.held(ended.says("resource group `rg` has no Azure ML workspace `wine-ws`"));

    azure.script(json!({}));
    let ended = azure
        .deploy("good")
        .input("instance-type", "Standard_DS2_v3");
    azure.held(ended.run().expect(2).says("Standard_DS2_v2"));
    assert_eq!(azure.count("PUT"), 0);

    let named = azure
        .deploy("good")
        .input("endpoint-name", "wine_1")
        .input("traffic-step", "0%")
        .input("startup-timeout", "60s");
    let named = named.run().expect(2).code("input-invalid");
    let named = named.says("`startup-timeout` is not shorter than `deploy-timeout`");
    named.says("hyphens").says("`traffic-step` is `0");
}

#[test]
fn an_operation_goes_on_while_nobody_can_be_asked_how() {
    let azure = serving();
    // As often as one request is made at most: it fails for good.
    azure.script(json!({"deaf": 5}));
    let run = azure.deploy("noisy").input("tolerance", "rtol=1e-4");
    azure.held(run.run().expect(0).says("503"));
    assert_eq!(azure.endpoint()["traffic"], json!({"green": 100}));
}

#[test]
fn a_cancel_says_what_is_left_and_the_next_run_goes_on() {
    let azure = serving();
    azure.script(json!({"slow": 8}));
    let run = azure.deploy("noisy").input("tolerance", "rtol=1e-4");
    let ended = run.signal_at("deployment `green` of endpoint `wine` is made", "TERM");
    let ended = ended.expect(143);
    assert!(ended.took.as_secs() < 6, "{:?}", ended.took);
    let ended = ended
        .says("endpoint `wine` sends its traffic to `blue` 100 %")
        .says("deployment `green` is left as Azure has it");
    azure.held(ended);
    // Azure is still busy with that one, so the next takes another name.
    azure.script(json!({}));
    let run = azure.deploy("noisy").input("tolerance", "rtol=1e-4");
    azure.held(run.run().expect(0).says("deployment `violet` is ready"));
    assert_eq!(azure.endpoint()["traffic"], json!({"violet": 100}));
}

/// A new version that gets half of the traffic first.
fn by_halves(azure: &Azure) -> Run<'_> {
    let run = azure.deploy("noisy").input("tolerance", "rtol=1e-4");
    run.input("traffic-step", "50%")
}

#[test]
fn a_cancel_while_the_traffic_moves_moves_it_back() {
    let azure = serving();
    azure.script(json!({"moves": 1}));
    let half = "traffic of endpoint `wine` moves to `blue` 50 %, `green` 50 %";
    let ended = by_halves(&azure).signal_at(half, "TERM").expect(143);
    assert!(ended.took.as_secs() < 6, "{:?}", ended.took);
    let ended = ended
        .says("endpoint `wine` sends its traffic to `blue` 100 % as before")
        .says("deployment `green` is left, without traffic, and the next run removes it");
    azure.held(ended);
    assert_eq!(azure.endpoint()["traffic"], json!({"blue": 100}));
    // What was left has never served everybody: nobody goes back to it.
    let back = azure.command("rollback").input("health-path", "/health");
    azure.held(back.run().expect(10).code("revision-missing"));

    // Azure takes longer than the time that is left: what to look at, and the line that moves it.
    azure.script(json!({"moves": 20}));
    let ended = by_halves(&azure).signal_at(half, "TERM").expect(143);
    assert!(ended.took.as_secs() < 6, "{:?}", ended.took);
    let ended = ended
        .says("Azure had not ended that when this run had to: look where it goes")
        .says("az ml online-endpoint update --resource-group rg --workspace-name wine-ws --name wine --traffic \"blue=100 green=0\"");
    azure.held(ended);
}

#[test]
fn traffic_that_cannot_be_put_back_needs_a_person() {
    let azure = serving();
    // Half of it moves; then the endpoint takes no change any more.
    azure.script(json!({"traffic": "once"}));
    let ended = by_halves(&azure).run().expect(70).code("rollback-failed");
    let ended = ended
        .says("the traffic could not be moved back to `blue` 100 %")
        .says("endpoint `wine` sends its traffic to `blue` 50 %, `green` 50 %")
        .says("--resource-group rg --workspace-name wine-ws --name wine --traffic \"blue=100 green=0\"")
        // And why it was to go back at all.
        .says("did not move to `green` 100 %");
    assert_ne!(ended.output("rolled-back"), "true");
    azure.held(ended);
    let left = azure.endpoint();
    assert_eq!(left["traffic"], json!({"blue": 50, "green": 50}));
    assert_eq!(left["deployments"]["green"]["state"], "Succeeded");
}

#[test]
fn a_first_deployment_that_fails_leaves_what_the_inputs_say() {
    let azure = Azure::new(json!({}));
    let ended = azure.deploy("exits").run().expect(50).code("not-ready");
    azure.held(ended.says("nothing was live before: deployment `blue` of endpoint `wine` is left"));
    assert_eq!(azure.endpoint()["deployments"]["blue"]["state"], "Failed");
    azure.held(azure.command("status").run().expect(60).says("to nobody"));
    let rollback = azure.command("rollback").run().expect(10);
    azure.held(rollback.code("revision-missing"));

    let remove = |azure: &Azure| {
        let run = azure.deploy("exits").input("on-first-failure", "remove");
        azure.held(run.run().expect(50))
    };
    let other = Azure::new(json!({}));
    remove(&other).says("endpoint `wine` is removed");
    assert!(other.endpoint().is_null());
    let locked = Azure::new(json!({"locked": true}));
    remove(&locked).says("endpoint `wine` is left: The scope cannot perform delete operation");

    // Somebody else's endpoint stays, whatever came of the first deployment on it.
    let foreign = Azure::new(json!({"endpoint": {"authMode": "Key"}}));
    remove(&foreign).says("endpoint `wine` stays, without traffic");
    assert_eq!(foreign.endpoint()["deployments"], json!({}));
}
