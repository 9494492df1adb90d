//! What would be done for copies of Secrets in other namespaces.

use super::{Line, actions, unplanned};
use crate::controller::{Controllers, copies};

/// Plans for every Certificate that requests copies of its Secret, or has some.
pub(super) async fn lines(controllers: &Controllers) -> Vec<Line> {
    let mut lines = Vec::new();
    for key in copies::all(&controllers.ports.index) {
        match controllers.copies.dry_run(&key).await {
            Ok(dry_run) => {
                let actions = actions::copies(&key, &dry_run).into_iter();
                lines.extend(actions.map(|(kind, key, action)| Line::new(kind, &key, action)));
            }
            Err(error) => lines.push(unplanned("Certificate", &key, &error)),
        }
    }
    lines
}
