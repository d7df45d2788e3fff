//! Which targets an input is for. It knows clap's definition of the inputs, and no value of them.

use clap::CommandFactory as _;

use super::cli::Cli;

/// What `--help` lists under a heading is read by these targets; under any other heading it is for all.
const OF_HEADING: &[(&str, &[&str])] = &[
    ("Deployment to Kubernetes", &["kubernetes"]),
    ("Deployment to Docker", &["docker"]),
    (
        "Deployment to a cloud's endpoint",
        &["sagemaker", "azureml"],
    ),
    ("Deployment to SageMaker", &["sagemaker"]),
    ("Deployment to Azure ML", &["azureml"]),
];

/// Inputs that are read by other targets than their heading says.
const ALSO: &[(&str, &[&str])] = &[
    ("resource-group", &["kubernetes", "azureml"]),
    ("on-failure", &["kubernetes", "sagemaker", "azureml"]),
    ("on-first-failure", &["kubernetes", "sagemaker", "azureml"]),
];

/// Every input that not all targets read, with those that do.
pub(crate) fn of_inputs() -> Vec<(String, &'static [&'static str])> {
    let command = Cli::command();
    let run = command.find_subcommand("run").into_iter();
    let arguments = run.flat_map(clap::Command::get_arguments);
    let of = |arg: &clap::Arg| {
        let name = arg.get_long()?;
        let also = ALSO.iter().find(|(input, _)| *input == name);
        let heading = arg.get_help_heading()?;
        let by_heading = OF_HEADING.iter().find(|(known, _)| *known == heading);
        let (_, targets) = also.or(by_heading)?;
        Some((name.to_owned(), *targets))
    };
    arguments.filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_for_the_targets_that_they_are_listed_under() {
        let all = of_inputs();
        let of = |name: &str| {
            let found = all.iter().find(|(input, _)| input == name);
            found.map(|(_, targets)| *targets)
        };
        assert_eq!(of("cluster-name"), Some(&["kubernetes"][..]));
        assert_eq!(of("instance-type"), Some(&["sagemaker", "azureml"][..]));
        assert_eq!(of("resource-group"), Some(&["kubernetes", "azureml"][..]));
        assert_eq!(of("deploy-timeout"), None);
        assert_eq!(of("train"), None);
        // A heading that nobody uses any more would let everything under its new name pass.
        let command = Cli::command();
        let run = command.find_subcommand("run").unwrap();
        let headings: Vec<_> = run
            .get_arguments()
            .filter_map(clap::Arg::get_help_heading)
            .collect();
        for (heading, _) in OF_HEADING {
            assert!(headings.contains(heading), "{heading}");
        }
        let new = headings.iter().find(|heading| {
            heading.starts_with("Deployment to")
                && !OF_HEADING.iter().any(|(known, _)| known == *heading)
        });
        assert_eq!(new, None);
    }
}
