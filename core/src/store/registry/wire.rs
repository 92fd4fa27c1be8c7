//! The connection to a registry: the one place where its requests are made, and where it is logged in to.
//!
//! `oci-client` gets tokens and moves blobs. Manifests are exchanged with `reqwest` directly, because of three
//! things that can't be had from `oci-client` 0.18: the answer's `Content-Type`, a limit to what is read, and a
//! push by digest that doesn't panic when the registry sends no `Location`.

use std::future::Future;
use std::time::Duration;

use oci_client::secrets::RegistryAuth;
use oci_client::token_cache::{RegistryToken, RegistryTokenType};
use oci_client::{Client, RegistryOperation};
use reqwest::header::HeaderValue;
use tokio::sync::OnceCell;

use super::super::Error;
use super::clients::{self, is_loopback};
use super::failure::{Context, Failure};
use super::{Credentials, RegistryOptions, Secret};
use crate::image::Reference;

/// What a token is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// To read.
    Pull,
    /// To read and write.
    Push,
}

/// What requests to the registry carry, once it has been asked what it wants.
#[derive(Clone)]
pub(super) enum Authorization {
    None,
    Basic { username: String, password: Secret },
    Bearer(Secret),
}

/// A connection to one repository.
pub(super) struct Wire {
    /// Host and port as users write them.
    registry: String,
    /// `registry/repository`.
    name: String,
    /// The repository, for `oci-client`.
    pub(super) image: oci_client::Reference,
    options: RegistryOptions,
    /// For blobs. It is given what [`Wire::authorize`] got, so that it doesn't ask for itself.
    pub(super) blobs: Client,
    /// For manifests.
    pub(super) http: reqwest::Client,
    for_pull: OnceCell<Authorization>,
    for_push: OnceCell<Authorization>,
}

impl Wire {
    /// # Errors
    /// Why there can be no client.
    pub(super) fn new(reference: &Reference, mut options: RegistryOptions) -> Result<Wire, String> {
        // Another part of the process may have chosen one; then that one is used.
        let _ = rustls::crypto::ring::default_provider().install_default();
        options.insecure |= is_loopback(reference.registry());
        let (registry, repository) = (reference.registry().to_owned(), reference.repository().to_owned());
        Ok(Wire {
            name: reference.name(),
            image: oci_client::Reference::with_tag(registry.clone(), repository, "latest".to_owned()),
            http: clients::for_manifests(&registry, &options)?,
            blobs: clients::for_blobs(&registry, &options)?,
            registry,
            options,
            for_pull: OnceCell::new(),
            for_push: OnceCell::new(),
        })
    }

    /// `registry/repository`.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Scheme, host and port that requests go to.
    fn origin(&self) -> String {
        let scheme = if self.options.insecure { "http" } else { "https" };
        format!("{scheme}://{}", self.image.resolve_registry())
    }

    /// The address of the manifest with this tag or digest
    /// ([distribution-spec, endpoints](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#endpoints)).
    pub(super) fn manifest_url(&self, name: &str) -> String {
        format!("{}/v2/{}/manifests/{name}", self.origin(), self.image.repository())
    }

    pub(super) fn options(&self) -> &RegistryOptions {
        &self.options
    }

