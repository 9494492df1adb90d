//! How a CertificateRequest becomes a certificate.
