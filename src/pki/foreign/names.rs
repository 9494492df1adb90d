//! Distinguished names.

use super::*;
use crate::pki::name::Name;

proptest! {
    #[test]
    fn subjects_are_written_as_x509_cert_writes_them(subject in subject()) {
        let ours = subject.to_name();
        prop_assert_eq!(ours.der(), foreign_subject(&subject).to_der().unwrap());
    }

    #[test]
    fn further_attributes_are_written_as_x509_cert_writes_them(attributes in proptest::collection::vec((dotted(), text()), 0..5)) {
        let ours = Name::default().with_attributes(&attributes).unwrap();
        let values: Vec<_> = attributes.iter().map(|(oid, value)| (oid.as_str(), std::slice::from_ref(value))).collect();
        prop_assert_eq!(ours.der(), foreign_name(&values).to_der().unwrap());
    }

    #[test]
    fn a_name_of_x509_cert_is_kept_byte_by_byte(subject in subject()) {
        let foreign = foreign_subject(&subject).to_der().unwrap();
        let name = Name::from_der(&foreign).unwrap();
        prop_assert_eq!(name.der(), foreign.as_slice());
        prop_assert_eq!(Subject::from_name(&name).common_name, subject.common_name);
    }
}
