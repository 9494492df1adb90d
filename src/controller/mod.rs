//! Wiring, one file per kind: what triggers a reconcile, and in which order its steps run.
