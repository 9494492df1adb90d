//! OCSP requests and responses (RFC 6960 section 4).

use aws_lc_rs::digest;
use jiff::Timestamp;

use super::{Status, Subject, is_current, reason};
use crate::pki::{
    Error,
    certificate::{CertificateInfo, is_signed_by, public_key},
    der::{self, Tag, Value},
    key::PublicKey,
    oid, signature,
    usage::Usage,
};

/// The most certificates of responders, and statuses, that are read in a response.
const MOST: usize = 20;

/// A request for the status of one certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OcspRequest {
    id: Vec<u8>,
}

impl OcspRequest {
    /// A request without a nonce: responders answer with responses that they have made before.
    pub fn new(subject: &Subject) -> Self {
        let sha1 = |bytes: &[u8]| der::octet_string(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref());
        // SHA-1 names the issuer here and proves nothing; many responders know no other
        let id = der::sequence(&[
            der::sequence(&[der::oid(oid::SHA1), der::null()]),
            sha1(&subject.issuer_name),
            sha1(subject.issuer_key.bits()),
            der::tlv(Tag::Integer, &subject.certificate.serial),
        ]);
        Self { id }
    }

    /// The DER of the `OCSPRequest`.
    pub fn to_der(&self) -> Vec<u8> {
        let request = der::sequence(&[self.id.as_slice()]);
        let list = der::sequence(&[request]);
        der::sequence(&[der::sequence(&[list])])
    }
}

/// The status of the certificate in a response.
///
/// # Errors
/// [`Error::Certificate`] if the responder refused the request, or its response does not count.
pub fn in_response(now: Timestamp, response: &[u8], subject: &Subject) -> Result<Status, Error> {
    let basic = basic(response)?;
    let damaged = || Error::Certificate("the OCSP response is damaged".into());
    let fields = der::read_all(basic, Tag::Sequence)
        .and_then(|basic| basic.children())
        .ok_or_else(damaged)?;
    let [data, algorithm, bits, rest @ ..] = fields.as_slice() else {
        return Err(damaged());
    };
    let signature = bits.content.get(1..).unwrap_or_default();
    let signed_by = |key: &PublicKey| signature::verify(key, algorithm.raw, data.raw, signature).is_ok();
    if !signed_by(&subject.issuer_key) && !delegated(now, rest.first(), subject).any(|key| signed_by(&key)) {
        return Err(Error::Certificate(
            "the OCSP response is signed neither by the issuer nor by a responder that it has named".into(),
        ));
    }
    let single = single(data, &OcspRequest::new(subject).id).ok_or_else(damaged)?;
    let Some(single) = single else {
        return Err(Error::Certificate(
            "the OCSP response is about another certificate".into(),
        ));
    };
    is_current(now, single.from, single.until)?;
    Ok(single.status)
}

/// The `BasicOCSPResponse` in an `OCSPResponse`.
fn basic(response: &[u8]) -> Result<&[u8], Error> {
    let damaged = || Error::Certificate("the answer is no OCSP response".into());
    let fields = der::read_all(response, Tag::Sequence)
        .and_then(|response| response.children())
        .ok_or_else(damaged)?;
    let status = fields
        .first()
        .filter(|status| status.tag == Tag::Enumerated)
        .ok_or_else(damaged)?;
    let refused = match status.content {
        [0] => None,
        [1] => Some("malformedRequest"),
        [2] => Some("internalError"),
        [3] => Some("tryLater"),
        [5] => Some("sigRequired"),
        [6] => Some("unauthorized"),
        _ => return Err(damaged()),
    };
    if let Some(refused) = refused {
        return Err(Error::Certificate(format!("the OCSP responder answers {refused}")));
    }
    let bytes = fields
        .get(1)
        .filter(|bytes| bytes.tag == der::explicit(0))
        .and_then(|bytes| der::read_all(bytes.content, Tag::Sequence))
        .and_then(|bytes| bytes.children());
    let Some([kind, content]) = bytes.as_deref() else {
        return Err(damaged());
    };
    if der::dotted(kind.content).as_deref() != Some(oid::OCSP_BASIC) || content.tag != Tag::OctetString {
        return Err(Error::Certificate(
            "the OCSP response is of a kind that is not known".into(),
        ));
    }
    Ok(content.content)
}

