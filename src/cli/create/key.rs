//! The file of a new private key: it takes its name only when the request exists, so that the key of an earlier request is not lost.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{
    cli::{
        ca::{Output, write_files},
        target::failed,
    },
    cluster::client::Unreachable,
};

/// HTTP status of an API server that gave up waiting: the request may exist.
const GATEWAY_TIMEOUT: u16 = 504;

/// Why a request was not created, as a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NotCreated {
    /// It does not exist.
    Refused(String),
    /// There was no answer: it may exist.
    Unknown(String),
}

impl NotCreated {
    /// From the error of the API call. `what` begins the sentence.
    pub(super) fn new(what: &str, error: &kube::Error) -> Self {
        let is_refusal = matches!(error, kube::Error::Api(status) if status.code != GATEWAY_TIMEOUT)
            || matches!(error, kube::Error::Service(cause) if cause.is::<Unreachable>());
        let sentence = failed(what, error);
        if is_refusal {
            Self::Refused(sentence)
        } else {
            Self::Unknown(sentence)
        }
    }
}

/// A new key in its file, or beside it if the file exists: `NAME.key.new`.
#[derive(Debug)]
pub(super) struct NewKey {
    path: PathBuf,
    wanted: PathBuf,
}

impl NewKey {
    /// Writes the key before its request is sent: a certificate without its key is of no use.
    ///
    /// # Errors
    /// A sentence, if the file cannot be written, or a key of an earlier call is beside it.
    pub(super) fn store(wanted: &Path, content: &[u8]) -> Result<Self, String> {
        let path = if exists(wanted) {
            beside(wanted)
        } else {
            wanted.to_owned()
        };
        if exists(&path) {
            return Err(format!(
                "{} exists: it may be the key of a request whose creation was not confirmed. Move it, or remove it",
                path.display()
            ));
        }
        let output = Output {
            path: path.clone(),
            content,
            is_secret: true,
        };
        write_files(&[output], false).map_err(|error| error.to_string())?;
        let wanted = wanted.to_owned();
        Ok(Self { path, wanted })
    }

    /// Gives the file its name: the request exists.
    ///
    /// # Errors
    /// A sentence that names the file that the key is in.
    pub(super) fn keep(self) -> Result<(), String> {
        if self.path == self.wanted {
            return Ok(());
        }
        fs::rename(&self.path, &self.wanted).map_err(|error| {
            format!(
                "the request was created, and its key is in {}: cannot rename it to {}: {error}",
                self.path.display(),
                self.wanted.display()
            )
        })
    }

    /// The error to report. The key is removed if it belongs to no request.
    pub(super) fn without_request(self, error: NotCreated) -> String {
        match error {
            NotCreated::Refused(why) => {
                // report the first error
                drop(fs::remove_file(&self.path));
                why
            }
            NotCreated::Unknown(why) => format!(
                "{}. The request may exist; its key is in {}",
                why.trim_end_matches('.'),
                self.path.display()
            ),
        }
    }
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}
