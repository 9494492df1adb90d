//! Tests follow the code.
