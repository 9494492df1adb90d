//! A wrapper for key material.

use std::fmt;

use zeroize::Zeroize;

/// A secret value. It is overwritten when it is dropped, its `Debug` is `[hidden]`, and it is neither printable nor
/// serialisable.
///
/// The value is only accessible with [`Hidden::expose`], so that every use can be found by name.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Hidden<T: Zeroize>(T);

impl<T: Zeroize> Hidden<T> {
    /// Wraps a value.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// A reference to the value.
    pub fn expose(&self) -> &T {
        &self.0
    }

    /// A mutable reference to the value.
    pub fn expose_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: Zeroize> From<T> for Hidden<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T: Zeroize> fmt::Debug for Hidden<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

impl<T: Zeroize> Drop for Hidden<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::Hidden;

    #[test]
    fn debug_output_does_not_show_the_value() {
        let secret = Hidden::new(b"PRIVATE".to_vec());
        assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "[hidden] Some([hidden])");
    }
}
