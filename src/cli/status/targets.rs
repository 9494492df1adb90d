//! Objects into which a CA is to be injected, for the overview of all namespaces: the dry run of the controller's planner.

use std::sync::Arc;

use futures::{StreamExt as _, stream};

use crate::{
    cluster::{
        self,
        index::{Index, Observer},
        reader::Reader,
    },
    controller::{Controllers, injection},
    plan::{
        injection::TargetId,
        overview::{self, Entry},
        settings::Settings,
    },
    process::environment::Environment,
    runtime::run::dry_run_context,
};

/// Number of targets that are read at the same time. Each may have a megabyte.
const CONCURRENT: usize = 4;

/// The controllers that plan, and what could not be listed.
pub(super) struct Targets {
    controllers: Arc<Controllers>,
    unlisted: Option<String>,
}

impl Targets {
    /// No targets yet: [`Self::list`] lists them.
    ///
    /// # Errors
    /// If the clients of the controller cannot be set up.
    pub(super) fn new(reader: &Reader, settings: &Settings, api_server_ca: Option<Arc<[u8]>>) -> Result<Self, String> {
        let controllers = dry_run_context(reader.client(), settings, Environment::read(), api_server_ca);
        Ok(Self {
            controllers: controllers.map_err(|error| error.to_string())?,
            unlisted: None,
        })
    }

    /// The index of the controllers. The planner needs the Certificates in it, too.
    pub(super) fn index(&self) -> &Arc<Index> {
        &self.controllers.ports.index
    }

    /// Lists them.
    pub(super) async fn list(&mut self, reader: &Reader) {
        let ports = &self.controllers.ports;
        let listed = cluster::overview::list_targets(reader.client(), &ports.settings, &ports.index).await;
        self.unlisted = listed.err().map(|error| error.to_string());
    }

    /// Follows the targets with watches. `observer` is called after each change of the index.
    pub(super) fn follow(&self, reader: &Reader, observer: &Observer) {
        if self.unlisted.is_none() {
            cluster::overview::follow_targets(
                reader.client(),
                &self.controllers.ports.settings,
                self.index(),
                observer,
            );
        }
    }

    /// Those that do not have their CA, and a sentence about what could not be read.
    pub(super) async fn problems(&self) -> (Vec<Entry>, Option<String>) {
        let ids = injection::all(self.index());
        let planned = ids.iter().map(|id| self.problem(id));
        let planned: Vec<Result<Option<Entry>, String>> = stream::iter(planned).buffered(CONCURRENT).collect().await;
        let mut unread = self.unlisted.clone();
        let mut problems = Vec::new();
        for result in planned {
            match result {
                Ok(problem) => problems.extend(problem),
                // one stands for all: a missing right concerns many
                Err(error) => unread = unread.or(Some(error)),
            }
        }
        (problems, unread)
    }

    async fn problem(&self, id: &TargetId) -> Result<Option<Entry>, String> {
        let planned = self.controllers.injections.dry_run(id).await;
        let planned = planned.map_err(|error| format!("{id} was not checked: {error}"))?;
        Ok(planned.and_then(|dry_run| overview::target(id, dry_run.source.as_ref(), &dry_run.plan.step)))
    }
}
