//! Settings that are one of a few words.

/// Declares an enum that is written as one of a few words. Whoever writes another is told the words.
///
/// ```
/// pandaflow::choice! {
///     /// How orders are rounded.
///     pub enum Rounding {
///         /// To the lower tick.
///         Down = "down",
///         /// To the nearest tick.
///         Nearest = "nearest",
///     }
/// }
/// assert_eq!(Rounding::Down.as_str(), "down");
/// ```
#[macro_export]
macro_rules! choice {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident {
            $( $(#[$variant_meta:meta])* $variant:ident = $word:literal, )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $vis enum $name {
            $( $(#[$variant_meta])* #[doc = concat!("\n\nWritten `", $word, "`.")] $variant, )+
        }

        impl $name {
            /// All of them, in the order of their declaration.
            $vis const ALL: &'static [Self] = &[$( Self::$variant, )+];

            /// The word for it.
            #[must_use]
            $vis const fn as_str(self) -> &'static str {
                match self {
                    $( Self::$variant => $word, )+
                }
            }
        }

        impl $crate::settings::Value for $name {
            fn expected() -> ::std::string::String {
                $crate::settings::one_of(&[$( $word, )+])
            }

            fn parse(text: &str) -> ::std::result::Result<Self, ::std::string::String> {
                match text.trim() {
                    $( $word => Ok(Self::$variant), )+
                    "" => Err("empty".into()),
                    _ => Err("none of the words".into()),
                }
            }

            fn show(&self) -> ::std::string::String {
                self.as_str().into()
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

/// The words as a sentence lists them: `pause, bypass or local`.
#[must_use]
pub fn one_of(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [all @ .., last] => format!("{} or {last}", all.join(", ")),
    }
}
