//! The records of all watched kinds in memory, and the changes of these records.
//!
//! A kind is one entry of the table in [`kinds`]. Everything that applies to all kinds (list, watch, wait, report in `/readyz`)
//! iterates over it with [`each_kind`].

use std::sync::Arc;

use super::{store::Store, wire::Record};
use crate::plan::{
    kinds::{self, watched_kinds},
    seen::{Kind, Meta, ObjectKey},
};

/// A record of a kind in the registry.
pub(crate) trait Registered: Record {
    /// How it is watched.
    const WATCHED: kinds::Watched = <Self::Kind as Kind>::WATCHED;

    /// The store of these records.
    fn store(index: &Index) -> &Store<Self>;

    /// The change for a created, replaced or removed record.
    fn change(old: Option<Arc<Self>>, new: Option<Arc<Self>>) -> Change;
}

/// A kind of the registry.
pub(crate) trait Stored: Kind<Record: Registered> {}

impl<K: Kind<Record: Registered>> Stored for K {}

/// A visitor of the kinds of the registry.
pub(crate) trait KindVisitor {
    /// Visits one kind.
    fn visit<R: Registered>(&mut self);
}

/// What is kept of an object of a kind.
type RecordOf<K> = <K as Kind>::Record;

macro_rules! index {
    ($($(#[$doc:meta])* $kind:ident = $store:ident, $change:ident { $($_entry:tt)* })*) => {
        /// One store per kind.
        #[derive(Default)]
        pub(crate) struct Index {
            $($(#[$doc])* pub $store: Store<RecordOf<kinds::$kind>>,)*
        }

        /// One change of the index.
        #[derive(Clone, Debug)]
        pub(crate) enum Change {
            $($(#[$doc])* $change(Changed<RecordOf<kinds::$kind>>),)*
            /// A Secret without the label. Only its name is known.
            UnlabelledSecret(ObjectKey),
            /// The Secrets without the label were listed again. Deletions may have been missed.
            UnlabelledSecrets,
            /// A ConfigMap that may be a source or a target of a Bundle. Only its name is known.
            ConfigMap(ObjectKey),
            /// These ConfigMaps were listed again. Deletions may have been missed.
            ConfigMaps,
        }

        $(impl Record for RecordOf<kinds::$kind> {
            type Kind = kinds::$kind;
        }

        impl Registered for RecordOf<kinds::$kind> {
            fn store(index: &Index) -> &Store<Self> {
                &index.$store
            }

            fn change(old: Option<Arc<Self>>, new: Option<Arc<Self>>) -> Change {
                Change::$change(Changed { old, new })
            }
        })*

        /// Visits every kind, in the order of the registry.
        pub(crate) fn each_kind(visitor: &mut impl KindVisitor) {
            $(visitor.visit::<RecordOf<kinds::$kind>>();)*
        }

        impl Index {
            /// Returns when all required kinds have been listed completely.
            pub(crate) async fn until_ready(&self) {
                $(self.$store.until_ready().await;)*
            }
        }
    };
}

watched_kinds!(index);

impl Index {
    /// The plurals of the kinds that have not been listed completely.
    pub(crate) fn not_listed(&self) -> Vec<&'static str> {
        struct Missing<'a>(&'a Index, Vec<&'static str>);
        impl KindVisitor for Missing<'_> {
            fn visit<R: Registered>(&mut self) {
                if !R::store(self.0).is_ready() {
                    self.1.push(R::PLURAL);
                }
            }
        }
        let mut missing = Missing(self, Vec::new());
        each_kind(&mut missing);
        missing.1
    }
}

/// A record that was created (`old` is `None`), changed, or deleted (`new` is `None`).
#[derive(Clone, Debug)]
pub(crate) struct Changed<R> {
    /// The previous record.
    pub old: Option<Arc<R>>,
    /// The new record.
    pub new: Option<Arc<R>>,
}

impl<R: Record> Changed<R> {
    /// The metadata of the new record, or of the deleted one.
    pub(crate) fn meta(&self) -> Option<&Meta> {
        self.new.as_ref().or(self.old.as_ref()).map(|record| record.meta())
    }
}

/// Receives every change. It is called without a lock and must not block.
pub(crate) type Observer = Arc<dyn Fn(Change) + Send + Sync>;