/// The keys of the attached certificates that the issuer has signed for OCSP (RFC 6960 section 4.2.2.2). There may be several, for
/// example before and after a renewal, and anyone can attach one that is not theirs: only the signature decides.
fn delegated<'a>(
    now: Timestamp,
    certificates: Option<&Value<'a>>,
    subject: &'a Subject,
) -> impl Iterator<Item = PublicKey> + use<'a> {
    let listed = certificates
        .filter(|field| field.tag == der::explicit(0))
        .and_then(|field| der::read_all(field.content, Tag::Sequence))
        .and_then(|list| list.children())
        .unwrap_or_default();
    listed.into_iter().take(MOST).filter_map(move |certificate| {
        let info = CertificateInfo::parse(certificate.raw).ok()?;
        let named = info.issuer == subject.issuer.subject && is_signed_by(certificate.raw, &subject.issuer_key);
        let for_ocsp = info
            .usages
            .as_ref()
            .is_some_and(|usages| usages.contains(Usage::OcspSigning));
        let valid = info.not_before <= now && now <= info.not_after;
        (named && for_ocsp && valid).then(|| public_key(certificate.raw))?
    })
}

struct Single {
    status: Status,
    from: Timestamp,
    until: Option<Timestamp>,
}

/// The `SingleResponse` for a `CertID`: `None` if it is damaged, `Some(None)` if there is none.
#[expect(clippy::option_option, reason = "damaged and absent are two answers")]
fn single(data: &Value<'_>, id: &[u8]) -> Option<Option<Single>> {
    let fields = data.children()?;
    // the version is optional: version, responder, time, responses
    let first = usize::from(fields.first()?.tag == der::explicit(0));
    let responses = fields.get(first + 2)?.children()?;
    for response in responses.iter().take(MOST) {
        let fields = response.children()?;
        let [about, status, from, rest @ ..] = fields.as_slice() else {
            return None;
        };
        if !is_same(about, id)? {
            continue;
        }
        let until = rest.first().filter(|field| field.tag == der::explicit(0));
        return Some(Some(Single {
            status: self::status(status)?,
            from: der::generalized_time(from.raw)?,
            until: match until {
                Some(until) => Some(der::generalized_time(until.content)?),
                None => None,
            },
        }));
    }
    Some(None)
}

/// Whether a `CertID` is the one of the request. The parameters of the hash algorithm may be absent.
fn is_same(about: &Value<'_>, id: &[u8]) -> Option<bool> {
    let asked = der::read_all(id, Tag::Sequence)?.children()?;
    let found = about.children()?;
    let hash = |fields: &[Value<'_>]| der::dotted(fields.first()?.children()?.first()?.content);
    let rest = |fields: &[Value<'_>]| {
        fields
            .get(1..)
            .map(|rest| rest.iter().map(|field| field.raw.to_vec()).collect::<Vec<_>>())
    };
    Some(hash(&asked)? == hash(&found)? && rest(&asked)? == rest(&found)?)
}

fn status(status: &Value<'_>) -> Option<Status> {
    if status.tag == der::implicit(0) {
        return Some(Status::Good);
    }
    if status.tag == der::implicit(2) {
        return Some(Status::Unknown);
    }
    if status.tag != der::explicit(1) {
        return None;
    }
    let fields = status.children()?;
    let code = fields
        .get(1)
        .filter(|field| field.tag == der::explicit(0))
        .and_then(|field| der::read_all(field.content, Tag::Enumerated))
        .and_then(|code| code.content.last().copied());
    Some(Status::Revoked {
        at: der::generalized_time(fields.first()?.raw)?,
        reason: code.and_then(reason),
    })
}
