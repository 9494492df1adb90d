//! Challenges that share an object.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use super::ChallengePath;

/// Challenges of one Order that share a solver configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Group<C> {
    /// The configuration.
    pub config: C,
    /// The challenges, sorted by host.
    pub paths: Vec<ChallengePath>,
    /// Their Challenge objects.
    pub owners: Vec<OwnerReference>,
}

/// Groups an Order's challenges by solver configuration, in a stable order.
#[must_use]
pub fn group<C: PartialEq>(challenges: Vec<(C, ChallengePath, OwnerReference)>) -> Vec<Group<C>> {
    let mut groups: Vec<Group<C>> = Vec::new();
    for (config, path, owner) in challenges {
        match groups.iter_mut().find(|group| group.config == config) {
            Some(group) => {
                group.paths.push(path);
                group.owners.push(owner);
            }
            None => groups.push(Group {
                config,
                paths: vec![path],
                owners: vec![owner],
            }),
        }
    }
    for group in &mut groups {
        group.paths.sort();
        group.owners.sort_by(|a, b| a.name.cmp(&b.name));
    }
    groups.sort_by(|a, b| a.paths.cmp(&b.paths));
    groups
}
