//! The order of a bundle's certificates, with a bounded number of signature checks.
//!
//! The author of a Secret chooses names and signatures: a hundred certificates with one name make ten thousand pairs. A
//! pair is only checked if the names match, at most once, and those with matching key identifiers first. There are at
//! most [`MAX_CHECKS`] checks.

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, HashSet},
};

use super::{
    super::{
        Error,
        certificate::{CertificateInfo, is_signed_by, public_key},
        key::PublicKey,
        name::Name,
    },
    MAX_CERTIFICATES,
};

/// The most signature checks for one bundle. A chain of a hundred certificates needs 99.
pub(super) const MAX_CHECKS: usize = 200;

/// Orders certificates from leaf to root. The next certificate's subject is the issuer, and its key made the signature.
/// Duplicates are removed.
///
/// # Errors
/// [`Error::Chain`] if they do not form exactly one chain, or if that would take too many checks;
/// [`Error::Certificate`] if one is damaged.
pub fn order(certificates: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, Error> {
    order_with(certificates, &Checks::default())
}

/// Those of the candidates that signed a chain (leaf first): each signature up to theirs is verified.
pub fn signers(chain: &[Vec<u8>], candidates: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    signers_with(chain, candidates, &Checks::default())
}

/// The index of the first candidate that signed a certificate, within [`MAX_CHECKS`] checks.
pub fn signer_of(certificate: &[u8], candidates: &[Vec<u8>]) -> Option<usize> {
    let (below, checks) = (Link::new(certificate.to_vec()).ok()?, Checks::default());
    let candidates: Vec<(usize, Link)> = candidates
        .iter()
        .enumerate()
        .filter_map(|(place, der)| Some((place, Link::new(der.clone()).ok()?)))
        .filter(|(_, ca)| ca.names(&below))
        .collect();
    let (fitting, others): (Vec<_>, Vec<_>) = candidates.iter().partition(|(_, ca)| ca.key_ids_fit(&below));
    let mut all = fitting.into_iter().chain(others);
    all.find(|(_, ca)| ca.signed(&below, &checks).unwrap_or(false))
        .map(|(place, _)| *place)
}

/// Counts signature checks, and enforces the limit.
#[derive(Default)]
pub(super) struct Checks(Cell<usize>);

impl Checks {
    /// The number of checks.
    #[cfg(test)]
    pub(super) fn made(&self) -> usize {
        self.0.get()
    }

    fn is_signed_by(&self, der: &[u8], key: &PublicKey) -> Result<bool, Error> {
        if self.0.get() >= MAX_CHECKS {
            return Err(Error::Chain(format!(
                "it takes more than {MAX_CHECKS} signature checks to find out how the certificates follow each other: leave out those \
                 that do not belong to the chain"
            )));
        }
        self.0.set(self.0.get() + 1);
        Ok(is_signed_by(der, key))
    }
}

/// As [`order`], and counts the checks.
///
/// # Errors
/// As [`order`].
pub(super) fn order_with(certificates: Vec<Vec<u8>>, checks: &Checks) -> Result<Vec<Vec<u8>>, Error> {
    let links = Links::new(certificates, checks)?;
    let places = match links.follow(KeyIds::Fit) {
        Ok(places) => places,
        // key identifiers only decide which pairs are checked first
        Err(_) => links.follow(KeyIds::Whatever)?,
    };
    let mut links: Vec<Option<Link>> = links.all.into_iter().map(Some).collect();
    let mut take = |place: usize| links.get_mut(place).and_then(Option::take).map(|link| link.der);
    Ok(places.into_iter().filter_map(&mut take).collect())
}

/// As [`signers`], and counts the checks.
pub(super) fn signers_with(chain: &[Vec<u8>], candidates: Vec<Vec<u8>>, checks: &Checks) -> Vec<Vec<u8>> {
    let Ok(ordered) = order_with(chain.to_vec(), checks) else {
        return Vec::new();
    };
    let (Some(last), true) = (ordered.last(), ordered.first() == chain.first()) else {
        return Vec::new();
    };
    let Ok(last) = Link::new(last.clone()) else {
        return Vec::new();
    };
    let signed = |candidate: &Vec<u8>| {
        let candidate = Link::new(candidate.clone());
        candidate.is_ok_and(|ca| ca.der == last.der || (ca.names(&last) && ca.signed(&last, checks).unwrap_or(false)))
    };
    candidates.into_iter().filter(signed).collect()
}

struct Link {
    der: Vec<u8>,
    info: CertificateInfo,
    key: Option<PublicKey>,
}

impl Link {
    fn new(der: Vec<u8>) -> Result<Self, Error> {
        Ok(Self {
            info: CertificateInfo::parse(&der)?,
            key: public_key(&der),
            der,
        })
    }

    /// Whether it may have issued `other`, according to the names.
    fn names(&self, other: &Self) -> bool {
        self.info.subject == other.info.issuer
    }

    /// Whether the key identifiers do not contradict that.
    fn key_ids_fit(&self, other: &Self) -> bool {
        match (&self.info.subject_key_id, &other.info.authority_key_id) {
            (Some(own), Some(named)) => own == named,
            _ => true,
        }
    }

    fn signed(&self, other: &Self, checks: &Checks) -> Result<bool, Error> {
        match &self.key {
            Some(key) => checks.is_signed_by(&other.der, key),
            // The key's algorithm is unknown, so the key identifiers decide.
            None => Ok(self.info.subject_key_id.is_some() && self.info.subject_key_id == other.info.authority_key_id),
        }
    }
}

/// The pairs that are checked.
#[derive(Clone, Copy)]
enum KeyIds {
    Fit,
    Whatever,
}

struct Links<'a> {
    all: Vec<Link>,
    /// The indexes of the certificates with this subject, which may be an issuer.
    by_subject: HashMap<Name, Vec<usize>>,
    /// Verified pairs of issuer and certificate.
    known: RefCell<HashMap<(usize, usize), bool>>,
    checks: &'a Checks,
}

