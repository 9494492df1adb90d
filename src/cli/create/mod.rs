//! `certlet create`: requests from the template of a Certificate, with a key that stays on this machine, as cmctl creates them.

mod key;
mod request;
mod template;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::{
    NEGATIVE,
    args::duration,
    ca::{Output, check_files, write_files},
    format::{Format, rows},
    target::{Connected, Target, failed, run_to_end},
};
use crate::cluster::commands::requests::{
    Answer, answer, create_request, create_signing_request, signer, signing_answer,
};
use key::{NewKey, NotCreated};
use request::Made;
use template::Template;

/// Interval between two reads of a request.
const INTERVAL: Duration = Duration::from_secs(1);

/// Create a request from a Certificate in a file, with a key that stays on this machine
#[derive(Args, Clone, Debug)]
pub(super) struct CreateArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Clone, Debug, Subcommand)]
enum What {
    /// Create a CertificateRequest from a Certificate in a file
    #[command(name = "certificaterequest", visible_alias = "cr", after_help = EXAMPLES)]
    Request(Box<RequestArgs>),
    /// Create a CertificateSigningRequest of Kubernetes from a Certificate in a file
    #[command(name = "certificatesigningrequest", visible_alias = "csr", after_help = SIGNING_EXAMPLES)]
    SigningRequest(Box<RequestArgs>),
}

const EXAMPLES: &str = "Exit status:
  0  the request was created and, with --fetch-certificate, signed
  3  the request was denied, has failed, or was not signed in time
  1  an error
  2  invalid arguments

Examples:
  certlet create certificaterequest my-cr --from-certificate-file certificate.yaml
  certlet create certificaterequest my-cr -f certificate.yaml --fetch-certificate --timeout 20m
  certlet create cr my-cr -f certificate.yaml -w -k my.key -c my.crt -n shop";

const SIGNING_EXAMPLES: &str = "It needs an approval: kubectl certificate approve NAME. certlet signs it with --feature-gates=ExperimentalCertificateSigningRequestControllers=true.

Exit status:
  0  the request was created and, with --fetch-certificate, signed
  3  the request was denied, has failed, or was not signed in time
  1  an error
  2  invalid arguments

Examples:
  certlet create certificatesigningrequest my-csr --from-certificate-file certificate.yaml
  certlet create csr my-csr -f certificate.yaml -w -c my.crt";

#[derive(Args, Clone, Debug)]
struct RequestArgs {
    /// Name of the request
    name: String,
    /// File with a Certificate, in YAML or JSON; - reads standard input
    #[arg(short = 'f', long, value_name = "FILE")]
    from_certificate_file: PathBuf,
    /// File for the new private key. Default: NAME.key
    #[arg(short = 'k', long, value_name = "FILE")]
    output_key_file: Option<PathBuf>,
    /// Wait for the certificate and store it in a file
    #[arg(short = 'w', long)]
    fetch_certificate: bool,
    /// File for the certificate, with --fetch-certificate. Default: NAME.crt
    #[arg(short = 'c', long, value_name = "FILE", requires = "fetch_certificate")]
    output_certificate_file: Option<PathBuf>,
    /// How long to wait for the certificate, with its unit (10m, 1h)
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration)]
    timeout: Duration,
    /// Overwrite existing files
    #[arg(long)]
    force: bool,
    /// Output format
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
    #[command(flatten)]
    target: Target,
}

/// What was done.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    kind: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    namespace: String,
    name: String,
    key_file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate_file: Option<String>,
    signed: bool,
    /// Why it is not signed.
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
}

/// Runs the command.
pub(super) fn run(args: &CreateArgs) -> ExitCode {
    let (kind, args) = match &args.what {
        What::Request(args) => (Kind::Request, args),
        What::SigningRequest(args) => (Kind::SigningRequest, args),
    };
    match run_to_end(create(kind, args)) {
        Ok(report) if !args.fetch_certificate || report.signed => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(NEGATIVE),
        Err(error) => super::fail(&error),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Request,
    SigningRequest,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Request => "CertificateRequest",
            Self::SigningRequest => "CertificateSigningRequest",
        }
    }
}

