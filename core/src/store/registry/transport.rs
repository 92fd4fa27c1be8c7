//! Connection to one repository of a registry: authenticated requests, and operations with retries.
//!
//! [`Transport::send`] makes one authenticated request and turns an error status into an error.
//! [`Transport::with_retries`] runs an operation of one or several requests, repeats it after transient errors, and
//! names it in the final error.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::header::LOCATION;
use reqwest::{Method, RequestBuilder, Response, Url};
use tracing::{Instrument, debug_span};

use super::super::{Error, Name};
use super::access::Access;
use super::auth::{Auth, Authorization};
use super::clients::{Clients, Purpose, is_loopback};
use super::credentials::invalid;
use super::error_response::ErrorResponse;
use super::exchange::Pace;
use super::request_error::{Context, RequestError};
use super::{Credentials, RegistryError, RegistryOptions, RetryEvent, Tls};
use crate::error::error_chain;
use crate::image::Digest;
use crate::trace::OrTrace;

// One renewal if the request had no authorization, and one if its token has expired.
const MAX_RENEWALS: usize = 2;

pub(super) struct Transport {
    /// Host and port as users write them.
    registry: String,
    repository: String,
    /// Scheme, host and port that requests go to.
    origin: Url,
    options: RegistryOptions,
    clients: Arc<Clients>,
    auth: Auth,
    /// True once the registry has answered a request.
    answered: AtomicBool,
    /// True once the registry has refused a blob in one request.
    wants_chunks: AtomicBool,
}

impl Transport {
    pub(super) fn new(
        registry: &str,
        repository: &str,
        mut options: RegistryOptions,
    ) -> Result<Transport, RegistryError> {
        // Files for TLS show that the registry uses it, even on this machine.
        options.insecure |= is_loopback(registry) && options.tls == Tls::default();
        if options.insecure_if_anonymous && !options.insecure {
            check_anonymous(registry, &options.credentials)?;
            options.insecure = true;
        }
        let origin = origin(registry, options.insecure)?;
        let clients = Arc::new(Clients::new(&origin, &options)?);
        let auth = Auth::new(&options, origin.clone(), repository, Arc::clone(&clients));
        let (registry, repository) = (registry.to_owned(), repository.to_owned());
        let (answered, wants_chunks) = (AtomicBool::new(false), AtomicBool::new(false));
        Ok(Transport {
            registry,
            repository,
            origin,
            options,
            clients,
            auth,
            answered,
            wants_chunks,
        })
    }

    /// Returns `registry/repository`.
    pub(super) fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// Returns host and port as users write them.
    pub(super) fn registry(&self) -> &str {
        &self.registry
    }

    pub(super) fn repository(&self) -> &str {
        &self.repository
    }

    pub(super) fn options(&self) -> &RegistryOptions {
        &self.options
    }

    pub(super) fn wants_chunks(&self) -> bool {
        self.wants_chunks.load(Ordering::Relaxed)
    }

    /// Uploads all further blobs in chunks, so that no other is sent in vain.
    pub(super) fn want_chunks(&self) {
        self.wants_chunks.store(true, Ordering::Relaxed);
    }

    /// Returns the measure for a body that arrives from now on.
    pub(super) fn pace(&self) -> Pace {
        Pace::new(self.options.read_timeout)
    }

    /// Starts a request, which [`Transport::send`] sends.
    pub(super) fn request(&self, method: Method, url: &Url) -> RequestBuilder {
        self.clients.request(method, url)
    }

    /// Returns the URL of a path in the repository
    /// ([distribution-spec, endpoints](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#endpoints)).
    pub(super) fn url(&self, path: &str) -> Url {
        let mut url = self.origin.clone();
        url.set_path(&format!("/v2/{}/{path}", self.repository));
        url
    }

    pub(super) fn blob_url(&self, digest: Digest) -> Url {
        self.url(&format!("blobs/{digest}"))
    }

    pub(super) fn manifest_url(&self, name: &Name) -> Url {
        self.url(&format!("manifests/{name}"))
    }

    pub(super) fn uploads_url(&self) -> Url {
        self.url("blobs/uploads/")
    }

    /// Returns the URL of a mount from the repository `from`. If the registry refuses it, the same request has started
    /// an upload.
    pub(super) fn mount_url(&self, digest: Digest, from: &str) -> Url {
        let mut url = self.uploads_url();
        url.query_pairs_mut().append_pair("mount", &digest.to_string()).append_pair("from", from);
        url
    }

    pub(super) fn root_url(&self) -> Url {
        root_url(&self.origin)
    }

    /// Returns true for URLs of the registry itself, which may receive credentials.
    fn is_own(&self, url: &Url) -> bool {
        url.origin() == self.origin.origin()
    }

    /// Sends a request, and again with a new authorization if the registry answers 401 and we have one. All requests
    /// but those for tokens go through here.
    pub(super) async fn send(
        &self,
        access: Access<'_>,
        request: impl Fn() -> RequestBuilder + Send,
    ) -> Result<Response, RequestError> {
        self.send_for(Purpose::Exchange, access, request).await
    }

