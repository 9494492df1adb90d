//! Reports that a record of dns-persist-01 ends soon by which a name of a finished Order was proved: at the next renewal, the CA will not
//! find it.

use jiff::Timestamp;

use super::{observe::Observed, orders::Orders};
use crate::plan::{
    kinds::CertificateKind,
    notice::Notice,
    order::persist::{EndStep, Ending, end_step},
    seen::Next,
};

/// Reports it at its time, as an Event of the Certificate. Returns that time.
pub(super) fn report(controller: &Orders, observed: &Observed, now: Timestamp) -> Next {
    let order = &observed.order;
    let reason = order.status.reason.as_deref().unwrap_or_default();
    let (Some(ending), Some(acme)) = (Ending::of(&order.meta, reason), &observed.acme) else {
        return Next::OnChange;
    };
    let Some(certificate) = controller.ports.index.certificates.get(&ending.certificate) else {
        return Next::OnChange;
    };
    let stored = certificate.status().revision.unwrap_or_default();
    let warn_before = acme.acme.persist_warn_before().unwrap_or_default();
    match end_step(now, &ending, warn_before, stored) {
        EndStep::Nothing => Next::OnChange,
        EndStep::CheckAt(at) => Next::At(at),
        EndStep::Report(sentence) => {
            let meta = &certificate.meta;
            if controller.reported.is_new(meta, std::slice::from_ref(&sentence)) {
                let notice = Notice::warning("PersistUntil", sentence);
                controller.ports.events.publish::<CertificateKind>(meta, &notice);
            }
            Next::OnChange
        }
    }
}
