//! Pod mode: Pod, Service and Ingress per challenge, as cert-manager makes them.

use k8s_openapi::api::core::v1::{Pod, Service};

use super::{
    super::{Context, ControllerError},
    Http01, PlacedIngress, Shown,
    place::Placing,
};
use crate::{
    api::names::label,
    plan::{
        seen::{Meta, ObjectKey},
        settings::Http01Settings,
    },
    solver::objects::{PodChallenge, PodSettings, challenge_owner, pod_ingress, pod_service, solver_pod},
};

/// Makes what shows these challenges, or makes sure of it.
pub(super) async fn present(
    http01: &Http01,
    context: &Context,
    order: &Meta,
    challenges: &[Shown],
) -> Result<(), ControllerError> {
    let settings = pod_settings(&context.settings.http01);
    for shown in challenges {
        let owner = challenge_owner(&shown.name, &shown.uid);
        let challenge = PodChallenge {
            namespace: order.namespace(),
            order_uid: &order.uid,
            owner: &owner,
            path: &shown.path,
            key_authorization: &shown.key_authorization,
            config: &shown.ingress,
        };
        let class = http01.classes.class(context, order, &shown.ingress).await;
        let placing = Placing { context, order, class };
        let (pod, service) = (solver_pod(&challenge, &settings), pod_service(&challenge, &settings));
        let name = service.metadata.name.clone().unwrap_or_default();
        http01.remember(
            order,
            PlacedIngress {
                name: shown.ingress.name.clone().unwrap_or_else(|| name.clone()),
                edited: shown.ingress.name.is_some(),
                paths: vec![shown.path.clone()],
                class,
            },
        );
        let (pod, service) = tokio::join!(
            context.writer.create_object(&pod),
            context.writer.apply_object(&service)
        );
        match pod {
            // a pod cannot be changed, and its name is derived from its Challenge
            Err(error) if error.is_already_exists() => {}
            other => drop(other?),
        }
        service?;
        match &shown.ingress.name {
            Some(edited) => placing.edit(edited, std::slice::from_ref(&shown.path), &name).await?,
            None => {
                placing
                    .apply(|path_type| pod_ingress(&challenge, &settings, class, path_type))
                    .await?;
            }
        }
    }
    Ok(())
}

/// Deletes the pods and Services of an Order.
pub(super) async fn delete(context: &Context, order: &ObjectKey, order_uid: &str) -> Result<(), ControllerError> {
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

fn pod_settings(settings: &Http01Settings) -> PodSettings {
    let resource = |name: &str, default: &str| {
        let given = settings.solver_resources.get(name).filter(|amount| !amount.is_empty());
        given.cloned().unwrap_or_else(|| default.to_owned())
    };
    PodSettings {
        image: settings.solver_image.clone(),
        request_cpu: resource("request-cpu", "10m"),
        request_memory: resource("request-memory", "64Mi"),
        limit_cpu: resource("limits-cpu", "100m"),
        limit_memory: resource("limits-memory", "64Mi"),
        run_as_non_root: settings.solver_run_as_non_root,
        runtime_class_name: settings.solver_runtime_class.clone(),
        extra_labels: settings.extra_labels.clone(),
    }
}
