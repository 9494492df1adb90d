//! Whose servers are believed.

use std::process::Command;
use std::sync::Arc;

use certlet::acme::Registry;
use certlet::acme::accounts::ensure;
use certlet::acme::transport::Settings;
use certlet::net::{ClientSettings, ExtraRoots, Trust, Unobserved};
use certlet::process::environment::Environment;

use super::server::{Options, Server};
use super::{client_with, rsa_key};

#[tokio::test]
#[ignore = "needs the test bed"]
async fn a_server_certificate_that_is_its_own_ca_is_believed_when_it_is_listed() {
    let server = Server::start(Options {
        certificate_is_a_ca: true,
        ..Options::default()
    })
    .await;
    client_with(&server, &rsa_key()).directory().await.unwrap();

    let registry = Registry::new(Settings::default(), Arc::new(Unobserved));
    let elsewhere = server.directory().replace("127.0.0.1", "127.0.0.2");
    let trust = Trust {
        ca_bundle: Some(server.ca_bundle()),
        skip_verify: false,
    };
    let client = registry
        .client(&server.directory(), &Trust::default(), &rsa_key())
        .unwrap();
    let error = client.directory().await.unwrap_err().to_string();
    assert!(error.contains("certificate"), "{error}");
    assert!(
        registry
            .client(&elsewhere, &trust, &rsa_key())
            .unwrap()
            .directory()
            .await
            .is_err(),
        "another name"
    );
}

#[tokio::test]
#[ignore = "needs the test bed"]
async fn trust_is_as_narrow_as_the_issuer_says() {
    let [server, other] = [
        Server::start(Options::default()).await,
        Server::start(Options::default()).await,
    ];
    let registry = Registry::new(Settings::default(), Arc::new(Unobserved));
    let directory = async |trust: Trust| {
        registry
            .client(&server.directory(), &trust, &rsa_key())
            .unwrap()
            .directory()
            .await
    };
    let unknown = directory(Trust::default()).await.unwrap_err();
    assert!(unknown.to_string().contains("spec.acme.caBundle"), "{unknown}");
    assert!(
        directory(Trust {
            ca_bundle: Some(other.ca_bundle()),
            skip_verify: false
        })
        .await
        .is_err()
    );
    assert!(
        directory(Trust {
            ca_bundle: Some(server.ca_bundle()),
            skip_verify: false
        })
        .await
        .is_ok()
    );
    assert!(
        directory(Trust {
            ca_bundle: None,
            skip_verify: true
        })
        .await
        .is_ok()
    );

    // A folder of certificates, one of them garbage.
    let folder = server.folder().join("roots");
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(server.ca_file(), folder.join("test-ca.pem")).unwrap();
    std::fs::write(folder.join("garbage.pem"), "garbage").unwrap();
    let extra_roots = ExtraRoots {
        file: None,
        directories: vec![folder],
    };
    let registry = Registry::new(
        Settings {
            client: ClientSettings {
                extra_roots,
                ..ClientSettings::default()
            },
            ..Settings::default()
        },
        Arc::new(Unobserved),
    );
    registry
        .client(&server.directory(), &Trust::default(), &rsa_key())
        .unwrap()
        .directory()
        .await
        .unwrap();
}

/// The variables of a process can only be set from outside, so the test starts itself with them.
#[tokio::test]
#[ignore = "needs the test bed"]
async fn a_server_is_reached_whose_ca_is_known_only_by_ssl_cert_file() {
    const TEST: &str = "trust::a_server_is_reached_whose_ca_is_known_only_by_ssl_cert_file";
    if let Ok(directory) = std::env::var("CERTLET_TEST_DIRECTORY") {
        let settings = Settings {
            client: ClientSettings {
                extra_roots: (&Environment::read()).into(),
                ..ClientSettings::default()
            },
            ..Settings::default()
        };
        let registry = Registry::new(settings, Arc::new(Unobserved));
        let client = registry.client(&directory, &Trust::default(), &rsa_key()).unwrap();
        let made = ensure(&client, "", None, None).await.unwrap();
        assert!(made.created);
        return;
    }
    let server = Server::start(Options::default()).await;
    let run = |variables: &[(&str, &std::path::Path)]| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args([TEST, "--exact", "--ignored"])
            .env("CERTLET_TEST_DIRECTORY", server.directory());
        command
            .env_remove("SSL_CERT_FILE")
            .env_remove("SSL_CERT_DIR")
            .envs(variables.iter().copied());
        let output = command.output().unwrap();
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    };
    let (without, output) = run(&[]);
    assert!(!without && output.contains("SSL_CERT_FILE"), "{output}");
    let (with, output) = run(&[("SSL_CERT_FILE", &server.ca_file())]);
    assert!(with && output.contains("1 passed"), "{output}");
}
