//! Requirements of ingress controllers for a temporary Ingress.
//!
//! They differ in their path types, in how their redirect to https is disabled, and in whether they reach a cluster
//! address. The table is keyed by `spec.controller` of the `IngressClass`. Without such an object (GKE has none), the
//! class's usual name is used. An issuer's `ingressTemplate` overrides all of it.

/// A path type of an Ingress rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathType {
    /// Only the path.
    Exact,
    /// As the controller interprets it.
    ImplementationSpecific,
    /// The path and all paths below it.
    Prefix,
}

impl PathType {
    /// The path type as an Ingress has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "Exact",
            Self::ImplementationSpecific => "ImplementationSpecific",
            Self::Prefix => "Prefix",
        }
    }
}

/// The requirements of one kind of ingress controller.
#[derive(Debug, PartialEq, Eq)]
pub struct Class {
    /// The controller's usual name.
    pub name: &'static str,
    /// Path types in the order of attempts: the next one is used if the controller's own webhook rejects the
    /// Ingress. Never empty.
    path_types: &'static [PathType],
    /// Annotations that exempt the challenge's path from redirects, logins and source ranges.
    pub annotations: &'static [(&'static str, &'static str)],
    /// Whether the controller reaches its backends through node ports only.
    pub needs_node_port: bool,
    /// A hint for the user if the challenge does not become visible with this controller.
    pub hint: Option<&'static str>,
}

impl Class {
    /// The path types, in the order of attempts. `exact` is the feature gate `ACMEHTTP01IngressPathTypeExact`
    /// (GAT-15). Without it, `ImplementationSpecific` comes first for every controller that accepts it.
    #[must_use]
    pub fn path_types(&self, exact: bool) -> Vec<PathType> {
        let mut types = self.path_types.to_vec();
        if !exact {
            // The sort is stable: the others keep their order.
            types.sort_by_key(|kind| *kind != PathType::ImplementationSpecific);
        }
        types
    }
}

/// The requirements of the controller behind a class.
///
/// `controller` is `spec.controller` of the `IngressClass`, if the object exists. `class` is the name that the issuer
/// has, as field or annotation. An unknown controller gets the most compatible defaults.
#[must_use]
pub fn class_of(controller: Option<&str>, class: Option<&str>) -> &'static Class {
    let by_controller = controller.and_then(|controller| {
        TABLE
            .iter()
            .find(|row| row.controllers.iter().any(|known| is_of(controller, known)))
    });
    // An unknown controller is better information than the name of its class.
    let by_name = || {
        class
            .filter(|_| controller.is_none())
            .and_then(|class| TABLE.iter().find(|row| row.names.contains(&class)))
    };
    by_controller.or_else(by_name).map_or(&DEFAULT, |row| &row.class)
}

/// Whether a controller is the known one, or an instance of it (`haproxy.org/ingress-controller/internal`).
fn is_of(controller: &str, known: &str) -> bool {
    controller
        .strip_prefix(known)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

struct Row {
    controllers: &'static [&'static str],
    names: &'static [&'static str],
    class: Class,
}

const EXACT_FIRST: &[PathType] = &[PathType::Exact, PathType::ImplementationSpecific, PathType::Prefix];
const SPECIFIC_ONLY: &[PathType] = &[PathType::ImplementationSpecific];
const PREFIX_LAST: &[PathType] = &[PathType::Exact, PathType::Prefix];

const OWN_ADDRESS: &str = "this controller gives every Ingress an address of its own: let the solver edit the Ingress that has \
                           the host (acme.cert-manager.io/http01-edit-in-place: \"true\" on it, or `name` in the solver)";
const ONE_INGRESS_PER_HOST: &str = "this controller serves a host from one Ingress only: let the solver edit that Ingress \
                                    (acme.cert-manager.io/http01-edit-in-place: \"true\" on it, or `name` in the solver)";

const DEFAULT: Class = Class {
    name: "unknown",
    path_types: EXACT_FIRST,
    annotations: &[],
    needs_node_port: false,
    hint: None,
};

