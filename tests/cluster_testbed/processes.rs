//! What runs in the bed: pods on its node, and certlets beside each other.

use crate::support::{Bed, Certlet, IN_TIME, eventually};

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_pod_runs_on_a_node_of_the_bed() {
    let bed = Bed::attach().await;
    if let Err(reason) = bed.start_node(&[]).await {
        bed.skip("a_pod_runs_on_a_node_of_the_bed", &reason);
        return;
    }
    let namespace = bed.new_namespace().await;
    let pod = "
apiVersion: v1
kind: Pod
metadata: {name: idle}
spec:
  automountServiceAccountToken: false
  containers: [{name: idle, image: 'testbed/pause:1', imagePullPolicy: Never}]
";
    // The service account of a new namespace comes a moment after it.
    eventually("the pod is admitted", IN_TIME, async || {
        bed.try_apply(&namespace, pod).await.status.success().then_some(())
    })
    .await;
    bed.kubectl(&[
        "wait",
        "-n",
        &namespace,
        "--for=condition=Ready",
        "--timeout=60s",
        "pod/idle",
    ])
    .await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn certlets_run_side_by_side_end_when_asked_and_die_when_killed() {
    let bed = Bed::attach().await;
    bed.install_crds().await;
    let first = Certlet::start(&bed, &[]).await;
    let second = Certlet::launch(&bed).leader_election().args(&["--v=4"]).ready().await;
    assert_ne!(first.metrics_address(), second.metrics_address());
    let (status, metrics) = first.page("/metrics").await.unwrap();
    assert_eq!(status, 200);
    assert!(metrics.contains("# EOF") || metrics.contains("# HELP"), "{metrics}");
    assert!(first.memory_kib()[1] > 1024);
    let status = first.stop().await;
    assert!(
        status.success(),
        "SIGTERM is not a failure: {status}; log:\n{}",
        first.log()
    );
    second.kill();
    assert!(second.page("/livez").await.is_err());
}
