//! The connection to a registry: the one place where requests are made.
//!
//! [`Transport::send`] makes one request, as who we are, and takes an answer that says no for an error; [`Transport::with_retries`]
//! carries an operation of some requests out, again if it may then succeed, and names it in the error.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::header::LOCATION;
use reqwest::{RequestBuilder, Response, Url};

use super::super::{Error, Name};
use super::auth::{Access, Auth, Authorization};
use super::clients::{Clients, is_loopback};
use super::request_error::{Context, ErrorResponse, RequestError};
use super::{RegistryError, RegistryOptions, Tls};
use crate::image::Digest;

/// How often one request may be made as somebody else: once when we are unknown, once when a token has ended.
const MOST_RENEWALS: usize = 2;

/// A connection to one repository.
pub(super) struct Transport {
    /// Host and port as users write them.
    registry: String,
    repository: String,
    /// Scheme, host and port that requests go to.
    origin: Url,
    options: RegistryOptions,
    clients: Clients,
    auth: Auth,
    /// Whether it was ever heard of.
    answered: AtomicBool,
}

impl Transport {
    pub(super) fn new(
        registry: &str,
        repository: &str,
        mut options: RegistryOptions,
    ) -> Result<Transport, RegistryError> {
        // Files for TLS say that there is some, also on this machine.
        options.insecure |= is_loopback(registry) && options.tls == Tls::default();
        let origin = origin(registry, options.insecure)?;
        let clients = Clients::new(registry, &options)?;
        let auth = Auth::new(&options, origin.clone(), repository, clients.tokens.clone());
        let (registry, repository) = (registry.to_owned(), repository.to_owned());
        Ok(Transport {
            registry,
            repository,
            origin,
            options,
            clients,
            auth,
            answered: AtomicBool::new(false),
        })
    }

    /// `registry/repository`.
    pub(super) fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    pub(super) fn options(&self) -> &RegistryOptions {
        &self.options
    }

    pub(super) fn clients(&self) -> &Clients {
        &self.clients
    }

    /// The address of something in the repository
    /// ([distribution-spec, endpoints](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#endpoints)).
    pub(super) fn url(&self, path: &str) -> Url {
        let mut url = self.origin.clone();
        url.set_path(&format!("/v2/{}/{path}", self.repository));
        url
    }

    /// The address of a blob.
    pub(super) fn blob_url(&self, digest: Digest) -> Url {
        self.url(&format!("blobs/{digest}"))
    }

    /// The address of the manifest with this tag or digest.
    pub(super) fn manifest_url(&self, name: &Name) -> Url {
        self.url(&format!("manifests/{name}"))
    }

    /// Where uploads begin.
    pub(super) fn uploads_url(&self) -> Url {
        self.url("blobs/uploads/")
    }

    /// Where uploads begin that the registry may spare us, because another of its repositories has the blob.
    pub(super) fn mount_url(&self, digest: Digest, from: &str) -> Url {
        let mut url = self.uploads_url();
        url.query_pairs_mut().append_pair("mount", &digest.to_string()).append_pair("from", from);
        url
    }

    /// The address that speaks of no repository.
    pub(super) fn root_url(&self) -> Url {
        root_url(&self.origin)
    }

    /// Whether an address is the registry's own, so that it may know who we are.
    fn is_ours(&self, url: &Url) -> bool {
        url.origin() == self.origin.origin()
    }

    /// Makes a request, again if it was refused for who we are and we can be somebody else. Everything that is asked
    /// of a registry goes through here. Credentials go to the registry's own address only.
    pub(super) async fn send(
        &self,
        access: Access,
        request: impl Fn() -> RequestBuilder + Send,
    ) -> Result<Response, RequestError> {
        let mut renewals = 0;
        loop {
            let (client, request) = request().build_split();
            let mut request = request?;
            let authorization = match self.is_ours(request.url()) {
                true => self.auth.authorization(access).await?,
                false => Authorization::None,
            };
            self.auth.apply(&authorization, &mut request)?;
            let response = client.execute(request).await?;
            self.answered.store(true, Ordering::Relaxed);
            if response.status().is_success() {
                return Ok(response);
            }
            let headers = response.headers().clone();
            let unknown = response.status().as_u16() == 401 && self.is_ours(response.url());
            let refusal = RequestError::Status(ErrorResponse::of(response).await);
            if !unknown || renewals == MOST_RENEWALS {
                return Err(refusal);
            }
            self.auth.challenged(access, &authorization, &headers, refusal).await?;
            renewals += 1;
        }
    }

