//! Reads a list of options such as `name = "x", input(..), dedup`: unknown ones and duplicates are refused with the
//! list of what is known, and reading goes on behind a mistake.

use proc_macro2::TokenTree;
use syn::{Attribute, Ident, Meta, Result, Token, ext::IdentExt, parse::ParseStream};

use crate::{
    mistakes::Mistakes,
    names::{nearest, unknown},
};

/// The options of one place, and which were given already.
#[derive(Debug)]
pub(crate) struct Options {
    owner: &'static str,
    known: &'static [&'static str],
    repeatable: &'static [&'static str],
    given: Vec<&'static str>,
}

/// The key of an option: as it is known, and as it was written.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    /// The known name.
    pub(crate) name: &'static str,
    /// The token.
    pub(crate) token: Ident,
}

impl Options {
    /// The options that `owner` knows, each to be given once.
    pub(crate) fn new(owner: &'static str, known: &'static [&'static str]) -> Self {
        Self { owner, known, repeatable: &[], given: Vec::new() }
    }

    /// The same, with some that may be given several times.
    pub(crate) fn repeatable(mut self, repeatable: &'static [&'static str]) -> Self {
        self.repeatable = repeatable;
        self
    }

    /// Reads all options of an attribute `#[owner(..)]`; false if it has no list of them.
    pub(crate) fn read_attribute(
        &mut self,
        attribute: &Attribute,
        example: &str,
        mistakes: &mut Mistakes,
        option: impl FnMut(&Key, ParseStream<'_>, &mut Mistakes) -> Result<()>,
    ) -> bool {
        if !matches!(attribute.meta, Meta::List(_)) {
            mistakes.add(&attribute.meta, format!("expected `#[{example}]`"));
            return false;
        }
        let read = attribute.parse_args_with(|input: ParseStream<'_>| {
            self.read(input, mistakes, option);
            Ok(())
        });
        mistakes.take(read).is_some()
    }

    /// Reads options to the end of `input`; `option` reads the value of one.
    pub(crate) fn read(
        &mut self,
        input: ParseStream<'_>,
        mistakes: &mut Mistakes,
        mut option: impl FnMut(&Key, ParseStream<'_>, &mut Mistakes) -> Result<()>,
    ) {
        while !input.is_empty() {
            match self.key(input, mistakes) {
                Read::Key(key) => {
                    let read = option(&key, input, mistakes);
                    if mistakes.take(read).is_none() {
                        skip(input);
                    }
                }
                // A misspelt option is read as what it was meant to be, so that the typo is the only error.
                Read::Guess(key) => {
                    if option(&key, input, &mut Mistakes::default()).is_err() {
                        skip(input);
                    }
                }
                Read::Nothing => skip(input),
            }
            self.end_of_option(input, mistakes);
        }
    }

    fn key(&mut self, input: ParseStream<'_>, mistakes: &mut Mistakes) -> Read {
        let Ok(token) = input.call(Ident::parse_any) else {
            mistakes.push(input.error(format!("expected an option of `{}`: {}", self.owner, self.list())));
            return Read::Nothing;
        };
        let found = token.unraw().to_string();
        let known = self.known.iter().copied().find(|&known| known == found);
        let Some(name) = known.or_else(|| nearest(&found, self.known)) else {
            mistakes.add(&token, unknown(&format!("option of `{}`", self.owner), &found, self.known));
            return Read::Nothing;
        };
        let again = self.given.contains(&name) && !self.repeatable.contains(&name);
        self.given.push(name);
        if known.is_none() {
            mistakes.add(&token, unknown(&format!("option of `{}`", self.owner), &found, self.known));
        } else if again {
            mistakes.add(&token, format!("`{name}` is given twice: remove one"));
        }
        match (again, known) {
            (true, _) => Read::Nothing,
            (false, Some(_)) => Read::Key(Key { name, token }),
            (false, None) => Read::Guess(Key { name, token }),
        }
    }

    fn end_of_option(&self, input: ParseStream<'_>, mistakes: &mut Mistakes) {
        if !input.is_empty() && !input.peek(Token![,]) {
            mistakes.push(input.error(format!("expected `,` and the next option of `{}`", self.owner)));
            if !input.peek(Ident::peek_any) {
                skip(input);
            }
        }
        // At the end there is none.
        drop(input.parse::<Token![,]>());
    }

    fn list(&self) -> String {
        self.known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    }
}

enum Read {
    Key(Key),
    Guess(Key),
    Nothing,
}

/// Goes on to the next `,` or the end.
fn skip(input: ParseStream<'_>) {
    while !input.is_empty() && !input.peek(Token![,]) {
        drop(input.parse::<TokenTree>());
    }
}
