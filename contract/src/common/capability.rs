//! The optional capabilities of an abstraction, and sets of them (CAP-1).

/// Defines the capabilities of an abstraction: the enum `Capability`, whose numbers are those of the wire and below 16, and
/// the set `Capabilities`.
macro_rules! capabilities {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $name:literal;)+) => {
        /// An optional capability; the numbers are those of the wire.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize)]
        #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
        pub enum Capability {
            $($(#[$doc])* $variant = $number,)+
        }

        impl Capability {
            /// All of them, in the wire's order.
            pub const ALL: [Self; [$($number),+].len()] = [$(Self::$variant),+];

            /// Its name in the contract.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }

        impl std::fmt::Display for Capability {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }

        /// A set of capabilities.
        #[derive(Clone, Copy, PartialEq, Eq, Default)]
        pub struct Capabilities(u16);

        impl Capabilities {
            /// The core only.
            pub const NONE: Self = Self(0);
            /// Every capability of the contract.
            pub const ALL: Self = Self($(1 << $number)|+);

            /// This set with `capability` added.
            #[must_use]
            pub const fn with(self, capability: Capability) -> Self {
                Self(self.0 | 1 << capability as u16)
            }

            /// This set with `capability` removed.
            #[must_use]
            pub const fn without(self, capability: Capability) -> Self {
                Self(self.0 & !(1 << capability as u16))
            }

            /// Whether the set has `capability`.
            pub const fn contains(self, capability: Capability) -> bool {
                self.0 & 1 << capability as u16 != 0
            }

            /// The capabilities, in the wire's order.
            pub fn iter(self) -> impl Iterator<Item = Capability> {
                Capability::ALL.into_iter().filter(move |capability| self.contains(*capability))
            }
        }

        impl FromIterator<Capability> for Capabilities {
            fn from_iter<I: IntoIterator<Item = Capability>>(capabilities: I) -> Self {
                capabilities.into_iter().fold(Self::NONE, Self::with)
            }
        }

        impl std::fmt::Debug for Capabilities {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_set().entries(self.iter()).finish()
            }
        }
    };
}

pub(crate) use capabilities;
