//! Enums whose values the user writes by name.

/// A name that no value of an enum, or no entry of a table, has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {kind} `{name}`; choose one of {known}")]
pub struct UnknownName {
    kind: &'static str,
    name: String,
    known: String,
}

impl UnknownName {
    /// Describes a `name` that should have been one of `known`; `kind` is the noun for what it names.
    #[must_use]
    pub fn new(kind: &'static str, name: &str, known: &[&str]) -> UnknownName {
        UnknownName { kind, name: name.to_owned(), known: known.join(", ") }
    }
}

/// Defines an enum with a name for each value: `ALL`, `name`, `Display`, `FromStr`, `Serialize` and `Deserialize`. The
/// text after the enum's name is the noun for a value in error messages.
#[doc(hidden)]
#[macro_export]
macro_rules! named_enum {
    (
        $(#[$attribute:meta])*
        $visibility:vis enum $Enum:ident: $kind:literal {
            $($(#[$of_value:meta])* $Value:ident = $name:literal,)+
        }
    ) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $visibility enum $Enum {
            $($(#[$of_value])* $Value,)+
        }

        impl $Enum {
            /// Every value, in the order of declaration.
            pub const ALL: [$Enum; [$($name),+].len()] = [$($Enum::$Value),+];

            /// The name, as users write it and JSON has it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $($Enum::$Value => $name,)+
                }
            }
        }

        impl ::std::fmt::Display for $Enum {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl ::std::str::FromStr for $Enum {
            type Err = $crate::UnknownName;

            fn from_str(text: &str) -> Result<$Enum, $crate::UnknownName> {
                let found = $Enum::ALL.into_iter().find(|value| value.name() == text);
                found.ok_or_else(|| $crate::UnknownName::new($kind, text, &$Enum::ALL.map($Enum::name)))
            }
        }

        impl ::serde::Serialize for $Enum {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $Enum {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<$Enum, D::Error> {
                let text = ::std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
                text.parse().map_err(::serde::de::Error::custom)
            }
        }
    };
}