    /// Sends a request for this purpose, like [`Transport::send`].
    pub(super) async fn send_for(
        &self,
        purpose: Purpose,
        access: Access<'_>,
        request: impl Fn() -> RequestBuilder + Send,
    ) -> Result<Response, RequestError> {
        let refusal = match self.send_authorized(purpose, access, &request).await {
            Err(refusal) if refusal.status() == Some(401) => refusal,
            result => return result,
        };
        if !self.auth.forget_stored_login(access).await {
            return Err(refusal);
        }
        tracing::debug!("the registry refuses the stored login; reading without it");
        match self.send_authorized(purpose, access, &request).await {
            Err(again) if again.status() == Some(401) => Err(refusal),
            result => result,
        }
    }

    async fn send_authorized(
        &self,
        purpose: Purpose,
        access: Access<'_>,
        request: &(impl Fn() -> RequestBuilder + Send),
    ) -> Result<Response, RequestError> {
        let mut renewals = 0;
        loop {
            let mut request = request().build()?;
            // The location of an upload may be on another host, which must not receive credentials.
            let authorization = match self.is_own(request.url()) {
                true => self.auth.authorization(access).await?,
                false => Authorization::None,
            };
            self.auth.apply(&authorization, &mut request)?;
            let response = self.clients.send(purpose, request).await?;
            self.answered.store(true, Ordering::Relaxed);
            if response.status().is_success() {
                return Ok(response);
            }
            let headers = response.headers().clone();
            // After a redirect, another host may have answered. Its challenge could ask for our credentials.
            let is_challenge = response.status().as_u16() == 401 && self.is_own(response.url());
            let refusal = RequestError::Status(ErrorResponse::of(response, self.pace()).await);
            if !is_challenge || renewals == MAX_RENEWALS {
                return Err(refusal);
            }
            self.auth.renew(access, &authorization, &headers, refusal).await?;
            renewals += 1;
        }
    }

    /// Returns the URL where an upload continues
    /// ([distribution-spec, pushing blobs](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-blobs)).
    /// It may be on another host; it may not fall back from https to http.
    pub(super) fn upload_location(&self, response: &Response) -> Result<Option<Url>, RequestError> {
        let Some(location) = response.headers().get(LOCATION) else { return Ok(None) };
        let invalid = || RequestError::protocol("the location of an upload is not a URL");
        let location = location.to_str().or_trace("read the location").ok_or_else(invalid)?;
        let url = response.url().join(location);
        let mut url = url.or_trace("parse the location").ok_or_else(invalid)?;
        // Registries behind a proxy that terminates TLS often report http for themselves.
        let same_host = url.host_str() == self.origin.host_str();
        if same_host && url.scheme() == "http" && self.origin.scheme() == "https" {
            let port = self.origin.port();
            url.set_scheme("https").and_then(|()| url.set_port(port)).map_err(|()| invalid())?;
        }
        match url.scheme() {
            "https" => Ok(Some(url)),
            "http" if self.origin.scheme() == "http" => Ok(Some(url)),
            _ => Err(RequestError::protocol("the location of an upload does not use https")),
        }
    }

    /// Runs `operation` until it succeeds or another attempt is pointless. It receives the number of earlier attempts.
    pub(super) async fn with_retries<T, F>(
        &self,
        action: &str,
        operation: impl Fn(u32) -> F + Send,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, RequestError>> + Send,
    {
        let mut attempts = 0;
        loop {
            let span = debug_span!("attempt", attempt = attempts + 1);
            let error = match operation(attempts).instrument(span).await {
                Ok(result) => return Ok(result),
                Err(error) => error,
            };
            attempts += 1;
            let Some(wait) = self.backoff(attempts, &error) else {
                let action = match attempts {
                    1 => action.to_owned(),
                    _ => format!("{action} in {attempts} attempts"),
                };
                return Err(self.explain(error, &action));
            };
            let max_attempts = self.options.retry.max_attempts;
            let error = self.explain(error, action);
            tracing::debug!(error = error_chain(&error), ?wait, attempt = attempts + 1, "retry");
            if let Some(on_retry) = &self.options.on_retry {
                on_retry.call(&RetryEvent { error, wait, attempt: attempts + 1, max_attempts });
            }
            tokio::time::sleep(wait).await;
        }
    }

    fn backoff(&self, attempts: u32, error: &RequestError) -> Option<Duration> {
        // A host that has never answered is tried only twice, because a wrong name is the likelier cause.
        let never_answered = error.is_connect() && !self.answered.load(Ordering::Relaxed);
        if !error.is_transient() || (never_answered && attempts > 1) {
            return None;
        }
        self.options.retry.backoff(attempts, error.retry_after())
    }

    pub(super) fn explain(&self, error: RequestError, action: &str) -> Error {
        error.explain(&Context {
            action,
            registry: &self.registry,
            origin: self.origin.as_str().trim_end_matches('/'),
            options: &self.options,
            secrets: &self.auth.secrets,
        })
    }
}

/// Refuses credentials that only somebody other than the user wants to send over plain HTTP.
fn check_anonymous(registry: &str, credentials: &Credentials) -> Result<(), RegistryError> {
    if *credentials == Credentials::Anonymous {
        return Ok(());
    }
    let reason = format!(
        "the settings of a crate ask for plain HTTP, which would show them to everybody on the way; if you want that, \
         pass `--insecure-registry {registry}`"
    );
    Err(invalid(registry, reason))
}

/// Returns scheme, host and port of a registry.
fn origin(registry: &str, insecure: bool) -> Result<Url, RegistryError> {
    let scheme = if insecure { "http" } else { "https" };
    // Docker Hub's registry is not on the host that its images name.
    let host = if registry == "docker.io" { "registry-1.docker.io" } else { registry };
    Url::parse(&format!("{scheme}://{host}/")).map_err(|error| RegistryError::Client {
        reason: format!("`{registry}` is not a host"),
        source: Some(error.into()),
    })
}

/// Returns the URL of a registry that belongs to no repository.
pub(super) fn root_url(origin: &Url) -> Url {
    let mut url = origin.clone();
    url.set_path("/v2/");
    url
}

#[cfg(test)]
mod tests {
    use reqwest::ResponseBuilderExt;

