//! `certlet check --probe-ingress`: whether certlet is reached through each ingress controller, as a CA reaches it. For each
//! IngressClass a temporary Ingress, Service and EndpointSlice lead a host that exists nowhere else to certlet's responder.

use std::{collections::BTreeMap, net::IpAddr, str::FromStr, sync::Arc, time::Duration};

use futures::{StreamExt as _, future::join_all, stream};
use http::{HeaderMap, HeaderValue, Method, header};
use k8s_openapi::api::{core::v1::Service, discovery::v1::EndpointSlice, networking::v1::Ingress};
use reqwest::Url;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::finding::Finding;
use crate::{
    api::names::{ACME_SERVICE, SOLVER_PORT},
    cluster::{self, reader::Reader},
    net::{AddressPolicy, ClientSettings, HttpClient, Request, Trust, Unobserved},
    plan::seen::ObjectKey,
    solver::classes::class_of,
    text,
};

const CHECK: &str = "ingress";
/// How long an ingress controller may take until it routes the host.
const ROUTED_WITHIN: Duration = Duration::from_secs(60);
/// Interval of requests.
const AGAIN: Duration = Duration::from_millis(500);
/// Time limit of one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// The most IngressClasses that are probed.
const MOST_CLASSES: usize = 50;
/// Size limit of an answer.
const MOST_BYTES: usize = 64 * 1024;

/// `[CLASS=]ADDRESS`: where the ingress controller of a class, or of all, is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct At {
    class: Option<String>,
    address: String,
}

impl FromStr for At {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (class, address) = match text.split_once('=') {
            Some((class, address)) => (Some(class.to_owned()), address),
            None => (None, text),
        };
        if address.is_empty() && text.is_empty() {
            return Ok(Self {
                class: None,
                address: String::new(),
            });
        }
        url(address).map(|_| Self {
            class,
            address: address.to_owned(),
        })
    }
}

/// The URL of an address: a name or IP address, with a port if it is not 80.
fn url(address: &str) -> Result<Url, String> {
    let host = match address.parse::<IpAddr>() {
        Ok(IpAddr::V6(address)) => format!("[{address}]"),
        Ok(IpAddr::V4(_)) | Err(_) => address.to_owned(),
    };
    let wrong = || format!("{address:?} is no address: give a name or an IP address, with a port if it is not 80");
    let url = Url::parse(&format!("http://{host}/")).map_err(|_| wrong())?;
    let is_host = url.path() == "/" && url.query().is_none() && url.username().is_empty() && url.host_str().is_some();
    if is_host { Ok(url) } else { Err(wrong()) }
}

/// What is probed.
#[derive(Clone, Debug)]
pub(super) struct Probed<'a> {
    /// The namespace of certlet, where the temporary objects are.
    pub namespace: &'a str,
    /// `--acme-http01-advertise-address`; empty for the endpoints of certlet's Service.
    pub advertised: &'a [IpAddr],
    /// The port of the responder.
    pub port: u16,
    /// Where ingress controllers are reached; those of other classes write it into the Ingress.
    pub at: &'a [At],
}

/// What the probe of a class has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    /// certlet answered at this address.
    Answered(String),
    /// The controller wrote no address into the Ingress.
    NoAddress,
    /// Another status than certlet's, or a failure, at this address.
    Other(String, String),
    /// The objects could not be created.
    NotCreated(String),
}

/// The name of a class, and the name of its temporary objects.
#[derive(Clone, Debug)]
struct Place {
    class: String,
    controller: String,
    key: ObjectKey,
}

/// Probes every IngressClass. What was created is deleted, whatever happens, also if `interrupted` is ready: then only what could not be
/// deleted is a finding.
pub(super) async fn probe(reader: &Reader, probed: &Probed<'_>, interrupted: impl Future<Output = ()>) -> Vec<Finding> {
    let addresses = match addresses(reader, probed).await {
        Ok(addresses) if addresses.is_empty() => {
            let message = format!(
                "Service {}/{ACME_SERVICE} has no ready endpoints: the responder cannot be reached",
                probed.namespace
            );
            return vec![Finding::failure(
                CHECK,
                message,
                "Start certlet, or see the check `lease`",
            )];
        }
        Ok(addresses) => addresses,
        Err(error) => return vec![Finding::unknown(CHECK, &error)],
    };
    let classes = match reader.ingress_classes().await {
        Ok(classes) => classes,
        Err(error) => return vec![Finding::unknown(CHECK, &error)],
    };
    if classes.is_empty() {
        return vec![Finding::warning(CHECK, "there is no IngressClass to probe", "")];
    }
    let left_out = left_out(classes.len());
    let number = fastrand::u32(..);
    let place = |(index, (class, controller)): (usize, (String, String))| Place {
        class,
        controller,
        key: ObjectKey::new(probed.namespace, format!("certlet-check-{number:08x}-{index}")),
    };
    let places: Vec<Place> = classes.into_iter().take(MOST_CLASSES).enumerate().map(place).collect();
    let outcomes = {
        let all = join_all(places.iter().map(|place| of_class(reader, probed, &addresses, place)));
        tokio::select! {
            outcomes = all => outcomes,
            () = interrupted => Vec::new(),
        }
    };
    let mut findings: Vec<Finding> = places
        .iter()
        .zip(outcomes)
        .map(|(place, outcome)| verdict(&place.class, &outcome))
        .collect();
    findings.extend(left_out);
    findings.extend(clean_up(reader, &places).await);
    findings
}

