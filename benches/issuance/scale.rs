//! Ten thousand Certificates: memory, the time from start to all judged, a deleted Secret, and what idling costs.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    ca::{certificates, heading, issuers, row},
    ceiling,
    measure::{Program, issue, memory, number, settle, start},
    support::{Bed, IN_TIME, condition_is, until},
};

pub(crate) async fn run(bed: &Bed, program: &Program) {
    let count = number("BENCH_SCALE", 10_000);
    println!("\n{program}{count} Certificates from a CA");
    let ceiling = ceiling::rate(bed, &bed.new_namespace().await, count).await;
    settle(bed).await;
    let certlet = start(bed, program).await;
    let namespace = bed.new_namespace().await;
    issuers(bed, &namespace).await;
    let batch = issue(bed, &namespace, certificates(&namespace, "ca", count, "ECDSA", 256)).await;
    heading();
    row("ca", &batch, certlet.cpu_seconds(), ceiling);
    memory(&certlet);
    settle(bed).await;
    certlet.kill();
    drop(certlet);

    let started = Instant::now();
    let certlet = start(bed, program).await;
    let (judged, worked) = (started.elapsed(), certlet.cpu_seconds());
    bed.kubectl(&["delete", "secret", "-n", &namespace, "ca-7"]).await;
    let secrets = bed.objects("v1", "Secret", Some(&namespace)).await;
    until(
        &secrets,
        "ca-7",
        IN_TIME,
        |secret: Option<&kube::api::DynamicObject>| secret.is_some(),
    )
    .await;
    let again = bed.objects("cert-manager.io/v1", "Certificate", Some(&namespace)).await;
    until(&again, "ca-7", IN_TIME, condition_is("Ready", "True")).await;
    println!(
        "started again: all judged after {:.2} s ({worked:.2} s of processor time), a deleted Secret issued again {:.2} s after the start",
        judged.as_secs_f64(),
        started.elapsed().as_secs_f64()
    );
    settle(bed).await;

    let (writes, cpu, idle) = (bed.requests().await, certlet.cpu_seconds(), Duration::from_secs(30));
    tokio::time::sleep(idle).await;
    let used = (certlet.cpu_seconds() - cpu) / idle.as_secs_f64() * 100.0;
    let written = bed.requests().await.since(&writes).writes().total();
    println!(
        "idle for {} s: {used:.2} % of a core, {written} writes besides the Lease; since the second start:",
        idle.as_secs()
    );
    memory(&certlet);
}