    use super::super::Secret;
    use super::*;

    fn transport(registry: &str) -> Transport {
        Transport::new(registry, "library/app", RegistryOptions::default()).unwrap()
    }

    #[test]
    fn docker_hub_lives_elsewhere() {
        let url = transport("docker.io").url("manifests/1");
        assert_eq!(url.as_str(), "https://registry-1.docker.io/v2/library/app/manifests/1");
        assert_eq!(transport("[::1]:5000").root_url().as_str(), "http://[::1]:5000/v2/");
    }

    fn place(registry: &str, location: Option<&str>) -> Result<Option<Url>, RequestError> {
        let transport = transport(registry);
        let answer = http::Response::builder().url(transport.url("blobs/uploads/"));
        let answer =
            location.into_iter().fold(answer, |answer, location| answer.header(LOCATION, location));
        transport.upload_location(&Response::from(answer.body("").unwrap()))
    }

    #[test]
    fn uploads_go_on_where_the_registry_says_but_not_less_safely() {
        let of = |registry: &str, location: &str| {
            place(registry, Some(location)).ok().flatten().map(|url| url.to_string())
        };
        let at = |text: &str| Some(text.to_owned());
        assert_eq!(of("r.io", "/v2/x/1?a=b"), at("https://r.io/v2/x/1?a=b"));
        assert_eq!(of("r.io", "1?a=b"), at("https://r.io/v2/library/app/blobs/uploads/1?a=b"));
        assert_eq!(of("r.io", "https://other.io/1"), at("https://other.io/1"));
        assert_eq!(of("r.io", "http://r.io/v2/x/1"), at("https://r.io/v2/x/1"));
        assert_eq!(of("r.io:5000", "http://r.io/v2/x/1"), at("https://r.io:5000/v2/x/1"));
        assert_eq!(of("r.io", "http://other.io/1"), None);
        assert_eq!(of("r.io", "ftp://r.io/1"), None);
        assert_eq!(of("127.0.0.1:5000", "http://10.0.0.1/1"), at("http://10.0.0.1/1"));
        assert!(matches!(place("r.io", None), Ok(None)));
    }

    #[test]
    fn only_the_user_sends_credentials_over_plain_http() {
        let origin = |registry: &str, insecure: bool, credentials: Credentials| {
            let options = RegistryOptions {
                insecure,
                insecure_if_anonymous: true,
                credentials,
                ..RegistryOptions::default()
            };
            Transport::new(registry, "app", options).map(|transport| transport.origin.to_string())
        };
        let me = || Credentials::Basic { username: "me".into(), password: Secret::new("x") };
        assert_eq!(origin("r.lan", false, Credentials::Anonymous).unwrap(), "http://r.lan/");
        assert_eq!(origin("r.lan", true, me()).unwrap(), "http://r.lan/");
        assert_eq!(origin("localhost:5000", false, me()).unwrap(), "http://localhost:5000/");
        for credentials in [me(), Credentials::IdentityToken(Secret::new("x"))] {
            let error = origin("r.lan", false, credentials).unwrap_err();
            assert!(error.is_authentication(), "{error}");
            assert!(error.to_string().contains("--insecure-registry r.lan"), "{error}");
        }
    }

    #[test]
    fn who_we_are_is_for_the_registry_alone() {
        let ours = |url: &str| transport("r.io").is_own(&Url::parse(url).unwrap());
        assert!(ours("https://r.io/v2/") && ours("https://r.io:443/v2/"));
        for url in
            ["http://r.io/v2/", "https://r.io:444/", "https://x.r.io/", "https://r.io.evil.com/"]
        {
            assert!(!ours(url), "{url}");
        }
    }
}