/// What is found about classes beyond the limit.
fn left_out(classes: usize) -> Option<Finding> {
    let more = classes.checked_sub(MOST_CLASSES).filter(|more| *more > 0)?;
    let message = format!("{more} of {classes} IngressClasses were not probed: the limit is {MOST_CLASSES}");
    Some(Finding::warning(CHECK, message, ""))
}

/// The addresses of the responder: those of the flag, else the ready endpoints of certlet's Service.
async fn addresses(reader: &Reader, probed: &Probed<'_>) -> Result<Vec<IpAddr>, cluster::Error> {
    if !probed.advertised.is_empty() {
        return Ok(probed.advertised.to_vec());
    }
    let labels = format!("kubernetes.io/service-name={ACME_SERVICE}");
    let slices = reader.list::<EndpointSlice>(Some(probed.namespace), &labels).await?;
    let endpoints = slices.iter().flat_map(|slice| &slice.endpoints);
    let ready = endpoints.filter(|endpoint| {
        let conditions = endpoint.conditions.as_ref();
        conditions.and_then(|conditions| conditions.ready) != Some(false)
    });
    let addresses = ready.flat_map(|endpoint| endpoint.addresses.iter().filter_map(|address| address.parse().ok()));
    Ok(addresses.collect())
}

async fn of_class(reader: &Reader, probed: &Probed<'_>, addresses: &[IpAddr], place: &Place) -> Outcome {
    if let Err(error) = create(reader, probed, addresses, place).await {
        return Outcome::NotCreated(error);
    }
    let host = host(place);
    let until = Instant::now() + ROUTED_WITHIN;
    let given = probed.at.iter().filter(|at| !at.address.is_empty());
    let given = given.filter(|at| at.class.as_ref().is_none_or(|class| *class == place.class));
    // an address for the class is better than one for all
    let given = given.max_by_key(|at| at.class.is_some()).map(|at| at.address.clone());
    let mut last = Outcome::NoAddress;
    loop {
        let address = match &given {
            Some(address) => Some(address.clone()),
            None => reader.ingress_address(&place.key).await.ok().flatten(),
        };
        if let Some(address) = address {
            last = match ask(&address, &host).await {
                Ok(()) => return Outcome::Answered(address),
                Err(why) => Outcome::Other(address, why),
            };
        }
        if Instant::now() + AGAIN > until {
            return last;
        }
        sleep(AGAIN).await;
    }
}

fn host(place: &Place) -> String {
    format!("{}.invalid", place.key.name)
}

/// Whether certlet answers for the host at the address. Its responder answers `/` with an empty 200; ingress controllers answer 404 for a
/// host that they do not know.
async fn ask(address: &str, host: &str) -> Result<(), String> {
    let settings = ClientSettings {
        connect_timeout: REQUEST_TIMEOUT,
        request_timeout: REQUEST_TIMEOUT,
        addresses: AddressPolicy::everything(),
        ..ClientSettings::default()
    };
    let http =
        HttpClient::new(&Trust::default(), &settings, Arc::new(Unobserved)).map_err(|error| error.to_string())?;
    let host = HeaderValue::from_str(host).map_err(|error| error.to_string())?;
    let url = url(address)?;
    let request = Request {
        purpose: "check",
        method: Method::GET,
        url: &url,
        headers: HeaderMap::from_iter([(header::HOST, host)]),
        body: None,
        limit: MOST_BYTES,
    };
    let answer = http.send(request).await.map_err(|failure| failure.to_string())?;
    match (answer.status.as_u16(), answer.body.is_empty()) {
        (200, true) => Ok(()),
        (200, false) => Err("answered with a page that is not certlet's".to_owned()),
        (status, _) => Err(format!("answered with status {status}")),
    }
}

