//! Integration tests: one binary, so that it links once. Each module drives the real program through its real contract.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on must fail where it stands"
)]

mod access;
mod act;
mod architecture;
mod aws;
mod aws_cluster;
mod aws_identity;
mod azure;
mod azure_clusters;
mod azure_registries;
mod azureml;
mod azureml_fails;
mod background;
mod bad_input;
mod bearer;
mod blue_green;
mod browser;
mod cancel;
mod chain;
mod champion;
mod cluster;
mod contract;
mod deploy;
mod diagnose;
mod documents;
mod e2e;
mod early;
mod endpoints;
mod environment;
mod explain;
mod formats;
mod gate;
mod gates;
mod github;
mod github_deployment;
mod gitlab;
mod google;
mod google_clusters;
mod hostile;
mod image;
mod incidents;
mod init;
mod inputs;
mod jenkins;
mod job_logins;
mod jobs;
mod lab;
mod parity;
mod pasted;
mod planted;
mod predictions;
mod preflight;
mod preflight_live;
mod preflight_together;
mod proof;
mod registries;
mod release;
mod requests;
mod restart;
mod rights;
mod rollback;
mod rollback_refused;
mod rollouts;
mod sagemaker;
mod sagemaker_fails;
mod sagemaker_options;
mod scale;
mod secrecy;
mod servers;
mod shared_configuration;
mod status;
mod strategy;
mod summary;
mod summary_rendered;
mod support;
mod swap;
mod swap_again;
mod terminal;
mod trace;
mod train;
mod workflows;
