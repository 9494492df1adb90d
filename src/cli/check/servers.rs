//! The ACME servers of the issuers: whether they can be reached from here, and what time it is there.

use std::{collections::BTreeMap, sync::Arc};

use futures::{StreamExt as _, stream};
use http::{HeaderMap, Method};
use jiff::{SignedDuration, Timestamp};
use reqwest::Url;

use super::finding::{Finding, names};
use crate::{
    acme::{
        Server,
        transport::{self, Transport, trust},
    },
    api::AcmeIssuer,
    net::{ClientSettings, HttpClient, Request, Trust, Unobserved, headers::date},
    plan::issuer::IssuerId,
    process::clock,
    text,
};

const CHECK: &str = "acme";
const CLOCK: &str = "clock";
/// Servers that are asked at the same time.
const CONCURRENT: usize = 8;
/// The most servers that are asked: anyone who may create an Issuer adds one.
const MOST_SERVERS: usize = 100;
/// Size limit of an answer that is read for its headers.
const MOST_BYTES: usize = 256 * 1024;
/// A smaller skew is not reported: a `Date` has whole seconds, and the answer takes time.
const SMALL_SKEW: SignedDuration = SignedDuration::from_secs(10);
/// A larger one makes certificates invalid at their first use.
const LARGE_SKEW: SignedDuration = SignedDuration::from_mins(5);

/// An ACME server with the issuers that use it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    url: String,
    trust: Trust,
    issuers: Vec<String>,
    /// Whether one of them is a ClusterIssuer.
    of_cluster: bool,
}

/// The answer of a server.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    url: String,
    issuers: Vec<String>,
    /// Nothing if its directory was read, else why not: a sentence.
    failure: Option<String>,
    /// Its clock minus ours.
    skew: Option<SignedDuration>,
}

/// The servers of these issuers, each once for each trust settings. Those of ClusterIssuers are first: tenants who
/// create many Issuers do not displace them.
pub(super) fn places<'a>(issuers: impl Iterator<Item = (IssuerId, &'a AcmeIssuer)>) -> Vec<Place> {
    let mut places: BTreeMap<(String, Option<Vec<u8>>, bool), Place> = BTreeMap::new();
    for (id, spec) in issuers {
        let trust = trust(spec);
        let key = (spec.server.clone(), trust.ca_bundle.clone(), trust.skip_verify);
        let place = places.entry(key).or_insert_with(|| Place {
            url: spec.server.clone(),
            trust,
            issuers: Vec::new(),
            of_cluster: false,
        });
        place.of_cluster |= id.is_cluster();
        place.issuers.push(id.to_string());
    }
    let (first, last): (Vec<_>, Vec<_>) = places.into_values().partition(|place| place.of_cluster);
    first.into_iter().chain(last).collect()
}

/// What is found about servers beyond the limit.
pub(super) fn left_out(places: usize) -> Option<Finding> {
    let more = places.checked_sub(MOST_SERVERS).filter(|more| *more > 0)?;
    let message = format!("{more} of {places} ACME servers were not tried: the limit is {MOST_SERVERS}");
    Some(Finding::warning(CHECK, message, ""))
}

/// Reads the directory of each server.
pub(super) async fn observe(places: Vec<Place>, client: &ClientSettings) -> Vec<Seen> {
    let asked = places.into_iter().take(MOST_SERVERS).map(|place| ask(place, client));
    stream::iter(asked).buffered(CONCURRENT).collect().await
}

async fn ask(place: Place, client: &ClientSettings) -> Seen {
    let Place {
        url,
        trust,
        issuers,
        of_cluster: _,
    } = place;
    let settings = transport::Settings {
        client: client.clone(),
        ..transport::Settings::default()
    };
    let transport = Transport::new(&trust, &settings, Arc::new(Unobserved));
    let failure = match transport.and_then(|transport| Server::new(&url, transport)) {
        Ok(server) => server.directory().await.err(),
        Err(error) => Some(error),
    };
    let skew = if failure.is_none() {
        date_of(&url, &trust, client).await
    } else {
        None
    };
    Seen {
        url,
        issuers,
        failure: failure.map(|error| error.to_string()),
        skew,
    }
}

/// The skew of a server's clock, from the `Date` of its answer.
async fn date_of(url: &str, trust: &Trust, client: &ClientSettings) -> Option<SignedDuration> {
    let http = HttpClient::new(trust, client, Arc::new(Unobserved)).ok()?;
    let url = Url::parse(url).ok()?;
    let request = Request {
        purpose: "check",
        method: Method::GET,
        url: &url,
        headers: HeaderMap::new(),
        body: None,
        limit: MOST_BYTES,
    };
    let answer = http.send(request).await.ok()?;
    skew(clock::now(), &answer.headers)
}

/// The clock of a server minus ours, from the headers of its answer.
pub(super) fn skew(now: Timestamp, headers: &HeaderMap) -> Option<SignedDuration> {
    date(headers).map(|date| date.duration_since(now))
}

