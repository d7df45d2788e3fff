//! Kubernetes access: kubeconfig, rights, objects, requests through the API server. It names kube and knows no stage.

mod backend;
mod bearer;
mod cloud;
mod connect;
mod kubeconfig;
mod live;
mod private;
mod proxy;
mod rights;
mod together;
mod way;
mod workload;

pub(crate) use connect::{Cluster, transport};
pub(crate) use live::{Serving, Standing, all_standing, each_pod, serving, standing, written};
pub(crate) use proxy::{Backend, Request, http};
pub(crate) use rights::{Right, account, denied, rules};
pub(crate) use together::together;
pub(crate) use workload::{is_ready, kind_of, name_of, newest_pods, text, uid_of};
