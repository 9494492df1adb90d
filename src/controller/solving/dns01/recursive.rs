//! The recursive name servers that are asked: those of the administrator, or those that a solver names.

use std::{sync::Arc, time::Duration};

use crate::{
    dns::{Nameserver, Recursive, RecursiveServer},
    net::{AddressPolicy, ClientSettings, HttpClient, Trust, Unobserved},
};

/// How long one server may take to answer.
const LIMIT: Duration = Duration::from_secs(3);

/// The servers of the administrator (FLG-19), or those of the system.
///
/// # Errors
/// If a value is no server; the sentence names it.
pub(super) fn of_administrator(values: &[String], addresses: &AddressPolicy) -> Result<Recursive, String> {
    let servers: Result<Vec<_>, _> = values.iter().map(|value| RecursiveServer::parse(value)).collect();
    recursive(servers.map_err(|error| error.to_string())?, addresses)
}

/// The servers that a solver names. A user chose them: the address policy holds.
///
/// # Errors
/// If a value is no server, or one that certlet does not contact.
pub(super) async fn of_solver(values: &[String], addresses: &AddressPolicy) -> Result<Recursive, String> {
    let mut servers = Vec::new();
    for value in values {
        let server = RecursiveServer::parse(value).map_err(|error| error.to_string())?;
        match server {
            RecursiveServer::Plain(server) => {
                let allowed = server.allowed_addresses(addresses, LIMIT).await;
                let allowed = allowed.map_err(|problem| format!("DNS server {server}: {problem}"))?;
                let plain = |address| RecursiveServer::Plain(Nameserver::Address(address));
                servers.extend(allowed.into_iter().map(plain));
            }
            // its client has the policy
            RecursiveServer::Https(_) => servers.push(server),
        }
    }
    recursive(servers, addresses)
}

fn recursive(servers: Vec<RecursiveServer>, addresses: &AddressPolicy) -> Result<Recursive, String> {
    let settings = ClientSettings {
        addresses: addresses.clone(),
        ..ClientSettings::default()
    };
    let https = || HttpClient::new(&Trust::default(), &settings, Arc::new(Unobserved));
    Recursive::new(servers, LIMIT, https).map_err(|error| error.to_string())
}
