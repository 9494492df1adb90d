//! Output of a new certificate: files, a Secret, or standard output.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::files::{self, Output};
use super::{Error, Surroundings};
use crate::cli::format::{Format, print};
use crate::cli::inspect::report::CertificateReport;
use crate::cli::secret::TlsSecret;
use crate::cli::target::Target;
use crate::pki::certificate::CertificateInfo;
use crate::pki::hidden::Hidden;
use crate::text::line;

/// Output flags for a certificate without a key. It can only be written to a file.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct FileArgs {
    /// Write the certificate to PREFIX.pem and its key, if one is generated, to PREFIX-key.pem
    #[arg(long, value_name = "PREFIX")]
    out: Option<PathBuf>,
    /// File for the certificate, instead of PREFIX.pem
    #[arg(long, value_name = "FILE", conflicts_with = "out")]
    cert_file: Option<PathBuf>,
    /// Overwrite existing files and data
    #[arg(long)]
    force: bool,
    /// Output format
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<Format>,
}

/// Output flags for a certificate and its key.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct DeliverArgs {
    #[command(flatten)]
    file: FileArgs,
    /// File for the key, instead of PREFIX-key.pem
    #[arg(long, value_name = "FILE", conflicts_with = "out")]
    key_file: Option<PathBuf>,
    /// Also store both in the cluster, in a Secret of type kubernetes.io/tls
    #[arg(long, value_name = "NAME")]
    secret: Option<String>,
    /// Write no files, only the Secret
    #[arg(long, requires = "secret")]
    no_files: bool,
    /// With "client", print the Secret and write nothing
    #[arg(long, value_name = "WHERE", requires = "secret")]
    dry_run: Option<DryRun>,
    #[command(flatten)]
    target: Target,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
enum DryRun {
    Client,
    None,
}

/// Files that may be written.
pub(super) struct Places {
    certificate: PathBuf,
    key: PathBuf,
}

/// The result to deliver.
pub(super) struct Product {
    /// The chain as PEM, leaf first.
    pub(super) certificate: Vec<u8>,
    /// The key as PEM, if it was generated here.
    pub(super) key: Option<Hidden<Vec<u8>>>,
}

/// The summary that is printed.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    files: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    certificate: CertificateReport,
}

impl From<FileArgs> for DeliverArgs {
    fn from(file: FileArgs) -> Self {
        Self {
            file,
            key_file: None,
            secret: None,
            no_files: false,
            dry_run: None,
            target: Target::default(),
        }
    }
}

impl DeliverArgs {
    /// The files to write. Existing files are refused here, before any work is done.
    pub(super) fn places(&self, default: &Path, with_key: bool) -> Result<Places, Error> {
        let prefix = self.file.out.as_deref().unwrap_or(default);
        let file = |ending: &str| {
            let mut name = prefix.file_name().unwrap_or_default().to_owned();
            name.push(ending);
            prefix.with_file_name(name)
        };
        let places = Places {
            certificate: self.file.cert_file.clone().unwrap_or_else(|| file(".pem")),
            key: self.key_file.clone().unwrap_or_else(|| file("-key.pem")),
        };
        self.check(&places, with_key)?;
        Ok(places)
    }

    /// Like [`DeliverArgs::places`], with the files to replace as the default.
    pub(super) fn places_of(&self, certificate: &Path, key: &Path, with_key: bool) -> Result<Places, Error> {
        if let Some(prefix) = &self.file.out {
            return self.places(prefix, with_key);
        }
        let places = Places {
            certificate: self.file.cert_file.clone().unwrap_or_else(|| certificate.to_owned()),
            key: self.key_file.clone().unwrap_or_else(|| key.to_owned()),
        };
        self.check(&places, with_key)?;
        Ok(places)
    }

    fn check(&self, places: &Places, with_key: bool) -> Result<(), Error> {
        if self.writes_files() {
            files::check(&places.outputs(&[], with_key.then_some(&[])), self.file.force)?;
        }
        Ok(())
    }

    fn writes_files(&self) -> bool {
        !self.no_files && self.dry_run != Some(DryRun::Client)
    }

    /// Writes the files and the Secret, and prints the summary. `key` is for a Secret if the key was not generated here.
    pub(super) fn deliver(
        &self,
        places: &Places,
        product: &Product,
        known_key: Option<&Hidden<Vec<u8>>>,
        surroundings: &mut Surroundings<'_>,
    ) -> Result<ExitCode, Error> {
        let secret = match (&self.secret, product.key.as_ref().or(known_key)) {
            (None, _) => None,
            (Some(name), Some(key)) => Some(TlsSecret::new(
                name,
                self.target.namespace.as_deref(),
                &product.certificate,
                key,
            )?),
            (Some(_), None) => {
                return Err(Error::Usage(
                    "a Secret needs the private key, which is not available: remove --secret".into(),
                ));
            }
        };
        if let (Some(secret), Some(DryRun::Client)) = (&secret, self.dry_run) {
            let text = secret.manifest(self.file.output.unwrap_or(Format::Yaml))?;
            surroundings.out.write_all(text.expose().as_bytes())?;
            return Ok(ExitCode::SUCCESS);
        }
        let mut summary = Summary {
            files: Vec::new(),
            secret: None,
            certificate: CertificateReport::new(&CertificateInfo::parse_pem(&product.certificate)?, surroundings.now),
        };
        if self.writes_files() {
            let key = product.key.as_ref().map(|key| key.expose().as_slice());
            let outputs = places.outputs(&product.certificate, key);
            files::write(&outputs, self.file.force)?;
            summary.files = outputs.iter().map(|output| output.path.display().to_string()).collect();
        }
        if let Some(secret) = &secret {
            let stored = surroundings.cluster.write_secret(&self.target, secret, self.file.force);
            summary.secret = Some(stored.map_err(Error::Cluster)?);
        }
        print(
            surroundings.out,
            self.file.output.unwrap_or_default(),
            &summary,
            Summary::table,
        )?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Places {
    fn outputs<'a>(&self, certificate: &'a [u8], key: Option<&'a [u8]>) -> Vec<Output<'a>> {
        let mut outputs = vec![Output {
            path: self.certificate.clone(),
            content: certificate,
            is_secret: false,
        }];
        outputs.extend(key.map(|content| Output {
            path: self.key.clone(),
            content,
            is_secret: true,
        }));
        outputs
    }
}

impl Summary {
    fn table(&self) -> String {
        let CertificateReport {
            subject, names, valid, ..
        } = &self.certificate;
        let mut lines = vec![subject.clone()];
        if !names.is_empty() {
            lines.push(format!("for {}", names.join(", ")));
        }
        lines.push(format!("valid {valid}"));
        lines.extend(self.files.iter().map(|file| format!("file {file}")));
        lines.extend(self.secret.iter().map(|secret| format!("Secret {secret}")));
        let lines: Vec<_> = lines.iter().map(|text| line(text)).collect();
        lines.join("\n  ") + "\n"
    }
}
