//! What holds a secret cannot be written anywhere, by type.

/// `T` implements none of the traits by which it could be written anywhere.
macro_rules! unprintable {
    ($($secret:ty),* $(,)?) => {$(
        $crate::telemetry::unprintable!(@ $secret: std::fmt::Debug);
        $crate::telemetry::unprintable!(@ $secret: std::fmt::Display);
        $crate::telemetry::unprintable!(@ $secret: serde::Serialize);
    )*};
    (@ $secret:ty: $printing:path) => {
        const _: fn() = || {
            trait Ambiguous<A> {
                fn check() {}
            }
            impl<T: ?Sized> Ambiguous<()> for T {}
            struct Printable;
            impl<T: ?Sized + $printing> Ambiguous<Printable> for T {}
            // Two implementations fit if the type can be printed, and this does not compile.
            let _ = <$secret as Ambiguous<_>>::check;
        };
    };
}

pub(crate) use unprintable;
