//! The annotations of a Certificate that name its fallback issuers (ANO-16).

use jiff::SignedDuration;

use crate::{
    api::{GoDuration, IssuerRef, names::annotation},
    plan::{
        issuer::IssuerId,
        kinds::CertificateKind,
        object_name,
        seen::{Object, Pairs},
    },
    text::excerpt,
};

/// Maximum number of fallback issuers.
const MOST_ISSUERS: usize = 5;
/// Maximum length of an annotation in bytes: five names with their kinds.
const LONGEST: usize = 2048;
/// How long an outage lasts before a fallback issuer is asked, by default.
const DEFAULT_AFTER: SignedDuration = SignedDuration::from_hours(6);
/// Bounds of that time. A shorter outage is a restart of the server.
const AFTER: (SignedDuration, SignedDuration) = (SignedDuration::from_secs(10), SignedDuration::from_hours(2160));

/// The fallback issuers of a Certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FallbackPolicy {
    /// The issuers, in the order in which they are asked.
    pub issuers: Vec<IssuerRef>,
    /// How long an outage of the issuer of the spec lasts before the first of them is asked.
    pub after: SignedDuration,
    /// The issuer of the spec, as [`annotation::FALLBACK_FOR`] has it.
    pub primary: String,
}

impl FallbackPolicy {
    /// The policy of a Certificate; `None` without the annotation.
    ///
    /// # Errors
    /// Why the annotations cannot be used, as a sentence.
    pub fn of(certificate: &Object<CertificateKind>) -> Result<Option<Self>, String> {
        let annotations = &certificate.meta.annotations;
        let Some(list) = annotations.get(annotation::FALLBACK_ISSUERS) else {
            return Ok(None);
        };
        let primary = &certificate.spec.issuer_ref;
        if IssuerId::of(primary, certificate.meta.namespace()).is_none() {
            return Err(format!(
                "{} has no effect: the issuer of the Certificate belongs to another controller, which reports no outages",
                annotation::FALLBACK_ISSUERS
            ));
        }
        let after = annotations.get(annotation::FALLBACK_AFTER);
        Ok(Some(Self {
            issuers: issuers(list, primary)
                .map_err(|why| format!("{} cannot be used: {why}", annotation::FALLBACK_ISSUERS))?,
            after: after
                .map_or(Ok(DEFAULT_AFTER), duration)
                .map_err(|why| format!("{} cannot be used: {why}", annotation::FALLBACK_AFTER))?,
            primary: reference(primary),
        }))
    }

    /// The place in the list of the issuer of a request or a Secret with these annotations, if it was asked in place of the issuer of
    /// the spec.
    pub(super) fn explained_place(&self, issuer: &IssuerRef, annotations: &Pairs) -> Option<usize> {
        let stands_in = annotations.get(annotation::FALLBACK_FOR) == Some(self.primary.as_str());
        let place = || self.issuers.iter().position(|listed| listed.means_same(issuer));
        stands_in.then(place).flatten()
    }

    /// Whether a request or a Secret with these annotations is the work of a fallback issuer of this policy.
    pub fn explains(&self, issuer: &IssuerRef, annotations: &Pairs) -> bool {
        self.explained_place(issuer, annotations).is_some()
    }
}

/// The value of [`annotation::FALLBACK_FOR`] for an issuer of this API.
fn reference(issuer: &IssuerRef) -> String {
    format!("{}/{}", issuer.kind_or_default(), issuer.name)
}

fn issuers(list: &str, primary: &IssuerRef) -> Result<Vec<IssuerRef>, String> {
    if list.len() > LONGEST {
        return Err(format!("it has {} bytes, more than {LONGEST}", list.len()));
    }
    let entries: Vec<&str> = list.split(',').map(str::trim).collect();
    if entries.len() > MOST_ISSUERS {
        return Err(format!("it has {} entries, more than {MOST_ISSUERS}", entries.len()));
    }
    let mut found: Vec<IssuerRef> = Vec::new();
    for entry in entries {
        let (kind, name) = match entry.split_once('/') {
            Some((kind, name)) => (Some(kind.to_owned()), name),
            None => (primary.kind.clone(), entry),
        };
        let issuer = IssuerRef {
            name: name.to_owned(),
            kind,
            group: primary.group.clone(),
        };
        if IssuerId::of(&issuer, "").is_none() || !object_name::is_name(name) {
            return Err(format!(
                "{:?} is neither the name of an issuer nor Issuer/<name> or ClusterIssuer/<name>",
                excerpt(entry)
            ));
        }
        if issuer.means_same(primary) {
            return Err(format!("{entry:?} is the issuer of the Certificate itself"));
        }
        if found.iter().any(|listed| listed.means_same(&issuer)) {
            return Err(format!("{entry:?} is listed twice"));
        }
        found.push(issuer);
    }
    Ok(found)
}

