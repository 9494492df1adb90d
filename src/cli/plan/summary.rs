//! The summary of `certlet plan`: one sentence for people, on standard error.

use std::collections::{BTreeMap, BTreeSet};

use super::Planned;
use crate::cluster::index::Index;

/// What was planned, and for how many objects.
pub(super) fn sentence(planned: &Planned, index: &Index) -> String {
    // the kinds of the Gateway API are named where there are any
    let gateways = [
        (index.gateways.keys().len(), "Gateway"),
        (index.listener_sets.keys().len(), "ListenerSet"),
    ];
    let gateways = gateways.into_iter().filter(|(number, _)| *number > 0);
    let gateways: Vec<String> = gateways.map(|(number, kind)| count(number, kind)).collect();
    let parts = [
        count(index.certificates.keys().len(), "Certificate"),
        count(
            index.issuers.keys().len() + index.cluster_issuers.keys().len(),
            "issuer",
        ),
    ];
    let parts: Vec<String> = parts.into_iter().chain(gateways).collect();
    let read = format!(
        "{} and {}",
        parts.join(", "),
        count(index.ingresses.keys().len(), "Ingress")
    );
    summed_up(planned, &read)
}

fn summed_up(planned: &Planned, read: &str) -> String {
    let Planned { lines, unrenewable } = planned;
    let mut objects: BTreeMap<&str, BTreeSet<(&str, &str)>> = BTreeMap::new();
    for line in lines {
        let of_kind = objects.entry(line.kind).or_default();
        of_kind.insert((&line.namespace, &line.name));
    }
    let planned = if objects.is_empty() {
        format!("nothing to do: {read} are as they have to be")
    } else {
        let kinds = objects.into_iter().map(|(kind, objects)| count(objects.len(), kind));
        let kinds: Vec<String> = kinds.collect();
        format!(
            "{} planned for {} (read: {read})",
            count(lines.len(), "action"),
            kinds.join(", ")
        )
    };
    if unrenewable.is_empty() {
        planned
    } else {
        let certificates = count(unrenewable.len(), "Certificate");
        format!("{planned}; {certificates} cannot be issued again by this version")
    }
}

fn count(number: usize, what: &str) -> String {
    let plural = match (number, what.ends_with('s')) {
        (1, _) => "",
        (_, true) => "es",
        (_, false) => "s",
    };
    format!("{number} {what}{plural}")
}

#[cfg(test)]
mod tests {
    use super::{super::Line, *};
    use crate::plan::seen::ObjectKey;

    #[test]
    fn objects_are_counted_by_kind_and_what_cannot_be_issued_again_too() {
        let read = "12 Certificates, 1 issuer and 3 Ingresses";
        let nothing = Planned::default();
        assert_eq!(
            summed_up(&nothing, read),
            "nothing to do: 12 Certificates, 1 issuer and 3 Ingresses are as they have to be"
        );
        let line = |kind, name: &str| {
            let key = ObjectKey::new("shop", name);
            Line::new(kind, &key, ("act".into(), "of this".into()))
        };
        let planned = Planned {
            lines: vec![
                line("Certificate", "a"),
                line("Certificate", "a"),
                line("Ingress", "b"),
                line("Ingress", "c"),
            ],
            unrenewable: vec![(ObjectKey::new("shop", "v"), "its issuer is of type vault".into())],
        };
        assert_eq!(
            summed_up(&planned, read),
            "4 actions planned for 1 Certificate, 2 Ingresses (read: 12 Certificates, 1 issuer and 3 Ingresses); \
             1 Certificate cannot be issued again by this version"
        );
    }
}
