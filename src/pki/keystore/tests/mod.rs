//! Keystores, judged by openssl and Java's keytool.

mod reading;
mod writing;

use super::{Contents, Format, Seed};
use crate::pki::chain;
use crate::pki::fixture::{intermediate, key, leaf, root};
use crate::pki::key::KeyAlgorithm::{self, Ecdsa};
use crate::pki::key::PrivateKey;

const SEED: Seed = Seed([7; 32]);

fn now() -> jiff::Timestamp {
    "2026-11-21T10:00:00Z".parse().unwrap()
}

fn jks(alias: &str) -> Format {
    Format::Jks {
        alias: alias.to_owned(),
    }
}

struct Material {
    key: PrivateKey,
    chain_pem: Vec<u8>,
    ca_pem: Vec<u8>,
}

impl Material {
    fn new(algorithm: KeyAlgorithm, size: u32) -> Self {
        let root = root("the root", key(Ecdsa, 256));
        let middle = intermediate("middle", &root, key(Ecdsa, 256));
        let leaf_key = key(algorithm, size);
        let leaf = leaf(&middle, &["a.example"], &leaf_key);
        let chain_pem = chain::to_pem(&[&leaf, &middle.chain[0]]);
        Self {
            key: leaf_key,
            chain_pem,
            ca_pem: chain::to_pem(&root.chain),
        }
    }

    fn contents(&self) -> Contents<'_> {
        Contents {
            key: &self.key,
            chain_pem: &self.chain_pem,
            ca_pem: &self.ca_pem,
        }
    }
}
