//! Packed records: one compressed allocation each, decoded when the record is read.
//!
//! A record as a struct has 30 to 50 small allocations; 10,000 Certificates with their requests and Secrets would take 70 MB.
//! Packed, they take a fifth of that, and decoding one takes a few microseconds. The bytes never leave the process.

use std::{marker::PhantomData, sync::Arc};

use lz4_flex::block::{compress_prepend_size_with_dict, decompress_size_prepended_with_dict};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::plan::{
    namespace::NamespaceSeen,
    route::RouteSeen,
    seen::{Annotated, Kind, Lean, Meta, RequestSeen, SecretSeen},
    signing_request::SigningRequestSeen,
};

/// The dictionary of the compressor: byte sequences that most records contain.
const DICTIONARY: &str = concat!(
    "cert-manager.io/alt-names\u{15}cert-manager.io/certificate-name\u{9}cert-manager.io/common-name\u{e}",
    "cert-manager.io/ip-sans\u{0}cert-manager.io/issuer-group\u{0}cert-manager.io/issuer-kind\u{6}Issuer",
    "cert-manager.io/issuer-name\u{0}cert-manager.io/uri-sans\u{0}cert-manager.io/certificate-revision\u{1}1",
    "cert-manager.io/private-key-secret-name\u{8}controller.cert-manager.io/fao\u{4}true",
    "cert-manager.io/v1\u{b}Certificate\u{12}CertificateRequest\u{d}ClusterIssuer\u{f}cert-manager.io",
    "\u{3}\u{6}ca.crt\u{7}tls.crt\u{7}tls.key\u{11}kubernetes.io/tls",
    "system:serviceaccount:cert-manager:cert-manager\u{11}digital signature\u{10}key encipherment\u{b}server auth",
    r#"{"commonName":"example.com","dnsNames":["www.example.com"],"duration":"2160h0m0s","renewBefore":"720h0m0s","#,
    r#""isCA":false,"usages":["digital signature","key encipherment","server auth","client auth"],"#,
    r#""issuerRef":{"group":"cert-manager.io","kind":"ClusterIssuer","name":"ca"},"#,
    r#""privateKey":{"algorithm":"ECDSA","encoding":"PKCS1","rotationPolicy":"Always","size":256},"secretName":"tls"}"#,
    r#"{"conditions":[{"lastTransitionTime":"2026-11-21T16:11:04Z","message":"#,
    r#""Certificate is up to date and has not expired","observedGeneration":1,"#,
    r#""reason":"Ready","status":"True","type":"Ready"}],"notAfter":"2027-02-19T16:11:04Z","#,
    r#""notBefore":"2026-11-21T16:11:04Z","renewalTime":"2027-01-20T16:11:04Z","revision":1}"#,
    r#"[{"type":"Approved","status":"True","lastTransitionTime":"2026-11-21T16:11:04Z","reason":"cert-manager.io","#,
    r#""message":"Certificate request has been approved by cert-manager.io"},"#,
    r#"{"type":"Ready","status":"True","lastTransitionTime":"2026-11-21T16:11:04Z","reason":"Issued","#,
    r#""message":"Certificate fetched from issuer successfully"}]"#,
);

/// A record that can be encoded to bytes and decoded again.
pub(crate) trait Pack: Sized {
    /// Encodes the record. Succeeds for every value that was read from the API server.
    fn pack(&self) -> Result<Vec<u8>, Unpackable>;

    /// Decodes a record.
    fn unpack(bytes: &[u8]) -> Result<Self, Unpackable>;
}