async fn create(kind: Kind, args: &RequestArgs) -> Result<Report, String> {
    let key_file = file(args.output_key_file.as_ref(), &args.name, "key");
    let certificate_file = args
        .fetch_certificate
        .then(|| file(args.output_certificate_file.as_ref(), &args.name, "crt"));
    if certificate_file.as_ref() == Some(&key_file) {
        return Err("the file for the key cannot be the file for the certificate".to_owned());
    }
    let outputs: Vec<Output<'_>> = std::iter::once(&key_file)
        .chain(&certificate_file)
        .map(|path| Output {
            path: path.clone(),
            content: &[],
            is_secret: true,
        })
        .collect();
    check_files(&outputs, args.force).map_err(|error| error.to_string())?;
    let template = Template::read(&args.from_certificate_file)?;
    let mut connected = args.target.connect().await?;
    connected.namespace = template.namespace(args.target.namespace.as_deref(), connected.namespace)?;
    let made = Made::new(&template)?;
    let stored = NewKey::store(&key_file, made.key.expose())?;
    if let Err(error) = send(kind, args, &connected, &template, &made).await {
        return Err(stored.without_request(error));
    }
    stored.keep()?;
    let mut report = Report {
        kind: kind.name(),
        namespace: if kind == Kind::Request {
            connected.namespace.clone()
        } else {
            String::new()
        },
        name: args.name.clone(),
        key_file: key_file.display().to_string(),
        ..Report::default()
    };
    if let Some(path) = certificate_file {
        let place = report.place();
        super::remark(&format!("{place} was created, waiting until it is signed"));
        match wait(kind, args, &connected).await? {
            Answer::Signed(certificate) => {
                write(&path, &certificate, args.force)?;
                report.certificate_file = Some(path.display().to_string());
                report.signed = true;
            }
            Answer::Refused(why) => report.message = format!("it will not be signed: {}", why.trim_end_matches('.')),
            Answer::Pending(why) => {
                let limit = args.timeout.as_secs();
                report.message = format!("it was not signed within {limit}s: {}", why.trim_end_matches('.'));
            }
        }
    }
    super::print_as(args.output, &report, Report::text)?;
    Ok(report)
}

impl Report {
    fn place(&self) -> String {
        if self.namespace.is_empty() {
            format!("{} {}", self.kind, self.name)
        } else {
            format!("{} {}/{}", self.kind, self.namespace, self.name)
        }
    }

    fn text(&self) -> String {
        rows(&[
            ("Created", self.place()),
            ("Private key", self.key_file.clone()),
            ("Certificate", self.certificate_file.clone().unwrap_or_default()),
            ("Not signed", self.message.clone()),
        ])
    }
}

fn file(given: Option<&PathBuf>, name: &str, ending: &str) -> PathBuf {
    given
        .cloned()
        .unwrap_or_else(|| PathBuf::from(format!("{name}.{ending}")))
}

fn write(path: &std::path::Path, content: &[u8], force: bool) -> Result<(), String> {
    let output = Output {
        path: path.to_owned(),
        content,
        is_secret: true,
    };
    write_files(&[output], force).map_err(|error| error.to_string())
}

async fn send(
    kind: Kind,
    args: &RequestArgs,
    Connected { client, namespace, .. }: &Connected,
    template: &Template,
    made: &Made,
) -> Result<(), NotCreated> {
    let created = match kind {
        Kind::Request => {
            let request = made.request(template, &args.name);
            create_request(client, namespace, &request).await
        }
        Kind::SigningRequest => {
            let signer = signer(client, &template.spec.issuer_ref, namespace).await;
            let signer = signer.map_err(NotCreated::Refused)?;
            let request = made.signing_request(template, &args.name, signer);
            create_signing_request(client, &request).await
        }
    };
    created.map_err(|error| NotCreated::new(&format!("cannot create the {} {}", kind.name(), args.name), &error))
}

/// The answer to the request, or what it waits for when the time is over.
async fn wait(
    kind: Kind,
    args: &RequestArgs,
    Connected { client, namespace, .. }: &Connected,
) -> Result<Answer, String> {
    let deadline = tokio::time::Instant::now() + args.timeout;
    loop {
        let found = match kind {
            Kind::Request => answer(client, namespace, &args.name).await,
            Kind::SigningRequest => signing_answer(client, &args.name).await,
        };
        let found = found.map_err(|error| failed(&format!("cannot read the {} {}", kind.name(), args.name), &error))?;
        let over = tokio::time::Instant::now() + INTERVAL > deadline;
        if over || !matches!(found, Answer::Pending(_)) {
            return Ok(found);
        }
        tokio::time::sleep(INTERVAL).await;
    }
}
