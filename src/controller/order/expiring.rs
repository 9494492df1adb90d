//! Reports that a record of dns-persist-01 ends soon by which a name of a finished Order was proved: at the next renewal, the CA will not
//! find it.

use jiff::Timestamp;

use super::{observe::Observed, orders::Orders};
use crate::{
    api::names::annotation,
    plan::{
        kinds::CertificateKind,
        notice::Notice,
        order::persist::{EndStep, end_step, noted},
        seen::{Meta, Next},
    },
};

/// Reports it at its time, as an Event of the Certificate. Returns that time.
pub(super) fn report(controller: &Orders, observed: &Observed, now: Timestamp) -> Next {
    let reason = observed.order.status.reason.as_deref().unwrap_or_default();
    let (Some(record), Some(acme)) = (noted(reason), &observed.acme) else {
        return Next::OnChange;
    };
    let warn_before = acme.acme.persist_warn_before().unwrap_or_default();
    let Some(((certificate, stored), order)) = certificate(controller, observed) else {
        return Next::OnChange;
    };
    match end_step(now, record, warn_before, stored, order) {
        EndStep::Nothing => Next::OnChange,
        EndStep::CheckAt(at) => Next::At(at),
        EndStep::Report(sentence) => {
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

/// The Certificate that this Order is for, with its revision, and the revision of the Order.
fn certificate(controller: &Orders, observed: &Observed) -> Option<((Meta, i64), i64)> {
    let order = &observed.order.meta;
    let name = order.annotations.get(annotation::CERTIFICATE_NAME)?;
    let revision = order.annotations.get(annotation::CERTIFICATE_REVISION)?.parse().ok()?;
    let certificate = controller.ports.index.certificates.get(&order.key.sibling(name))?;
    let stored = certificate.status().revision.unwrap_or_default();
    Some(((certificate.meta.clone(), stored), revision))
}
