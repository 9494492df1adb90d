//! The listeners of the process: they are bound before anything is written, and serve until it ends.

use std::{net::SocketAddr, sync::Arc};

use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    http,
    leader::Leadership,
    run::{Options, RunError},
    server,
    serving::Tls,
    status::{self, Source},
};
use crate::controller::Controllers;

/// Those that the options name.
pub(super) struct Listeners {
    pub(super) metrics: Option<TcpListener>,
    health: Option<TcpListener>,
    status: Option<(TcpListener, SocketAddr)>,
    http01: Option<TcpListener>,
}

impl Listeners {
    /// Binds them.
    ///
    /// # Errors
    /// [`RunError::Listen`] if an address is in use or not local.
    pub(super) async fn bind(options: &Options) -> Result<Self, RunError> {
        let failed = |address, purpose| {
            move |source| RunError::Listen {
                address,
                purpose,
                source,
            }
        };
        let optional = |address: Option<SocketAddr>, purpose| {
            let listener = address.map(|address| server::listen(address).map_err(failed(address, purpose)));
            listener.transpose()
        };
        let status = optional(options.status_address, "the status page (--status-listen-address)")?;
        let challenges = "HTTP-01 challenges (--acme-http01-listen-address)";
        Ok(Self {
            metrics: optional(options.metrics_address, "metrics (--metrics-listen-address)")?,
            health: optional(options.health_address, "health (--internal-healthz-listen-address)")?,
            status: status.zip(options.status_address),
            http01: match options.http01_address {
                Some(address) => Some(TcpListener::bind(address).await.map_err(failed(address, challenges))?),
                None => None,
            },
        })
    }

    /// Serves until `shutdown`.
    pub(super) fn serve(
        self,
        tls: Option<Tls>,
        (controllers, leadership): (&Arc<Controllers>, &Leadership),
        tasks: &TaskTracker,
        shutdown: &CancellationToken,
    ) {
        let ports = &controllers.ports;
        if let Some(listener) = self.metrics {
            let (controllers, leadership, shutdown) = (Arc::clone(controllers), leadership.clone(), shutdown.clone());
            tasks.spawn(http::serve_metrics((listener, tls), controllers, leadership, shutdown));
        }
        if let Some(listener) = self.health {
            let (controllers, leadership, shutdown) = (Arc::clone(controllers), leadership.clone(), shutdown.clone());
            tasks.spawn(http::serve_health(listener, controllers, leadership, shutdown));
        }
        if let Some((listener, address)) = self.status {
            let source = Source::new(Arc::clone(controllers), leadership.clone());
            tasks.spawn(status::serve_status(listener, address, source, shutdown.clone()));
        }
        if let Some(listener) = self.http01 {
            tasks.spawn(Arc::clone(&ports.responder).serve(listener, shutdown.clone()));
        }
    }
}