static TABLE: &[Row] = &[
    Row {
        controllers: &["k8s.io/ingress-nginx"],
        names: &["nginx"],
        class: Class {
            name: "ingress-nginx",
            // Before 1.12.6 and 1.13.2, its webhook rejected Exact for paths with a dot.
            path_types: &[PathType::Exact, PathType::ImplementationSpecific],
            annotations: &[
                ("nginx.ingress.kubernetes.io/ssl-redirect", "false"),
                ("nginx.ingress.kubernetes.io/force-ssl-redirect", "false"),
            ],
            ..DEFAULT
        },
    },
    Row {
        controllers: &["traefik.io/ingress-controller"],
        names: &["traefik"],
        class: Class {
            name: "Traefik",
            hint: Some(
                "if an entry point redirects to https, the router of the challenge must exist on the https entry point, too \
                 (`http.tls` on it, as Traefik's chart sets)",
            ),
            ..DEFAULT
        },
    },
    Row {
        controllers: &["haproxy-ingress.github.io/controller"],
        names: &["haproxy"],
        class: Class {
            name: "haproxy-ingress",
            annotations: &[("haproxy-ingress.github.io/ssl-redirect", "false")],
            ..DEFAULT
        },
    },
    Row {
        controllers: &["haproxy.org/ingress-controller"],
        names: &[],
        class: Class {
            name: "HAProxy Technologies",
            annotations: &[("haproxy.org/ssl-redirect", "false")],
            ..DEFAULT
        },
    },
    Row {
        controllers: &[
            "k8s.io/ingress-gce",
            "ingress.gke.io/gce",
            "networking.gke.io/ingress-gce",
        ],
        names: &["gce", "gce-internal"],
        class: Class {
            name: "GCE",
            path_types: SPECIFIC_ONLY,
            needs_node_port: true,
            hint: Some(OWN_ADDRESS),
            ..DEFAULT
        },
    },
    Row {
        controllers: &["ingress.k8s.aws/alb", "eks.amazonaws.com/alb"],
        names: &["alb"],
        class: Class {
            name: "AWS Load Balancer Controller",
            path_types: PREFIX_LAST,
            needs_node_port: true,
            hint: Some(
                "every Ingress gets a load balancer of its own unless it names a group: put alb.ingress.kubernetes.io/group.name \
                 into the solver's ingressTemplate, or let the solver edit the Ingress that has the host (`name` in the solver)",
            ),
            ..DEFAULT
        },
    },
    Row {
        controllers: &["azure/application-gateway", "azure-application-gateway"],
        names: &["azure/application-gateway", "azure-application-gateway"],
        class: Class {
            name: "Azure Application Gateway",
            path_types: PREFIX_LAST,
            annotations: &[("appgw.ingress.kubernetes.io/ssl-redirect", "false")],
            ..DEFAULT
        },
    },
    Row {
        controllers: &["cilium.io/ingress-controller"],
        names: &["cilium"],
        class: Class {
            name: "Cilium",
            // There, ImplementationSpecific is a regular expression, in which the dots of the path have
            // another meaning.
            path_types: PREFIX_LAST,
            annotations: &[("ingress.cilium.io/force-https", "disabled")],
            hint: Some(
                "in dedicated mode every Ingress has an address of its own: use shared mode \
                 (ingress.cilium.io/loadbalancer-mode: shared in the solver's ingressTemplate) for challenges",
            ),
            ..DEFAULT
        },
    },
    Row {
        controllers: &["nginx.org/ingress-controller"],
        names: &[],
        class: Class {
            name: "NGINX (F5)",
            annotations: &[
                ("nginx.org/redirect-to-https", "false"),
                ("ingress.kubernetes.io/ssl-redirect", "false"),
            ],
            hint: Some(ONE_INGRESS_PER_HOST),
            ..DEFAULT
        },
    },
    Row {
        controllers: &["istio.io/ingress-controller"],
        names: &["istio"],
        class: Class {
            name: "Istio",
            path_types: PREFIX_LAST,
            hint: Some("a Gateway with httpsRedirect redirects the challenge's path, too: switch it off for the host"),
            ..DEFAULT
        },
    },
    Row {
        controllers: &["ingress-controllers.konghq.com/kong"],
        names: &["kong"],
        class: Class {
            name: "Kong",
            annotations: &[
                ("konghq.com/protocols", "http,https"),
                ("konghq.com/strip-path", "false"),
            ],
            ..DEFAULT
        },
    },
    Row {
        controllers: &["projectcontour.io/ingress-controller", "projectcontour.io"],
        names: &["contour"],
        class: Class {
            name: "Contour",
            annotations: &[("ingress.kubernetes.io/force-ssl-redirect", "false")],
            ..DEFAULT
        },
    },
    Row {
        controllers: &["openshift.io/ingress-to-route"],
        names: &["openshift-default"],
        class: Class {
            name: "OpenShift",
            // An Ingress with Exact does not become a Route.
            path_types: &[PathType::ImplementationSpecific, PathType::Prefix],
            ..DEFAULT
        },
    },
    Row {
        controllers: &["apisix.apache.org/apisix-ingress-controller"],
        names: &["apisix"],
        class: Class {
            name: "APISIX",
            annotations: &[("k8s.apisix.apache.org/http-to-https", "false")],
            ..DEFAULT
        },
    },
    Row {
        controllers: &["pomerium.io/ingress-controller"],
        names: &["pomerium"],
        class: Class {
            name: "Pomerium",
            annotations: &[("ingress.pomerium.io/allow_public_unauthenticated_access", "true")],
            ..DEFAULT
        },
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_found_by_its_controller_whatever_it_is_called() {
        assert_eq!(
            class_of(Some("k8s.io/ingress-nginx"), Some("my-edge")).name,
            "ingress-nginx"
        );
        assert_eq!(
            class_of(Some("traefik.io/ingress-controller"), Some("nginx")).name,
            "Traefik"
        );
        assert_eq!(
            class_of(Some("haproxy.org/ingress-controller/internal"), None).name,
            "HAProxy Technologies"
        );
        assert_eq!(
            class_of(Some("nginx.org/ingress-controller"), Some("nginx")).name,
            "NGINX (F5)"
        );
    }

    #[test]
    fn without_an_ingress_class_object_the_usual_name_counts() {
        assert_eq!(class_of(None, Some("gce")).name, "GCE");
        assert_eq!(class_of(None, Some("nginx")).name, "ingress-nginx");
    }

    #[test]
    fn an_unknown_controller_is_not_mistaken_for_a_known_one_by_name_or_prefix() {
        assert_eq!(class_of(Some("example.com/edge"), Some("nginx")), &DEFAULT);
        assert_eq!(class_of(Some("k8s.io/ingress-nginx-fork"), None), &DEFAULT);
        assert_eq!(class_of(None, None), &DEFAULT);
    }

    #[test]
    fn the_controllers_that_contradict_each_other_get_their_own_path_type() {
        let first = |class| class_of(None, Some(class)).path_types(true)[0];
        assert_eq!(first("gce"), PathType::ImplementationSpecific);
        assert_eq!(first("cilium"), PathType::Exact);
        assert_eq!(first("openshift-default"), PathType::ImplementationSpecific);
        let nginx = class_of(None, Some("nginx"));
        assert_eq!(
            nginx.path_types(true),
            [PathType::Exact, PathType::ImplementationSpecific]
        );
        assert_eq!(
            nginx.path_types(false),
            [PathType::ImplementationSpecific, PathType::Exact]
        );
        assert_eq!(class_of(None, Some("cilium")).path_types(false)[0], PathType::Exact);
    }

    #[test]
    fn every_row_can_be_tried_and_no_key_stands_twice() {
        let mut keys: Vec<&str> = TABLE
            .iter()
            .flat_map(|row| row.controllers.iter().chain(row.names))
            .copied()
            .collect();
        assert!(TABLE.iter().all(|row| !row.class.path_types(true).is_empty()));
        keys.sort_unstable();
        let count = keys.len();
        keys.dedup();
        // One product uses one word for both its controller and its class.
        assert_eq!(count - keys.len(), 2, "{keys:?}");
    }
}
