//! Reading and writing files. Keys are readable by their owner only, and files are overwritten only with `--force`.

use std::fs::{self, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::Error;
use crate::pki::chain::parse_certificates;
use crate::pki::pem;

/// The largest accepted input, in bytes: more than any bundle of certificates.
const MAX_SIZE: u64 = 4 << 20;

/// A file to write.
#[derive(Debug)]
pub(in crate::cli) struct Output<'a> {
    pub(in crate::cli) path: PathBuf,
    pub(in crate::cli) content: &'a [u8],
    pub(in crate::cli) is_secret: bool,
}

/// Reads a file; `-` is standard input.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let failed = |why: &dyn std::fmt::Display| Error::File(format!("cannot read {}: {why}", path.display()));
    let mut content = Vec::new();
    let size = if path.as_os_str() == "-" {
        std::io::stdin().take(MAX_SIZE + 1).read_to_end(&mut content)
    } else {
        let file = fs::File::open(path).map_err(|error| failed(&error))?;
        file.take(MAX_SIZE + 1).read_to_end(&mut content)
    };
    match size {
        Ok(size) if size as u64 > MAX_SIZE => Err(failed(&"it is larger than 4 MiB")),
        Ok(_) if pem::is_utf16(&content) => Err(failed(&"it is UTF-16; save it as UTF-8")),
        Ok(_) => Ok(pem::without_mark(&content).to_vec()),
        Err(error) => Err(failed(&error)),
    }
}

/// The certificates of a file whose first certificate counts: a block before it that may be a certificate is an error.
pub(super) fn chain(path: &Path) -> Result<Vec<Vec<u8>>, Error> {
    let (certificates, passed_over) = bundle(path)?;
    match passed_over.first() {
        Some(what) => Err(Error::File(format!("{}: {what}", path.display()))),
        None => Ok(certificates),
    }
}

/// The certificates of a CA bundle, and sentences about the blocks that were skipped.
pub(crate) fn bundle(path: &Path) -> Result<(Vec<Vec<u8>>, Vec<String>), Error> {
    let in_file = |error: crate::pki::Error| Error::File(format!("{}: {error}", path.display()));
    let text = read(path)?;
    let scan = pem::scan(&text).map_err(in_file)?;
    let others = scan.blocks.iter().filter(|block| is_like_a_certificate(&block.label));
    let others = others.map(|block| {
        format!(
            "the PEM block in line {} is a {:?} and was skipped; convert it to a CERTIFICATE with \"openssl x509 -in FILE\"",
            block.line, block.label
        )
    });
    let passed_over = scan.skipped.iter().map(ToString::to_string).chain(others).collect();
    let certificates = parse_certificates(&text, text.len()).map_err(in_file)?;
    Ok((certificates, passed_over))
}

/// `TRUSTED CERTIFICATE` is openssl's with trust settings beside it, `X509 CERTIFICATE` its old name.
fn is_like_a_certificate(label: &str) -> bool {
    label != "CERTIFICATE" && (label.ends_with("CERTIFICATE") || label.starts_with("PKCS"))
}

/// Writes all files, or none if one exists and `force` is false.
pub(in crate::cli) fn write(outputs: &[Output<'_>], force: bool) -> Result<(), Error> {
    check(outputs, force)?;
    for output in outputs {
        write_one(output, force)
            .map_err(|error| Error::File(format!("cannot write {}: {error}", output.path.display())))?;
    }
    Ok(())
}

/// Refuses what [`write()`] would refuse, without writing.
pub(in crate::cli) fn check(outputs: &[Output<'_>], force: bool) -> Result<(), Error> {
    let taken: Vec<String> = outputs
        .iter()
        .filter(|output| output.path.symlink_metadata().is_ok())
        .map(|output| output.path.display().to_string())
        .collect();
    if force || taken.is_empty() {
        return Ok(());
    }
    let (verb, pronoun) = if taken.len() == 1 {
        ("exists", "it")
    } else {
        ("exist", "them")
    };
    Err(Error::File(format!(
        "{} {verb} already; --force overwrites {pronoun}, and flags name another file",
        taken.join(" and ")
    )))
}

/// Writes a temporary file and renames it, so that no reader sees a partial file and a key never has wider permissions.
fn write_one(output: &Output<'_>, force: bool) -> std::io::Result<()> {
    let mode = if output.is_secret { 0o600 } else { 0o644 };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode);
    if !force {
        return options.open(&output.path)?.write_all(output.content);
    }
    let mut name = output.path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".new-{}", std::process::id()));
    let beside = output.path.with_file_name(name);
    let written = options
        .open(&beside)
        .and_then(|mut file| file.write_all(output.content))
        .and_then(|()| fs::rename(&beside, &output.path));
    if written.is_err() {
        // report the first error
        let _left_behind = fs::remove_file(&beside);
    }
    written
}