fn duration(text: &str) -> Result<SignedDuration, String> {
    let (least, most) = AFTER;
    let parsed = Some(text).filter(|text| text.len() <= LONGEST);
    let parsed = parsed.and_then(|text| text.trim().parse::<GoDuration>().ok());
    parsed
        .map(SignedDuration::from)
        .filter(|after| (least..=most).contains(after))
        .ok_or_else(|| format!("{:?} is not a duration between 10s and 2160h", excerpt(text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::{CertificateSpec, CertificateStatus},
        plan::seen::Meta,
    };

    fn policy(issuer: &str, annotations: &[(&str, &str)]) -> Result<Option<FallbackPolicy>, String> {
        let json = format!(r#"{{"secretName":"web-tls","issuerRef":{issuer}}}"#);
        let spec: CertificateSpec = serde_json::from_str(&json).unwrap();
        FallbackPolicy::of(&Object {
            meta: Meta {
                annotations: annotations.iter().copied().collect(),
                ..Meta::default()
            },
            spec,
            status: CertificateStatus::default(),
        })
    }

    fn of(list: &str) -> Result<Option<FallbackPolicy>, String> {
        policy(
            r#"{"name":"letsencrypt","kind":"ClusterIssuer"}"#,
            &[("certlet.io/fallback-issuers", list)],
        )
    }

    fn issuer(kind: &str, name: &str) -> IssuerRef {
        IssuerRef {
            name: name.to_owned(),
            kind: Some(kind.to_owned()),
            group: None,
        }
    }

    #[test]
    fn names_have_the_kind_of_the_issuer_or_their_own() {
        let policy = of("zerossl, Issuer/internal,ClusterIssuer/last").unwrap().unwrap();
        assert_eq!(
            policy.issuers,
            [
                issuer("ClusterIssuer", "zerossl"),
                issuer("Issuer", "internal"),
                issuer("ClusterIssuer", "last")
            ]
        );
        assert_eq!(
            (policy.after, policy.primary.as_str()),
            (DEFAULT_AFTER, "ClusterIssuer/letsencrypt")
        );
        assert_eq!(policy_without(), Ok(None));
    }

    fn policy_without() -> Result<Option<FallbackPolicy>, String> {
        policy(r#"{"name":"ca"}"#, &[("certlet.io/fallback-after", "1m")])
    }

    #[test]
    fn what_cannot_be_used_is_a_sentence_and_no_fallback() {
        let long = "a".repeat(3000);
        for (list, words) in [
            ("", "\"\" is neither"),
            ("a,", "\"\" is neither"),
            ("a,b,c,d,e,f", "6 entries, more than 5"),
            ("Secret/a", "\"Secret/a\" is neither"),
            ("Issuer/a/b", "is neither"),
            ("A", "is neither"),
            ("../a", "is neither"),
            ("a,a", "\"a\" is listed twice"),
            ("a,ClusterIssuer/a", "\"ClusterIssuer/a\" is listed twice"),
            ("letsencrypt", "is the issuer of the Certificate itself"),
            (long.as_str(), "3000 bytes, more than 2048"),
        ] {
            let why = of(list).unwrap_err();
            assert!(why.contains(words), "{list:?}: {why}");
            assert!(why.starts_with("certlet.io/fallback-issuers cannot be used: "), "{why}");
        }
        for after in ["", "6", "9s", "-6h", "2161h", long.as_str()] {
            let annotations = [
                ("certlet.io/fallback-issuers", "b"),
                ("certlet.io/fallback-after", after),
            ];
            let why = policy(r#"{"name":"a"}"#, &annotations).unwrap_err();
            assert!(
                why.contains("is not a duration between 10s and 2160h"),
                "{after}: {why}"
            );
            assert!(why.len() < 500, "{why}");
        }
        let external = r#"{"name":"a","kind":"Other","group":"other.example"}"#;
        let why = policy(external, &[("certlet.io/fallback-issuers", "b")]).unwrap_err();
        assert!(why.contains("belongs to another controller"), "{why}");
    }

    #[test]
    fn only_a_listed_issuer_that_was_asked_in_place_of_the_primary_is_explained() {
        let policy = of("zerossl").unwrap().unwrap();
        let zerossl = issuer("ClusterIssuer", "zerossl");
        let annotated = |primary: &str| Pairs::from_iter([(annotation::FALLBACK_FOR, primary)]);
        assert!(policy.explains(&zerossl, &annotated("ClusterIssuer/letsencrypt")));
        assert!(!policy.explains(&zerossl, &annotated("ClusterIssuer/other")));
        assert!(!policy.explains(&zerossl, &Pairs::default()));
        assert!(!policy.explains(&issuer("Issuer", "zerossl"), &annotated("ClusterIssuer/letsencrypt")));
    }
}
