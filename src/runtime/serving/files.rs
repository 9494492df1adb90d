//! A key pair from files. They are read often and not watched: the kubelet replaces files of Secrets by links, which watches miss.

use std::{path::Path, sync::Arc, time::Duration};

use rustls::sign::CertifiedKey;
use tokio::{fs::File, io::AsyncReadExt, time::sleep};

use super::{FilePair, Serving};
use crate::pki::{
    certificate::CertificateInfo,
    chain::{SizeLimits, parse_chain},
    hidden::Hidden,
    key::{PrivateKey, sha256},
    serving::certified_key,
};

/// Interval at which the files are read. cert-manager's is 10 s.
const INTERVAL: Duration = Duration::from_secs(5);
/// Wait before a second attempt: one file may have been replaced before the other.
const SECOND_ATTEMPT: Duration = Duration::from_millis(200);
/// Time limit for reading one file, which may be on a network or not a file at all.
const READ_TIME: Duration = Duration::from_secs(5);

/// Keeps `serving` at what the files contain.
pub(super) async fn follow(serving: Arc<Serving>, files: FilePair, limits: SizeLimits) {
    let mut served = None;
    loop {
        let mut read = load(&files, &limits, served).await;
        if read.is_err() {
            sleep(SECOND_ATTEMPT).await;
            read = load(&files, &limits, served).await;
        }
        match read {
            Ok(None) => serving.works(),
            Ok(Some(Loaded { pair, leaf, digest })) => {
                serving.install(pair, &leaf);
                served = Some(digest);
            }
            Err(why) => serving.failed(&why),
        }
        sleep(INTERVAL).await;
    }
}

/// A pair, and the digest of the files.
struct Loaded {
    pair: CertifiedKey,
    leaf: CertificateInfo,
    digest: [u8; 32],
}

/// The pair in the files; `None` if it is the one that is served.
async fn load(files: &FilePair, limits: &SizeLimits, served: Option<[u8; 32]>) -> Result<Option<Loaded>, String> {
    let FilePair { certificate, key } = files;
    let in_file = |file: &Path, why: &dyn std::fmt::Display| format!("{}: {why}", file.display());
    let chain_pem = read(certificate, limits.chain).await?;
    let key_pem = read(key, limits.key).await?;
    let digest = sha256(&[sha256(chain_pem.expose()), sha256(key_pem.expose())].concat());
    if served == Some(digest) {
        return Ok(None);
    }
    let chain = parse_chain(chain_pem.expose(), limits.chain).map_err(|error| in_file(certificate, &error))?;
    let first = chain.first().map(Vec::as_slice).unwrap_or_default();
    let leaf = CertificateInfo::parse(first).map_err(|error| in_file(certificate, &error))?;
    let (key_of_pem, _) = PrivateKey::from_pem(key_pem.expose()).map_err(|error| in_file(key, &error))?;
    let pair = certified_key(chain, &key_of_pem).map_err(|error| in_file(key, &error))?;
    Ok(Some(Loaded { pair, leaf, digest }))
}

/// The content of a file of at most `limit` bytes.
async fn read(file: &Path, limit: usize) -> Result<Hidden<Vec<u8>>, String> {
    let failed = |why: &dyn std::fmt::Display| format!("{}: {why}", file.display());
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let content = async {
        // room for all of it, so that no copy of a key is left behind
        let mut content = Hidden::new(Vec::with_capacity(limit.saturating_add(1)));
        let opened = File::open(file).await?;
        opened.take(most).read_to_end(content.expose_mut()).await?;
        Ok::<_, std::io::Error>(content)
    };
    let content = tokio::time::timeout(READ_TIME, content).await;
    let content = content.map_err(|_| failed(&"it could not be read in time"))?;
    let content = content.map_err(|error| failed(&error))?;
    if content.expose().len() > limit {
        return Err(failed(&format_args!("it has more than {limit} bytes")));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: &str) -> (String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let parameters = rcgen::CertificateParams::new([name.to_owned()]).unwrap();
        (parameters.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    #[tokio::test]
    async fn a_pair_is_loaded_when_it_changes_and_what_is_wrong_with_files_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let files = FilePair {
            certificate: dir.path().join("tls.crt"),
            key: dir.path().join("tls.key"),
        };
        let limits = SizeLimits::default();
        let failure = async |files: &FilePair| load(files, &limits, None).await.err().unwrap();
        let missing = failure(&files).await;
        assert!(missing.contains("tls.crt: No such file"), "{missing}");

        let (certificate, key) = pair("a.example");
        std::fs::write(&files.certificate, &certificate).unwrap();
        std::fs::write(&files.key, &key).unwrap();
        let loaded = load(&files, &limits, None).await.unwrap().unwrap();
        assert_eq!(loaded.leaf.sans.dns, ["a.example"]);
        assert!(load(&files, &limits, Some(loaded.digest)).await.unwrap().is_none());

        std::fs::write(&files.key, pair("b.example").1).unwrap();
        let other = failure(&files).await;
        assert!(
            other.ends_with("tls.key: the private key is not the one of the certificate"),
            "{other}"
        );
        std::fs::write(&files.key, "a".repeat(limits.key + 1)).unwrap();
        assert!(failure(&files).await.contains("it has more than"));
        std::fs::write(&files.certificate, "no PEM").unwrap();
        std::fs::write(&files.key, &key).unwrap();
        let damaged = failure(&files).await;
        assert!(damaged.contains("tls.crt: "), "{damaged}");
    }
}