    /// Where an answer says to go on
    /// ([distribution-spec, pushing blobs](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-blobs)).
    /// It may be elsewhere, where nobody is told who we are, but not less safe.
    pub(super) fn place(&self, response: &Response) -> Result<Option<Url>, RequestError> {
        let Some(location) = response.headers().get(LOCATION) else { return Ok(None) };
        let nowhere =
            || RequestError::protocol("it names a place for the upload that is no address");
        let location = location.to_str().map_err(|_| nowhere())?;
        let mut place = response.url().join(location).map_err(|_| nowhere())?;
        // A registry behind something that ends TLS for it often doesn't know that there is any.
        let same_host = place.host_str() == self.origin.host_str();
        if same_host && place.scheme() == "http" && self.origin.scheme() == "https" {
            let port = self.origin.port();
            place
                .set_scheme("https")
                .and_then(|()| place.set_port(port))
                .map_err(|()| nowhere())?;
        }
        match place.scheme() {
            "https" => Ok(Some(place)),
            "http" if self.origin.scheme() == "http" => Ok(Some(place)),
            _ => Err(RequestError::protocol(
                "it names a place for the upload that is not reached over https",
            )),
        }
    }

    /// Carries `operation` out, which is told how often it was tried before, until it succeeds or trying once more
    /// makes no sense.
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
            let error = match operation(attempts).await {
                Ok(result) => return Ok(result),
                Err(error) => error,
            };
            attempts += 1;
            let Some(wait) = self.backoff(attempts, &error) else {
                let action = if attempts > 1 {
                    format!("{action} in {attempts} attempts")
                } else {
                    action.to_owned()
                };
                return Err(self.explain(error, &action));
            };
            if let Some(heard) = &self.options.on_retry {
                heard.tell(&super::RetryEvent {
                    reason: self.explain(error, action).to_string(),
                    wait,
                    attempt: attempts + 1,
                    max_attempts: self.options.retry.max_attempts,
                });
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// How long to wait before the next of so many tries, if there should be one.
    fn backoff(&self, attempts: u32, error: &RequestError) -> Option<std::time::Duration> {
        // Somebody who never answered isn't there, and is asked once more: most often the name is wrong.
        let unheard = error.is_connect() && !self.answered.load(Ordering::Relaxed);
        if !error.is_transient() || (unheard && attempts > 1) {
            return None;
        }
        self.options.retry.backoff(attempts, error.retry_after())
    }

    /// The error for users when `action` fails.
    pub(super) fn explain(&self, error: RequestError, action: &str) -> Error {
        error.explain(&Context {
            action,
            registry: &self.registry,
            origin: self.origin.as_str().trim_end_matches('/'),
            options: &self.options,
        })
    }
}

/// Scheme, host and port of a registry. Docker Hub is not where its name says.
fn origin(registry: &str, insecure: bool) -> Result<Url, RegistryError> {
    let scheme = if insecure { "http" } else { "https" };
    let host = if registry == "docker.io" { "registry-1.docker.io" } else { registry };
    Url::parse(&format!("{scheme}://{host}/")).map_err(|error| RegistryError::Client {
        reason: format!("`{registry}` is no host: {error}"),
    })
}

/// The address at a registry that speaks of no repository.
pub(super) fn root_url(origin: &Url) -> Url {
    let mut url = origin.clone();
    url.set_path("/v2/");
    url
}

/// The body of an answer, unless it is longer than `limit`.
pub(super) async fn bounded_body(
    mut response: Response,
    limit: u64,
) -> Result<Vec<u8>, RequestError> {
    let too_large = |length: u64| length > limit;
    if response.content_length().is_some_and(too_large) {
        return Err(RequestError::TooLarge { limit });
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk);
        if too_large(body.len() as u64) {
            return Err(RequestError::TooLarge { limit });
        }
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use reqwest::ResponseBuilderExt;

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
        transport.place(&Response::from(answer.body("").unwrap()))
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
    fn who_we_are_is_for_the_registry_alone() {
        let ours = |url: &str| transport("r.io").is_ours(&Url::parse(url).unwrap());
        assert!(ours("https://r.io/v2/") && ours("https://r.io:443/v2/"));
        for url in
            ["http://r.io/v2/", "https://r.io:444/", "https://x.r.io/", "https://r.io.evil.com/"]
        {
            assert!(!ours(url), "{url}");
        }
    }
}
