//! The wire: serde and schema types of the custom resources, and the names of labels and annotations.