/// Why a record could not be encoded or decoded. Always a bug.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unpackable {
    /// Error of the binary format.
    #[error("{0}")]
    Binary(#[from] postcard::Error),
    /// Error of the compression.
    #[error("{0}")]
    Compressed(#[from] lz4_flex::block::DecompressError),
    /// Error of a part that is stored as JSON, because its type omits fields that are not set.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
}

/// A packed record.
pub(super) struct Packed<R> {
    bytes: Box<[u8]>,
    record: PhantomData<fn() -> R>,
}

impl<R: Pack> Packed<R> {
    pub(super) fn new(record: &R) -> Result<Self, Unpackable> {
        Ok(Self {
            bytes: compress_prepend_size_with_dict(&record.pack()?, DICTIONARY.as_bytes()).into_boxed_slice(),
            record: PhantomData,
        })
    }

    pub(super) fn open(&self) -> Result<Arc<R>, Unpackable> {
        let bytes = decompress_size_prepended_with_dict(&self.bytes, DICTIONARY.as_bytes())?;
        R::unpack(&bytes).map(Arc::new)
    }
}

fn bytes<T: Serialize>(value: &T) -> Result<Vec<u8>, Unpackable> {
    Ok(postcard::to_allocvec(value)?)
}

fn value<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, Unpackable> {
    Ok(postcard::from_bytes(bytes)?)
}

/// A value whose type omits fields that are not set. Only a self-describing format can store it.
fn json<T: Serialize>(value: &T) -> Result<String, Unpackable> {
    Ok(serde_json::to_string(value)?)
}

fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, Unpackable> {
    Ok(serde_json::from_str(text)?)
}

impl<K: Kind> Pack for Lean<K> {
    fn pack(&self) -> Result<Vec<u8>, Unpackable> {
        let Self {
            meta,
            spec,
            status,
            kind: _,
        } = self;
        bytes(&(meta, spec.get(), status.as_deref().map(RawValue::get)))
    }

    fn unpack(bytes: &[u8]) -> Result<Self, Unpackable> {
        let (meta, spec, status): (Meta, &str, Option<&str>) = value(bytes)?;
        let raw = |text: &str| RawValue::from_string(text.to_owned());
        Ok(Self {
            meta,
            spec: raw(spec)?,
            status: status.map(raw).transpose()?,
            kind: PhantomData,
        })
    }
}

impl<K: Kind> Pack for Annotated<K> {
    fn pack(&self) -> Result<Vec<u8>, Unpackable> {
        let Self { meta, kind: _ } = self;
        bytes(meta)
    }

    fn unpack(bytes: &[u8]) -> Result<Self, Unpackable> {
        Ok(Self {
            meta: value(bytes)?,
            kind: PhantomData,
        })
    }
}

impl Pack for NamespaceSeen {
    fn pack(&self) -> Result<Vec<u8>, Unpackable> {
        let Self { meta } = self;
        bytes(meta)
    }

    fn unpack(bytes: &[u8]) -> Result<Self, Unpackable> {
        Ok(Self { meta: value(bytes)? })
    }
}

impl Pack for RequestSeen {
    fn pack(&self) -> Result<Vec<u8>, Unpackable> {
        let Self {
            meta,
            issuer_ref,
            duration,
            is_ca,
            usages,
            // only a record that is never stored
            of_kubernetes: _,
            username,
            csr,
            csr_pem,
            certificate,
            has_ca,
            conditions,
            failure_time,
        } = self;
        bytes(&(
            (meta, json(issuer_ref)?, duration, is_ca, usages, username),
            (csr, csr_pem, certificate, has_ca, json(conditions)?, failure_time),
        ))
    }

    fn unpack(bytes: &[u8]) -> Result<Self, Unpackable> {
        let (
            (meta, issuer_ref, duration, is_ca, usages, username),
            (csr, csr_pem, certificate, has_ca, conditions, failure_time),
        ) = value(bytes)?;
        let (issuer_ref, conditions): (&str, &str) = (issuer_ref, conditions);
        Ok(Self {
            meta,
            issuer_ref: from_json(issuer_ref)?,
            duration,
            is_ca,
            usages,
            of_kubernetes: false,
            username,
            csr,
            csr_pem,
            certificate,
            has_ca,
            conditions: from_json::<Vec<_>>(conditions)?.into_boxed_slice(),
            failure_time,
        })
    }
}

impl Pack for SecretSeen {
    fn pack(&self) -> Result<Vec<u8>, Unpackable> {
        let Self {
            meta,
            type_,
            data_keys,
            pair,
            wrong_formats,
            managed,
            digest,
        } = self;
        bytes(&(meta, type_, data_keys, pair, wrong_formats, managed, digest))
    }

    fn unpack(bytes: &[u8]) -> Result<Self, Unpackable> {
        let (meta, type_, data_keys, pair, wrong_formats, managed, digest) = value(bytes)?;
        Ok(Self {
            meta,
            type_,
            data_keys,
            pair,
            wrong_formats,
            managed,
            digest,
        })
    }
}

impl Pack for RouteSeen {
    fn pack(&self) -> Result<Vec<u8>, Unpackable> {
        let Self {
            meta,
            parent_refs,
            hostnames,
            parents,
        } = self;
        bytes(&(meta, json(parent_refs)?, hostnames, json(parents)?))
    }

    fn unpack(bytes: &[u8]) -> Result<Self, Unpackable> {
        let (meta, parent_refs, hostnames, parents): (_, &str, _, &str) = value(bytes)?;
        Ok(Self {
            meta,
            parent_refs: from_json(parent_refs)?,
            hostnames,
            parents: from_json(parents)?,
        })
    }
}

impl Pack for SigningRequestSeen {
    fn pack(&self) -> Result<Vec<u8>, Unpackable> {
        let Self {
            meta,
            spec,
            status,
            unreadable,
        } = self;
        bytes(&(meta, json(spec)?, json(status)?, unreadable))
    }

    fn unpack(bytes: &[u8]) -> Result<Self, Unpackable> {
        let (meta, spec, status, unreadable): (_, &str, &str, _) = value(bytes)?;
        Ok(Self {
            meta,
            spec: from_json(spec)?,
            status: from_json(status)?,
            unreadable,
        })
    }
}

#[cfg(test)]
#[path = "packed_tests.rs"]
mod tests;
