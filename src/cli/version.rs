//! `certlet version`: the versions of this program, of the API server, and of the controllers in the cluster.

use std::process::ExitCode;

use serde::Serialize;

use super::{
    format::{Format, rows},
    target::{Connected, Target, block_on, failed},
};
use crate::{
    cluster::{
        commands::installed::{Controllers, Installed, controllers},
        reader::Reader,
    },
    net::headers::date,
    process::{COMMIT, clock, environment::platform},
};

/// Show the versions of this program, of Kubernetes, and of the controller
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "Examples:
  certlet version
  certlet version --client -o json")]
pub(super) struct VersionArgs {
    /// Only the version of this program, without a cluster
    #[arg(long)]
    client: bool,
    /// Output format
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
    #[command(flatten)]
    target: Target,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Versions {
    client_version: ClientVersion,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_version: Option<ServerVersion>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct ClientVersion {
    version: &'static str,
    /// The commit of the sources; absent in a build that was not given one.
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<&'static str>,
    platform: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct ServerVersion {
    kubernetes: String,
    controllers: Vec<Installed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease: Option<Lease>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Lease {
    namespace: String,
    holder: String,
}

/// Runs the command.
pub(super) fn run(args: &VersionArgs) -> ExitCode {
    block_on(version(args))
}

async fn version(args: &VersionArgs) -> Result<(), String> {
    let mut versions = Versions {
        client_version: ClientVersion {
            version: env!("CARGO_PKG_VERSION"),
            commit: COMMIT,
            platform: platform(),
        },
        server_version: None,
    };
    let mut unseen = Vec::new();
    let mut unreachable = None;
    if !args.client {
        match server(&args.target).await {
            Ok((server, not_seen)) => {
                versions.server_version = Some(server);
                unseen = not_seen;
            }
            // the version of this program is an answer, too
            Err(error) => unreachable = Some(error),
        }
    }
    super::print_as(args.output, &versions, Versions::text)?;
    for sentence in unseen {
        super::remark(&sentence);
    }
    unreachable.map_or(Ok(()), Err)
}

async fn server(target: &Target) -> Result<(ServerVersion, Vec<String>), String> {
    let Connected { client, namespace, .. } = target.connect_to_read().await?;
    let info = client
        .apiserver_version()
        .await
        .map_err(|error| failed("cannot read the version of Kubernetes", &error))?;
    // Leases are compared with the API server's clock
    let headers = Reader::new(client.clone()).server_version().await.ok();
    let now = headers
        .and_then(|(_, headers)| date(&headers))
        .unwrap_or_else(clock::now);
    let Controllers {
        installed,
        holder,
        unseen,
    } = controllers(&client, &namespace, now)
        .await
        .map_err(|error| failed("cannot read the controllers", &error))?;
    let server = ServerVersion {
        kubernetes: info.git_version,
        controllers: installed,
        lease: holder.map(|(namespace, holder)| Lease { namespace, holder }),
    };
    Ok((server, unseen))
}

impl Versions {
    fn text(&self) -> String {
        let ClientVersion {
            version,
            commit,
            platform,
        } = &self.client_version;
        let commit = commit.map(|commit| format!(", commit {commit}")).unwrap_or_default();
        let mut lines = vec![("Client", format!("certlet {version}{commit}, {platform}"))];
        if let Some(server) = &self.server_version {
            lines.push(("Kubernetes", server.kubernetes.clone()));
            for one in &server.controllers {
                lines.push(("Controller", controller(one)));
                lines.push(("Feature gates", one.feature_gates.join(", ")));
            }
            if server.controllers.is_empty() {
                lines.push((
                    "Controller",
                    "no Deployment of certlet or cert-manager was found".to_owned(),
                ));
            }
            if let Some(Lease { namespace, holder }) = &server.lease {
                lines.push(("Lease", format!("{holder}, in namespace {namespace}")));
            }
        }
        rows(&lines)
    }
}

fn controller(one: &Installed) -> String {
    let version = one.version.as_deref().unwrap_or("of an unknown version");
    let leads = if one.leads { ", holds the Lease" } else { "" };
    format!(
        "{version}, Deployment {}/{}, {} of {} replicas ready{leads}",
        one.namespace, one.deployment, one.ready_replicas, one.replicas
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_names_client_server_and_the_controller_that_leads() {
        let versions = Versions {
            client_version: ClientVersion {
                version: "1.2.3",
                commit: Some("abc"),
                platform: "linux/x86_64".to_owned(),
            },
            server_version: Some(ServerVersion {
                kubernetes: "v1.36.1".to_owned(),
                controllers: vec![Installed {
                    namespace: "cert-manager".to_owned(),
                    deployment: "certlet".to_owned(),
                    version: Some("1.2.0".to_owned()),
                    feature_gates: vec!["A=true".to_owned()],
                    replicas: 2,
                    ready_replicas: 2,
                    leads: true,
                    ..Installed::default()
                }],
                lease: None,
            }),
        };
        assert_eq!(
            versions.text(),
            "Client         certlet 1.2.3, commit abc, linux/x86_64\n\
             Kubernetes     v1.36.1\n\
             Controller     1.2.0, Deployment cert-manager/certlet, 2 of 2 replicas ready, holds the Lease\n\
             Feature gates  A=true\n"
        );
    }
}