    /// Logs in if that wasn't done yet, and carries `operation` out. Everything that is asked of a registry goes
    /// through here; `operation` can be repeated.
    pub(super) async fn attempt<T, F>(
        &self,
        access: Access,
        action: &str,
        operation: impl Fn(Authorization) -> F + Send,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Failure>> + Send,
    {
        let result = match self.authorize(access).await {
            Ok(authorization) => operation(authorization).await,
            Err(failure) => Err(failure),
        };
        result.map_err(|failure| self.explain(failure, action))
    }

    /// The error for users when `action` fails.
    pub(super) fn explain(&self, failure: Failure, action: &str) -> Error {
        failure.explain(&Context {
            action,
            registry: &self.registry,
            origin: &self.origin(),
            options: &self.options,
        })
    }

    /// What requests for `access` carry. The registry is asked once.
    async fn authorize(&self, access: Access) -> Result<Authorization, Failure> {
        let cell = match access {
            Access::Pull => &self.for_pull,
            Access::Push => &self.for_push,
        };
        cell.get_or_try_init(|| self.log_in(access)).await.cloned()
    }

    /// Asks the registry what it wants, and gets a token if that is one
    /// ([distribution, token authentication](https://distribution.github.io/distribution/spec/auth/token/)).
    async fn log_in(&self, access: Access) -> Result<Authorization, Failure> {
        let operation = match access {
            Access::Pull => RegistryOperation::Pull,
            Access::Push => RegistryOperation::Push,
        };
        let auth = self.registry_auth()?;
        // A client of its own. One that was given credentials would ask again before each request that needs none.
        let client = clients::for_tokens(&self.registry, &self.options).map_err(Failure::Client)?;
        let authorization =
            match (client.auth(&self.image, &auth, operation).await?, &self.options.credentials) {
                (Some(token), _) => Authorization::Bearer(header_safe(token)?),
                (None, Credentials::Basic { username, password }) => {
                    Authorization::Basic { username: username.clone(), password: password.clone() }
                }
                (None, Credentials::Anonymous) => Authorization::None,
            };
        self.hand_over(&authorization, access).await;
        Ok(authorization)
    }

    fn registry_auth(&self) -> Result<RegistryAuth, Failure> {
        match &self.options.credentials {
            Credentials::Anonymous => Ok(RegistryAuth::Anonymous),
            // RFC 7617, section 2: all after the first colon would be taken for the password.
            Credentials::Basic { username, .. } if username.contains(':') => {
                Err(Failure::Credentials("there is a colon in the user name"))
            }
            Credentials::Basic { username, password } => {
                Ok(RegistryAuth::Basic(username.clone(), password.reveal().to_owned()))
            }
        }
    }

    /// Lets `oci-client` use what was got.
    async fn hand_over(&self, authorization: &Authorization, access: Access) {
        let (auth, token) = match authorization {
            Authorization::None => return,
            Authorization::Basic { username, password } => (
                RegistryAuth::Basic(username.clone(), password.reveal().to_owned()),
                RegistryTokenType::Basic(username.clone(), password.reveal().to_owned()),
            ),
            Authorization::Bearer(token) => (
                RegistryAuth::Bearer(token.reveal().to_owned()),
                RegistryTokenType::Bearer(RegistryToken::Token { token: token.reveal().to_owned() }),
            ),
        };
        self.blobs.store_auth_if_needed(self.image.resolve_registry(), &auth).await;
        // A token to push is one to pull as well.
        self.blobs.tokens.insert(&self.image, RegistryOperation::Pull, token.clone()).await;
        if access == Access::Push {
            self.blobs.tokens.insert(&self.image, RegistryOperation::Push, token).await;
        }
    }
}

impl Authorization {
    /// Adds the header to a request to the registry itself.
    pub(super) fn apply(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match self {
            Authorization::None => request,
            Authorization::Basic { username, password } => {
                request.basic_auth(username, Some(password.reveal()))
            }
            Authorization::Bearer(token) => request.bearer_auth(token.reveal()),
        }
    }
}

/// The result of `operation`, unless it takes too long.
pub(super) async fn within<T, E: Into<Failure>>(
    limit: Duration,
    operation: impl Future<Output = Result<T, E>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(limit, operation).await {
        Ok(result) => result.map_err(Into::into),
        Err(_) => Err(Failure::Stalled(limit)),
    }
}

/// `oci-client` panics over a token that can't be in a header.
fn header_safe(token: String) -> Result<Secret, Failure> {
    match HeaderValue::from_str(&token) {
        Ok(_) => Ok(Secret::new(token)),
        Err(_) => Err(Failure::Protocol("its token can't be sent in a header".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_with_a_line_break_is_refused() {
        assert!(header_safe("a.b-c".to_owned()).is_ok());
        assert!(matches!(header_safe("a\r\nb: c".to_owned()), Err(Failure::Protocol(_))));
    }

    #[test]
    fn docker_hub_lives_elsewhere() {
        let wire = Wire::new(&"app:1".parse().unwrap(), RegistryOptions::default()).unwrap();
        assert_eq!(wire.manifest_url("1"), "https://index.docker.io/v2/library/app/manifests/1");
    }
}
