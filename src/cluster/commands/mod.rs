//! What commands of people read and write, beside what controllers do.

pub(crate) mod installed;
pub(crate) mod issuers;
pub(crate) mod names;
pub(crate) mod requests;
pub(crate) mod verdict;
