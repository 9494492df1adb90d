//! Reports that a record of dns-persist-01 ends soon by which a name of a finished Order was proved: at the next renewal, the CA will not
//! find it.

use jiff::Timestamp;

use super::{observe::Observed, orders::Orders};
use crate::{
    api::names::annotation,
    plan::{
        kinds::CertificateKind,
        notice::Notice,
        order::{
            persist::{ends_soon, noted},
            timing,
        },
        seen::{Meta, Next},
    },
};

/// Reports it at its time, as an Event of the Certificate. Returns that time.
pub(super) fn report(controller: &Orders, observed: &Observed, now: Timestamp) -> Next {
    let reason = observed.order.status.reason.as_deref().unwrap_or_default();
    let (Some((name, until)), Some(acme)) = (noted(reason), &observed.acme) else {
        return Next::OnChange;
    };
    let warn_before = acme.acme.persist_warn_before().unwrap_or_default();
    match (
        ends_soon(now, name, until, warn_before),
        certificate(controller, observed),
    ) {
        (_, None) => Next::OnChange,
        (None, Some(_)) => Next::At(timing::add(until, -warn_before)),
        (Some(sentence), Some(certificate)) => {
            if controller
                .reported
                .is_new(&certificate, std::slice::from_ref(&sentence))
            {
                let notice = Notice::warning("PersistUntil", sentence);
                controller
                    .ports
                    .events
                    .publish::<CertificateKind>(&certificate, &notice);
            }
            Next::OnChange
        }
    }
}

/// The Certificate whose current certificate this Order is for.
fn certificate(controller: &Orders, observed: &Observed) -> Option<Meta> {
    let order = &observed.order.meta;
    let name = order.annotations.get(annotation::CERTIFICATE_NAME)?;
    let certificate = controller.ports.index.certificates.get(&order.key.sibling(name))?;
    let revision = certificate.status().revision?.to_string();
    (order.annotations.get(annotation::CERTIFICATE_REVISION) == Some(revision.as_str()))
        .then(|| certificate.meta.clone())
}
