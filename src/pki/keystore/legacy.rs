//! Algorithms of PKCS#12 before PBES2: keys from a password by RFC 7292 appendix B, and encryption with RC2-40 and
//! 3DES. They are weak. They are kept because CRT-15 makes them the default, which existing programs expect.

use aws_lc_rs::digest;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit as _};
use cbc::{Decryptor, Encryptor};
use des::TdesEde3;
use rc2::Rc2;

use crate::pki::Error;
use crate::pki::hidden::Hidden;

/// The supported ciphers of RFC 7292 appendix C.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Cipher {
    Rc2With40Bits,
    TripleDes,
}

impl Cipher {
    /// The OID of the cipher, dotted.
    pub(super) fn oid(self) -> &'static str {
        match self {
            Self::Rc2With40Bits => "1.2.840.113549.1.12.1.6",
            Self::TripleDes => "1.2.840.113549.1.12.1.3",
        }
    }

    /// Encrypts with a key from the password.
    ///
    /// # Errors
    /// [`Error::Keystore`] if the crypto library fails.
    pub(super) fn encrypt(self, plain: &[u8], input: &Input<'_>) -> Result<Vec<u8>, Error> {
        let failed = |_| Error::Keystore("the keystore could not be encrypted".into());
        let (key, iv) = self.key_and_iv(input);
        match self {
            Self::Rc2With40Bits => {
                let cipher = Encryptor::<Rc2>::new_from_slices(key.expose(), iv.expose()).map_err(failed)?;
                Ok(cipher.encrypt_padded_vec::<Pkcs7>(plain))
            }
            Self::TripleDes => {
                let cipher = Encryptor::<TdesEde3>::new_from_slices(key.expose(), iv.expose()).map_err(failed)?;
                Ok(cipher.encrypt_padded_vec::<Pkcs7>(plain))
            }
        }
    }

    /// Decrypts; `None` if the password or the text is wrong.
    pub(super) fn decrypt(self, encrypted: &[u8], input: &Input<'_>) -> Option<Hidden<Vec<u8>>> {
        let (key, iv) = self.key_and_iv(input);
        let plain = match self {
            Self::Rc2With40Bits => Decryptor::<Rc2>::new_from_slices(key.expose(), iv.expose())
                .ok()?
                .decrypt_padded_vec::<Pkcs7>(encrypted),
            Self::TripleDes => Decryptor::<TdesEde3>::new_from_slices(key.expose(), iv.expose())
                .ok()?
                .decrypt_padded_vec::<Pkcs7>(encrypted),
        };
        plain.ok().map(Hidden::new)
    }

    fn key_and_iv(self, input: &Input<'_>) -> (Hidden<Vec<u8>>, Hidden<Vec<u8>>) {
        let sha1 = &digest::SHA1_FOR_LEGACY_USE_ONLY;
        let size = match self {
            Self::Rc2With40Bits => 5,
            Self::TripleDes => 24,
        };
        (
            derive(sha1, Purpose::Key, input, size),
            derive(sha1, Purpose::Iv, input, 8),
        )
    }
}

/// The purpose of derived bytes: the diversifier of RFC 7292 appendix B.3.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    Key = 1,
    Iv = 2,
    Mac = 3,
}

/// The input of a derivation.
#[derive(Clone, Copy)]
pub(super) struct Input<'a> {
    /// As [`bmp_password`] gives it.
    pub(super) password: &'a [u8],
    pub(super) salt: &'a [u8],
    pub(super) iterations: u32,
}

/// RFC 7292 appendix B.2, for hashes with blocks of 64 bytes.
pub(super) fn derive(
    hash: &'static digest::Algorithm,
    purpose: Purpose,
    input: &Input<'_>,
    size: usize,
) -> Hidden<Vec<u8>> {
    let diversifier = vec![purpose as u8; BLOCK];
    let mut state = [fill(input.salt), fill(input.password)].concat();
    let mut out = Vec::new();
    while out.len() < size {
        let mut digest = digest::digest(hash, &[diversifier.as_slice(), &state].concat());
        for _ in 1..input.iterations {
            digest = digest::digest(hash, digest.as_ref());
        }
        out.extend_from_slice(digest.as_ref());
        let addend: Vec<u8> = digest.as_ref().iter().copied().cycle().take(BLOCK).collect();
        state.chunks_mut(BLOCK).for_each(|block| add_with_one(block, &addend));
    }
    out.truncate(size);
    Hidden::new(out)
}

/// A password as PKCS#12 hashes it: UTF-16, high byte first, with a final NUL.
///
/// # Errors
/// [`Error::Keystore`] for characters beyond U+FFFF.
pub(super) fn bmp_password(password: &str) -> Result<Hidden<Vec<u8>>, Error> {
    if password.chars().any(|character| character > '\u{ffff}') {
        return Err(Error::Keystore(
            "the keystore's password has characters beyond U+FFFF, which PKCS#12 cannot hold".into(),
        ));
    }
    Ok(Hidden::new(
        password.encode_utf16().chain([0]).flat_map(u16::to_be_bytes).collect(),
    ))
}

const BLOCK: usize = 64;

/// The bytes, repeated up to whole blocks.
fn fill(bytes: &[u8]) -> Vec<u8> {
    bytes
        .iter()
        .copied()
        .cycle()
        .take(bytes.len().div_ceil(BLOCK) * BLOCK)
        .collect()
}

/// `block + addend + 1`, as big-endian numbers of the same size.
fn add_with_one(block: &mut [u8], addend: &[u8]) {
    let mut carry = 1_u16;
    for (byte, other) in block.iter_mut().zip(addend).rev() {
        let [high, low] = (u16::from(*byte) + u16::from(*other) + carry).to_be_bytes();
        *byte = low;
        carry = u16::from(high);
    }
}