async fn create(reader: &Reader, probed: &Probed<'_>, addresses: &[IpAddr], place: &Place) -> Result<(), String> {
    let Place { class, controller, key } = place;
    let wants = class_of(Some(controller), Some(class));
    let annotations: BTreeMap<&str, &str> = wants.annotations.iter().copied().collect();
    let metadata = json!({"name": &*key.name, "namespace": &*key.namespace, "annotations": annotations,
        "labels": {"app.kubernetes.io/name": "certlet-check"}});
    let service = json!({"metadata": metadata, "spec": {
        "type": if wants.needs_node_port { "NodePort" } else { "ClusterIP" },
        "ports": [{"name": "http", "port": SOLVER_PORT, "targetPort": SOLVER_PORT}],
    }});
    let family = if addresses.iter().all(IpAddr::is_ipv6) {
        "IPv6"
    } else {
        "IPv4"
    };
    let of_family = addresses
        .iter()
        .filter(|address| address.is_ipv6() == (family == "IPv6"));
    let endpoints: Vec<_> = of_family
        .map(|address| json!({"addresses": [address], "conditions": {"ready": true}}))
        .collect();
    let mut slice = json!({"metadata": metadata, "addressType": family, "endpoints": endpoints,
        "ports": [{"name": "http", "port": probed.port, "protocol": "TCP"}]});
    if let Some(labels) = slice
        .pointer_mut("/metadata/labels")
        .and_then(serde_json::Value::as_object_mut)
    {
        labels.insert("kubernetes.io/service-name".to_owned(), json!(&*key.name));
        labels.insert(
            "endpointslice.kubernetes.io/managed-by".to_owned(),
            json!("certlet-check"),
        );
    }
    let backend = json!({"service": {"name": &*key.name, "port": {"number": SOLVER_PORT}}});
    let ingress = json!({"metadata": metadata, "spec": {"ingressClassName": class, "rules": [{"host": host(place),
        "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}]}});
    let failed = |error: &dyn std::fmt::Display| error.to_string();
    let service: Service = serde_json::from_value(service).map_err(|error| failed(&error))?;
    let slice: EndpointSlice = serde_json::from_value(slice).map_err(|error| failed(&error))?;
    let ingress: Ingress = serde_json::from_value(ingress).map_err(|error| failed(&error))?;
    let created = reader.create_temporary(key, &service).await;
    created.map_err(|error| failed(&error))?;
    let created = reader.create_temporary(key, &slice).await;
    created.map_err(|error| failed(&error))?;
    let created = reader.create_temporary(key, &ingress).await;
    created.map_err(|error| failed(&error))
}

/// Deletes the objects of all places, whether or not they were created.
async fn clean_up(reader: &Reader, places: &[Place]) -> Vec<Finding> {
    let deleted = places.iter().map(async |place| {
        let key = &place.key;
        let results = [
            reader.delete_temporary::<Ingress>(key).await,
            reader.delete_temporary::<EndpointSlice>(key).await,
            reader.delete_temporary::<Service>(key).await,
        ];
        let failed = results.into_iter().find_map(Result::err)?;
        let action = format!(
            "Delete them: kubectl -n {} delete ingress,service,endpointslice {}",
            key.namespace, key.name
        );
        Some(Finding::warning(
            CHECK,
            format!("temporary objects may be left: {failed}"),
            action,
        ))
    });
    let deleted: Vec<Option<Finding>> = stream::iter(deleted).buffered(MOST_CLASSES).collect().await;
    deleted.into_iter().flatten().collect()
}

fn verdict(class: &str, outcome: &Outcome) -> Finding {
    let class = text::excerpt(class);
    match outcome {
        Outcome::Answered(address) => Finding::ok(
            CHECK,
            format!("certlet is reached through IngressClass {class} at {address}"),
        ),
        Outcome::NoAddress => Finding::warning(
            CHECK,
            format!(
                "the controller of IngressClass {class} has not written its address into the Ingress within {} s",
                ROUTED_WITHIN.as_secs()
            ),
            format!("If it runs, name its address: --probe-ingress={class}=ADDRESS"),
        ),
        Outcome::Other(address, why) => Finding::failure(
            CHECK,
            format!("certlet is not reached through IngressClass {class} at {address}: {why}"),
            format!(
                "Check that its controller may reach port {SOLVER_PORT} of certlet's pods (NetworkPolicy), and serves the namespace of certlet"
            ),
        ),
        Outcome::NotCreated(why) => Finding::warning(CHECK, format!("IngressClass {class} was not probed: {why}"), ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::finding::Verdict;

    #[test]
    fn addresses_are_for_one_class_or_for_all_and_nothing_else_is_taken() {
        let at = |text: &str| text.parse::<At>().map(|at| (at.class, at.address));
        assert_eq!(at("10.0.0.1"), Ok((None, "10.0.0.1".into())));
        assert_eq!(
            at("nginx=lb.example:8080"),
            Ok((Some("nginx".into()), "lb.example:8080".into()))
        );
        assert_eq!(at("fd00::1"), Ok((None, "fd00::1".into())));
        for wrong in ["nginx=", "a/b", "user@host", "a b"] {
            assert!(at(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn classes_beyond_the_limit_are_counted() {
        assert_eq!(left_out(MOST_CLASSES), None);
        assert!(left_out(MOST_CLASSES + 2).unwrap().message.starts_with("2 of 52"));
    }

    #[test]
    fn only_an_answer_that_is_not_certlets_is_a_failure() {
        let of = |outcome| verdict("nginx", &outcome).verdict;
        assert_eq!(of(Outcome::Answered("10.0.0.1".into())), Verdict::Ok);
        assert_eq!(
            of(Outcome::Other("10.0.0.1".into(), "answered with status 404".into())),
            Verdict::Failure
        );
        assert_eq!(of(Outcome::NoAddress), Verdict::Warning);
        assert_eq!(of(Outcome::NotCreated("forbidden".into())), Verdict::Warning);
    }
}
