//! What a certificate may be used for (CRT-17).

use super::wire_enum::wire_enum;

wire_enum! {
    /// A key usage or extended key usage by the name that Kubernetes gives it.
    pub enum KeyUsage {
        /// The digitalSignature bit; the same as `digital signature`.
        Signing = "signing",
        /// The digitalSignature bit.
        DigitalSignature = "digital signature",
        /// The contentCommitment bit (once nonRepudiation).
        ContentCommitment = "content commitment",
        /// The keyEncipherment bit.
        KeyEncipherment = "key encipherment",
        /// The keyAgreement bit.
        KeyAgreement = "key agreement",
        /// The dataEncipherment bit.
        DataEncipherment = "data encipherment",
        /// The keyCertSign bit.
        CertSign = "cert sign",
        /// The cRLSign bit.
        CrlSign = "crl sign",
        /// The encipherOnly bit.
        EncipherOnly = "encipher only",
        /// The decipherOnly bit.
        DecipherOnly = "decipher only",
        /// Any extended usage.
        Any = "any",
        /// TLS servers.
        ServerAuth = "server auth",
        /// TLS clients.
        ClientAuth = "client auth",
        /// Signing of programs.
        CodeSigning = "code signing",
        /// E-mail; the same as `s/mime`.
        EmailProtection = "email protection",
        /// E-mail.
        Smime = "s/mime",
        /// IPsec end systems.
        IpsecEndSystem = "ipsec end system",
        /// IPsec tunnels.
        IpsecTunnel = "ipsec tunnel",
        /// IPsec users.
        IpsecUser = "ipsec user",
        /// Time stamps.
        Timestamping = "timestamping",
        /// OCSP responses.
        OcspSigning = "ocsp signing",
        /// Microsoft's server gated cryptography.
        MicrosoftSgc = "microsoft sgc",
        /// Netscape's server gated cryptography.
        NetscapeSgc = "netscape sgc",
    }
}

/// What empty usages mean. `server auth` is not among them (NB-25).
pub const DEFAULT_USAGES: &[KeyUsage] = &[KeyUsage::DigitalSignature, KeyUsage::KeyEncipherment];
