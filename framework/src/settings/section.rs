//! A section: settings that belong together, declared once as a struct.

use serde::{Serialize, de::DeserializeOwned};

use super::value::{Ranged, Value};

/// Settings that belong together: the fields of a struct, each the variable `NAME__FIELD`.
///
/// [`section!`](crate::section) writes it. By hand it takes a struct with serde's derives that has a default for
/// each field, and the list of its fields.
pub trait Section: Serialize + DeserializeOwned + Default + Send + Sync + 'static {
    /// The section's name in upper case, for example `RUNTIME`; empty for variables without a section.
    const NAME: &'static str;

    /// Whether settings that nobody set are printed with their defaults.
    const PRINTS_DEFAULTS: bool = true;

    /// The fields, in the order in which they are printed.
    fn fields() -> Vec<Field>;

    /// Refuses values that can be read but not used: out of range, or at odds with each other.
    fn check(&self, checks: &mut Checks) {
        let _ = checks;
    }
}

/// What is known of one field.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its name as the struct spells it, for example `shutdown_deadline`.
    pub name: &'static str,
    /// What it is for.
    pub doc: &'static str,
    /// What to write, as it stands after "write".
    pub expected: String,
    /// What may be shown of a text that somebody wrote for it.
    pub redact: fn(&str) -> String,
}

impl Field {
    /// A field of type `T` that takes the values from `range.0` to `range.1`, if a range is given.
    #[must_use]
    pub fn of<T: Value>(
        name: &'static str,
        doc: &'static str,
        range: Option<(&'static str, &'static str)>,
    ) -> Self {
        let mut expected = T::expected();
        if let Some((min, max)) = range {
            expected += &format!(" (from {min} to {max})");
        }
        Self { name, doc: doc.trim(), expected, redact: T::redact }
    }
}

/// Collects what a section's [`check`](Section::check) refuses.
#[derive(Debug, Default)]
pub struct Checks {
    refused: Vec<(&'static str, String)>,
}

impl Checks {
    /// Refuses the value of `field`; `reason` says what would be right, and quotes no secret.
    pub fn refuse(&mut self, field: &'static str, reason: impl Into<String>) {
        self.refused.push((field, reason.into()));
    }

    /// Refuses the value of `field` if it is not from `min` to `max`, both written as the setting is.
    ///
    /// # Panics
    /// If `min` or `max` can't be read: a mistake in the section's declaration.
    pub fn range<T: Ranged>(&mut self, field: &'static str, value: &T, min: &str, max: &str) {
        if !value.within(&declared(field, min), &declared(field, max)) {
            self.refuse(field, format!("must be from {min} to {max}"));
        }
    }

    pub(super) fn into_refused(self) -> Vec<(&'static str, String)> {
        self.refused
    }
}

/// The value that a section's declaration gives as text.
///
/// # Panics
/// If it can't be read: a mistake in the declaration, found by the first test that loads the section.
#[must_use]
pub fn declared<T: Value>(field: &str, text: &str) -> T {
    match T::parse(text) {
        Ok(value) => value,
        Err(why) => panic!("the declaration of {field} says {text:?}: {why}"),
    }
}

/// The name of a section's field as a variable.
pub(super) fn variable(section: &str, field: &str) -> String {
    let field = field.to_uppercase();
    if section.is_empty() { field } else { format!("{section}__{field}") }
}

/// Declares a section: its name, and for each field what it is for, its type, its default and its range, the last
/// two written as a user writes them. `check = function` names a function that refuses values at odds with each
/// other. Needs `serde` among the dependencies.
///
/// ```
/// use std::time::Duration;
/// use pandaflow::settings::{Checks, Loader};
///
/// pandaflow::section! {
///     /// Limits of the risk manager.
///     pub struct Risk("RISK", check = day_before_week) {
///         /// Largest position.
///         pub max_position: u32 = "1000" in "1"..="1000000",
///         /// Most trades a day.
///         pub trades_a_day: u32 = "50",
///         /// Most trades a week.
///         pub trades_a_week: u32 = "200",
///     }
/// }
///
/// fn day_before_week(risk: &Risk, checks: &mut Checks) {
///     if risk.trades_a_day > risk.trades_a_week {
///         checks.refuse("trades_a_day", "must not be more than RISK__TRADES_A_WEEK");
///     }
/// }
///
/// let settings = Loader::new().section::<Risk>().load([("RISK__MAX_POSITION", "10")], "").unwrap();
/// assert_eq!(settings.section::<Risk>().unwrap().max_position, 10);
/// ```
#[macro_export]
macro_rules! section {
    (
        $(#[doc = $about:literal])*
        $vis:vis struct $name:ident ($section:literal $(, check = $check:path)?) {
            $(
                $(#[doc = $doc:literal])*
                $field_vis:vis $field:ident : $ty:ty = $default:literal $(in $min:literal ..= $max:literal)?,
            )*
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        $vis struct $name {
            $(
                $(#[doc = $doc])*
                #[doc = concat!("\n\nDefault: `", $default, "`." $(, " From `", $min, "` to `", $max, "`.")?)]
                #[serde(with = "pandaflow::settings::text")]
                $field_vis $field: $ty,
            )*
        }

        impl ::std::default::Default for $name {
            fn default() -> Self {
                Self { $( $field: $crate::settings::declared(stringify!($field), $default), )* }
            }
        }

        impl $crate::settings::Section for $name {
            const NAME: &'static str = $section;

            fn fields() -> ::std::vec::Vec<$crate::settings::Field> {
                ::std::vec![$(
                    $crate::settings::Field::of::<$ty>(
                        stringify!($field),
                        concat!($($doc),*),
                        $crate::section!(@range $($min, $max)?),
                    ),
                )*]
            }

            fn check(&self, checks: &mut $crate::settings::Checks) {
                $( $( checks.range(stringify!($field), &self.$field, $min, $max); )? )*
                $( $check(self, checks); )?
                let _ = checks;
            }
        }
    };
    (@range) => { ::std::option::Option::None };
    (@range $min:literal, $max:literal) => { ::std::option::Option::Some(($min, $max)) };
}
