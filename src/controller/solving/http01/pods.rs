//! Pod mode: Pod, Service, and Ingress or HTTPRoute for each challenge, as cert-manager creates them.

use k8s_openapi::api::core::v1::{Pod, Service};
use tokio::sync::OnceCell;

use super::{
    Exposed, Http01,
    place::Placing,
    placed::{PlacedKind, PlacedObject},
    routes,
};
use crate::{
    api::{
        http01::{GatewayHttpRoute, Http01Ingress, Routing},
        names::label,
    },
    controller::{ControllerError, Ports},
    plan::{
        seen::{Meta, ObjectKey},
        settings::Http01Settings,
    },
    solver::objects::{PodChallenge, PodSettings, challenge_owner, pod_ingress, pod_route, pod_service, solver_pod},
};

/// Creates or repairs the objects of these challenges.
///
/// # Errors
/// The API server's error.
pub(super) async fn present(
    http01: &Http01,
    context: &Ports,
    order: &Meta,
    challenges: &[Exposed],
) -> Result<(), ControllerError> {
    let settings = pod_settings(&context.settings.http01, http01.image.of_pods(context).await?);
    for exposed in challenges {
        let owner = challenge_owner(&exposed.name, &exposed.uid);
        let challenge = PodChallenge {
            namespace: order.namespace(),
            order_uid: &order.uid,
            owner: &owner,
            path: &exposed.path,
            key_authorization: &exposed.key_authorization,
            routing: &exposed.routing,
        };
        let presenting = Presenting {
            http01,
            context,
            order,
            settings: &settings,
        };
        match &exposed.routing {
            Routing::Ingress(config) => presenting.by_ingress(&challenge, config).await?,
            Routing::HttpRoute(config) => presenting.by_route(&challenge, config).await?,
        }
    }
    Ok(())
}

struct Presenting<'a> {
    http01: &'a Http01,
    context: &'a Ports,
    order: &'a Meta,
    settings: &'a PodSettings,
}

impl Presenting<'_> {
    async fn by_ingress(&self, challenge: &PodChallenge<'_>, config: &Http01Ingress) -> Result<(), ControllerError> {
        let Self {
            context,
            order,
            settings,
            ..
        } = *self;
        let class = self.http01.classes.class(context, order, config).await;
        let placing = Placing { context, order, class };
        let service = name_of(&pod_service(challenge, settings));
        let (name, kind) = match &config.name {
            Some(edited) => (edited.clone(), PlacedKind::Edited(class)),
            None => (service.clone(), PlacedKind::Ingress(class)),
        };
        let paths = vec![challenge.path.clone()];
        self.http01.placed.remember(order, PlacedObject { name, kind, paths });
        self.pod_and_service(challenge).await?;
        if let Some(edited) = &config.name {
            let path = std::slice::from_ref(challenge.path);
            return placing.edit(edited, path, &service).await;
        }
        let ingress = |path_type| pod_ingress(challenge, config, settings, (class, path_type));
        placing.apply(ingress).await
    }

    async fn by_route(&self, challenge: &PodChallenge<'_>, config: &GatewayHttpRoute) -> Result<(), ControllerError> {
        let Self {
            context,
            order,
            settings,
            ..
        } = *self;
        routes::enabled(context)?;
        let parents = routes::parents(context, order.namespace(), config, challenge.path);
        let route = pod_route(challenge, (config, &parents), settings);
        let paths = vec![challenge.path.clone()];
        self.http01.placed.remember(
            order,
            PlacedObject {
                name: route.metadata.name.clone().unwrap_or_default(),
                kind: PlacedKind::Route,
                paths: paths.clone(),
            },
        );
        self.pod_and_service(challenge).await?;
        routes::place(self.http01, context, order, (route, paths)).await
    }

    /// Creates the pod and its Service.
    async fn pod_and_service(&self, challenge: &PodChallenge<'_>) -> Result<(), ControllerError> {
        let Self { context, settings, .. } = *self;
        let (pod, service) = (solver_pod(challenge, settings), pod_service(challenge, settings));
        let (pod, service) = tokio::join!(
            context.writer.create_object(&pod),
            context.writer.apply_object(&context.reader, &service)
        );
        match pod {
            // a pod cannot be changed, and its name is derived from its Challenge
            Err(error) if error.is_already_exists() => {}
            other => drop(other?),
        }
        service?;
        Ok(())
    }
}