/// What the answers show.
pub(super) fn verdict(seen: &[Seen]) -> Vec<Finding> {
    if seen.is_empty() {
        return vec![Finding::ok(CHECK, "no issuer uses an ACME server")];
    }
    let mut findings = Vec::new();
    for one in seen {
        let Seen {
            url,
            issuers,
            failure,
            skew: _,
        } = one;
        let (url, issuers) = (text::excerpt(url), names(issuers));
        findings.push(match failure {
            None => Finding::ok(CHECK, format!("{url} answers ({issuers})")),
            Some(why) => {
                let action = "This was tried from here; to try it from certlet's pod: kubectl -n cert-manager exec deploy/certlet -- certlet check";
                Finding::failure(CHECK, format!("{url} ({issuers}): {why}"), action)
            }
        });
    }
    findings
}

/// What the clocks show: of the API server, and of the ACME servers.
pub(super) fn clocks(api_server: Option<SignedDuration>, seen: &[Seen]) -> Vec<Finding> {
    let api_server = api_server.map(|skew| ("the API server".to_owned(), skew));
    let acme = seen.iter().filter_map(|one| Some((text::excerpt(&one.url), one.skew?)));
    let all: Vec<(String, SignedDuration)> = api_server.into_iter().chain(acme).collect();
    let mut findings: Vec<Finding> = all.iter().filter_map(|(whose, skew)| of_clock(whose, *skew)).collect();
    if findings.is_empty() {
        findings.push(match all.len() {
            0 => Finding::warning(CLOCK, "not checked: no server sent the time", ""),
            _ => Finding::ok(
                CLOCK,
                "the clock here agrees with those of the API server and of the ACME servers",
            ),
        });
    }
    findings
}

fn of_clock(whose: &str, skew: SignedDuration) -> Option<Finding> {
    let size = skew.abs();
    if size < SMALL_SKEW {
        return None;
    }
    let direction = if skew.is_negative() { "behind" } else { "ahead of" };
    let message = format!(
        "the clock of {whose} is {} s {direction} the clock here",
        size.as_secs()
    );
    let action = "Have both machines set their clocks by NTP: certificates are compared with the time of who uses them";
    Some(if size < LARGE_SKEW {
        Finding::warning(CLOCK, message, action)
    } else {
        Finding::failure(CLOCK, message, action)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cli::check::finding::Verdict, plan::seen::ObjectKey};

    fn seen(failure: Option<&str>, skew: Option<i64>) -> Seen {
        Seen {
            url: "https://acme.example/dir".into(),
            issuers: vec!["Issuer shop/acme".into()],
            failure: failure.map(str::to_owned),
            skew: skew.map(SignedDuration::from_secs),
        }
    }

    #[test]
    fn a_server_is_asked_once_for_all_issuers_with_the_same_trust() {
        let plain = AcmeIssuer {
            server: "https://acme.example/dir".into(),
            ..AcmeIssuer::default()
        };
        let other = AcmeIssuer {
            skip_tls_verify: Some(true),
            ..plain.clone()
        };
        let id = |name: &str| IssuerId(ObjectKey::new("shop", name));
        let places = places([(id("a"), &plain), (id("b"), &plain), (id("c"), &other)].into_iter());
        let issuers: Vec<usize> = places.iter().map(|place| place.issuers.len()).collect();
        assert_eq!(issuers, [2, 1]);
    }

    #[test]
    fn servers_of_cluster_issuers_are_first_and_those_beyond_the_limit_are_counted() {
        let at = |server: &str| AcmeIssuer {
            server: server.to_owned(),
            ..AcmeIssuer::default()
        };
        let (early, late) = (at("https://a.example/"), at("https://z.example/"));
        let issuers = [
            (IssuerId(ObjectKey::new("shop", "a")), &early),
            (IssuerId(ObjectKey::cluster("z")), &late),
        ];
        let places = places(issuers.into_iter());
        let urls: Vec<&str> = places.iter().map(|place| place.url.as_str()).collect();
        assert_eq!(urls, ["https://z.example/", "https://a.example/"]);
        assert_eq!(left_out(MOST_SERVERS), None);
        assert!(left_out(MOST_SERVERS + 3).unwrap().message.starts_with("3 of 103"));
    }

    #[test]
    fn a_server_that_does_not_answer_is_a_failure_with_its_issuers() {
        assert_eq!(verdict(&[])[0].verdict, Verdict::Ok);
        assert_eq!(verdict(&[seen(None, None)])[0].verdict, Verdict::Ok);
        let findings = verdict(&[seen(Some("no such host"), None)]);
        assert_eq!(findings[0].verdict, Verdict::Failure);
        assert!(findings[0].message.contains("no such host") && findings[0].message.contains("Issuer shop/acme"));
    }

    #[test]
    fn a_skew_is_a_warning_from_ten_seconds_and_a_failure_from_five_minutes() {
        let of = |skew: i64| clocks(Some(SignedDuration::from_secs(skew)), &[]);
        for (skew, wanted) in [
            (9, Verdict::Ok),
            (-9, Verdict::Ok),
            (10, Verdict::Warning),
            (-299, Verdict::Warning),
            (300, Verdict::Failure),
        ] {
            assert_eq!(of(skew)[0].verdict, wanted, "{skew}");
        }
        assert!(of(-60)[0].message.contains("60 s behind"));
        assert!(
            clocks(None, &[seen(None, Some(60))])[0]
                .message
                .contains("acme.example")
        );
    }
}