impl<'a> Links<'a> {
    fn new(certificates: Vec<Vec<u8>>, checks: &'a Checks) -> Result<Self, Error> {
        let mut seen = HashSet::new();
        let mut all = Vec::new();
        for der in certificates {
            if seen.insert(der.clone()) {
                all.push(Link::new(der)?);
            }
            if all.len() > MAX_CERTIFICATES {
                return Err(Error::Chain(format!(
                    "the bundle holds more than {MAX_CERTIFICATES} certificates"
                )));
            }
        }
        let mut by_subject: HashMap<Name, Vec<usize>> = HashMap::new();
        for (place, link) in all.iter().enumerate() {
            by_subject.entry(link.info.subject.clone()).or_default().push(place);
        }
        Ok(Self {
            all,
            by_subject,
            known: RefCell::default(),
            checks,
        })
    }

    /// The indexes of all certificates, leaf first.
    fn follow(&self, key_ids: KeyIds) -> Result<Vec<usize>, Error> {
        let mut parents: Vec<Vec<usize>> = Vec::new();
        for (at, link) in self.all.iter().enumerate() {
            let named = self.by_subject.get(&link.info.issuer);
            let mut found = Vec::new();
            for other in named.into_iter().flatten().copied().filter(|other| *other != at) {
                if self.issued(other, at, key_ids)? {
                    found.push(other);
                }
            }
            parents.push(found);
        }
        let mut ordered = Vec::new();
        let mut left: Vec<bool> = vec![true; self.all.len()];
        let mut current = self.leaf(&parents)?;
        while let Some(at) = current {
            ordered.push(at);
            if let Some(left) = left.get_mut(at) {
                *left = false;
            }
            let above = parents.get(at).into_iter().flatten();
            current = above.copied().find(|above| left.get(*above) == Some(&true));
        }
        let stray = left.iter().position(|left| *left).and_then(|at| self.all.get(at));
        match (stray, ordered.last().and_then(|at| self.all.get(*at))) {
            (Some(stray), Some(last)) => Err(Error::Chain(format!(
                "the certificates do not form one chain: nothing leads from {:?} (issued by {:?}) to {:?}",
                last.info.subject.to_string(),
                last.info.issuer.to_string(),
                stray.info.subject.to_string()
            ))),
            _ => Ok(ordered),
        }
    }

    fn issued(&self, above: usize, below: usize, key_ids: KeyIds) -> Result<bool, Error> {
        let (Some(issuer), Some(link)) = (self.all.get(above), self.all.get(below)) else {
            return Ok(false);
        };
        if !issuer.names(link) || (matches!(key_ids, KeyIds::Fit) && !issuer.key_ids_fit(link)) {
            return Ok(false);
        }
        if let Some(known) = self.known.borrow().get(&(above, below)) {
            return Ok(*known);
        }
        let signed = issuer.signed(link, self.checks)?;
        self.known.borrow_mut().insert((above, below), signed);
        Ok(signed)
    }

    /// The only certificate that issued none of the others. If all issued one, as cross-signed CAs do, the first.
    fn leaf(&self, parents: &[Vec<usize>]) -> Result<Option<usize>, Error> {
        let issuers: HashSet<usize> = parents.iter().flatten().copied().collect();
        let mut leaves = self.all.iter().enumerate().filter(|(at, _)| !issuers.contains(at));
        match (leaves.next(), leaves.next()) {
            (Some((_, first)), Some((_, second))) => Err(Error::Chain(format!(
                "the certificates do not form one chain: neither of {:?} and {:?} was issued with the other one's help",
                first.info.subject.to_string(),
                second.info.subject.to_string()
            ))),
            (Some((at, _)), None) => Ok(Some(at)),
            (None, _) => Ok((!self.all.is_empty()).then_some(0)),
        }
    }
}