fn name_of(service: &Service) -> String {
    service.metadata.name.clone().unwrap_or_default()
}

/// Deletes the pods and Services of an Order.
///
/// # Errors
/// The API server's error.
pub(super) async fn delete(context: &Ports, order: &ObjectKey, order_uid: &str) -> Result<(), ControllerError> {
    let labels = format!("{}={order_uid}", label::ORDER_UID);
    let (pods, services) = tokio::join!(
        context.reader.list::<Pod>(Some(&order.namespace), &labels),
        context.reader.list::<Service>(Some(&order.namespace), &labels)
    );
    for pod in &pods? {
        context.writer.delete_object(pod).await?;
    }
    for service in &services? {
        context.writer.delete_object(service).await?;
    }
    Ok(())
}

/// The error without any source of the solver image.
const NO_IMAGE: &str = "certlet does not know which image solver pods run: give it with --acme-http01-solver-image, or run certlet \
                        in a pod with the variables POD_NAME and POD_NAMESPACE";
/// The container of our own Deployment. A sidecar may be before it.
const OWN_CONTAINER: &str = "certlet";

/// The image of solver pods: that of the flag, else that of our own pod, which has the solver as a subcommand.
#[derive(Debug, Default)]
pub(super) struct Image(OnceCell<String>);

impl Image {
    /// The image. It is read once, because our own image does not change.
    async fn of_pods(&self, context: &Ports) -> Result<String, ControllerError> {
        if let Some(given) = &context.settings.http01.solver_image {
            return Ok(given.clone());
        }
        self.0.get_or_try_init(|| own_image(context)).await.cloned()
    }
}

async fn own_image(context: &Ports) -> Result<String, ControllerError> {
    let unknown = || ControllerError::Failed(NO_IMAGE.to_owned());
    let own = &context.settings.pod;
    let (Some(name), Some(namespace)) = (&own.name, &own.namespace) else {
        return Err(unknown());
    };
    let pod = context
        .reader
        .object::<Pod>(&ObjectKey::new(namespace.as_str(), name.as_str()))
        .await?;
    pod.and_then(|pod| image_of(&pod)).ok_or_else(unknown)
}

fn image_of(pod: &Pod) -> Option<String> {
    let containers = &pod.spec.as_ref()?.containers;
    let ours = containers.iter().find(|container| container.name == OWN_CONTAINER);
    ours.or_else(|| containers.first())?.image.clone()
}

fn pod_settings(settings: &Http01Settings, image: String) -> PodSettings {
    let resource = |name: &str, default: &str| {
        let given = settings.solver_resources.get(name).filter(|amount| !amount.is_empty());
        given.cloned().unwrap_or_else(|| default.to_owned())
    };
    PodSettings {
        image,
        request_cpu: resource("request-cpu", "10m"),
        request_memory: resource("request-memory", "64Mi"),
        limit_cpu: resource("limits-cpu", "100m"),
        limit_memory: resource("limits-memory", "64Mi"),
        run_as_non_root: settings.solver_run_as_non_root,
        runtime_class_name: settings.solver_runtime_class.clone(),
        extra_labels: settings.extra_labels.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn solver_pods_run_the_image_of_our_own_container_whatever_stands_beside_it() {
        let pod = |containers: serde_json::Value| -> Pod {
            serde_json::from_value(json!({"metadata": {}, "spec": {"containers": containers}})).unwrap()
        };
        let sidecar = json!({"name": "proxy", "image": "mesh:1"});
        let ours = json!({"name": "certlet", "image": "registry.example/certlet:7"});
        let renamed = json!({"name": "controller", "image": "mine:3"});
        for (containers, image) in [
            (json!([sidecar, ours]), Some("registry.example/certlet:7")),
            (json!([renamed]), Some("mine:3")),
            (json!([]), None),
        ] {
            assert_eq!(image_of(&pod(containers)).as_deref(), image);
        }
    }
}
