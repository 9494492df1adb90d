//! The `tls` blocks of an Ingress (SHM-02, SHM-10).

use k8s_openapi::api::networking::v1::IngressTLS;

use super::{Annotated, Block, Tls, aggregate};
use crate::plan::{
    kinds::IngressKind,
    seen::{Object, Pairs},
};

/// An Ingress, in the terms of the planner.
pub fn annotated(ingress: &Object<IngressKind>) -> Annotated {
    let blocks = ingress.spec.tls.as_deref().unwrap_or_default();
    Annotated {
        noun: "ingress",
        may_be_automatic: true,
        meta: ingress.meta.clone(),
        parent: Pairs::default(),
        tls: refuse_duplicates(blocks).map(|()| tls(blocks)),
    }
}

fn tls(blocks: &[IngressTLS]) -> Tls {
    let mut tls = Tls::default();
    for (index, block) in blocks.iter().enumerate() {
        tls.named.push(block.secret_name.clone().unwrap_or_default());
        match read(index, block) {
            Ok(block) => tls.blocks.push(block),
            Err(why) => tls.complaints.push(format!("Skipped a TLS block: {why}")),
        }
    }
    tls
}

/// A Secret in two blocks would need two Certificates with the same name: the whole Ingress is rejected (SHM-10).
///
/// Blocks without a Secret are skipped, each with its own message.
fn refuse_duplicates(blocks: &[IngressTLS]) -> Result<(), String> {
    let name = |tls: &IngressTLS| tls.secret_name.clone().unwrap_or_default();
    let mut wrong = Vec::new();
    for (index, tls) in blocks.iter().enumerate() {
        let places: Vec<usize> = (0..)
            .zip(blocks)
            .filter(|(_, other)| name(other) == name(tls))
            .map(|(at, _)| at)
            .collect();
        if let [first, second, ..] = *places
            && first == index
            && !name(tls).is_empty()
        {
            wrong.push(format!(
                "spec.tls[{first}].secretName: Invalid value: {:?}: this secret name must only appear in a single TLS entry but is also used in spec.tls[{second}].secretName",
                name(tls)
            ));
        }
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(aggregate(wrong))
    }
}

/// The block, or what is missing.
fn read(index: usize, tls: &IngressTLS) -> Result<Block, String> {
    let secret_name = tls.secret_name.clone().unwrap_or_default();
    let hosts = tls.hosts.clone().unwrap_or_default();
    let mut missing = Vec::new();
    if hosts.is_empty() {
        missing.push(format!(
            "spec.tls[{index}].hosts: Required value: list the names of the certificate"
        ));
    }
    if secret_name.is_empty() {
        missing.push(format!(
            "spec.tls[{index}].secretName: Required value: set the name of the Secret for the certificate"
        ));
    }
    if missing.is_empty() {
        Ok(Block {
            secret_name,
            names: hosts,
            routes: None,
        })
    } else {
        Err(aggregate(missing))
    }
}
