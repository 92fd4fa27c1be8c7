//! The secrets that a connection sends. A registry may echo them in an error, as debugging proxies do.

use std::error::Error as StdError;
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD as BASE64;

use super::{Credentials, Secret};
use crate::error::error_chain;

/// Number of tokens that are remembered. Each connection uses one for each kind of access, and renews them.
const MAX_TOKENS: usize = 32;

/// The secrets of one connection.
pub(super) struct SentSecrets {
    /// The password or the identity token, and how they are sent.
    own: Vec<String>,
    tokens: Mutex<Vec<Secret>>,
}

impl SentSecrets {
    pub(super) fn new(credentials: &Credentials) -> SentSecrets {
        let own = match credentials {
            Credentials::Anonymous => Vec::new(),
            Credentials::Basic { username, password } => vec![
                BASE64.encode(format!("{username}:{}", password.reveal())),
                password.reveal().to_owned(),
            ],
            Credentials::IdentityToken(token) => vec![token.reveal().to_owned()],
        };
        SentSecrets { own, tokens: Mutex::default() }
    }

    /// Remembers a token from now on.
    pub(super) fn add(&self, token: &Secret) {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if tokens.len() == MAX_TOKENS {
            tokens.remove(0);
        }
        tokens.push(token.clone());
    }

    /// Returns a text from outside with `<redacted>` in the place of each secret.
    pub(super) fn mask(&self, text: &str) -> String {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let own = self.own.iter().map(String::as_str);
        let mut secrets: Vec<&str> = own.chain(tokens.iter().map(Secret::reveal)).collect();
        secrets.retain(|secret| !secret.is_empty());
        // A secret may be a part of another one.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        let (mut masked, mut rest) = (String::new(), text);
        while let Some(next) = rest.chars().next() {
            match secrets.iter().find_map(|secret| rest.strip_prefix(secret)) {
                Some(after) => {
                    masked.push_str("<redacted>");
                    rest = after;
                }
                None => {
                    masked.push(next);
                    rest = &rest[next.len_utf8()..];
                }
            }
        }
        masked
    }

    /// Returns an error that may quote a text from outside, or one that has its text without the secrets.
    pub(super) fn mask_error(
        &self,
        error: Box<dyn StdError + Send + Sync>,
    ) -> Box<dyn StdError + Send + Sync> {
        let text = error_chain(&*error);
        match self.mask(&text) {
            masked if masked == text => error,
            masked => masked.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_in_every_form() {
        let password = Secret::new("hunter2");
        let secrets = SentSecrets::new(&Credentials::Basic { username: "me".into(), password });
        secrets.add(&Secret::new("T0KEN"));
        secrets.add(&Secret::new("T0KEN-LONGER"));
        assert_eq!(
            secrets.mask("Basic bWU6aHVudGVyMg== me:hunter2, Bearer T0KEN-LONGER, ü T0KEN"),
            "Basic <redacted>== me:<redacted>, Bearer <redacted>, ü <redacted>"
        );
        assert_eq!(secrets.mask_error("hunter2".into()).to_string(), "<redacted>");
        assert_eq!(SentSecrets::new(&Credentials::Anonymous).mask("hunter2"), "hunter2");
    }
}
