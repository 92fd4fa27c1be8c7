//! Owners of hosts, which decide who may receive a registry's credentials.

use super::address::address;

/// Domains whose hosts belong to different customers, in addition to those in the
/// [public suffix list](https://publicsuffix.org/), where providers register themselves.
const SHARED_DOMAINS: [&str; 26] = [
    "aliyuncs.com",
    "amazonaws.com",
    "amazonaws.com.cn",
    "appdomain.cloud",
    "azure.com",
    "azurecr.cn",
    "azurecr.io",
    "azurecr.us",
    "cloudsmith.com",
    "cloudsmith.io",
    "container-registry.com",
    "icr.io",
    "jfrog.io",
    "myhuaweicloud.com",
    "myqcloud.com",
    "nip.io",
    "ocir.io",
    "oraclecloud.com",
    "ovh.net",
    "pkg.dev",
    "scw.cloud",
    "sslip.io",
    "tencentcloudcr.com",
    "vultrcr.com",
    "windows.net",
    "yandexcloud.net",
];

/// Returns true if two hosts belong to the same owner.
pub(super) fn same_owner(a: &str, b: &str) -> bool {
    // A name with a dot at its end is the same name.
    let [a, b] = [a, b].map(|host| host.trim_end_matches('.').to_ascii_lowercase());
    if a == b {
        return true;
    }
    // The public suffix list would take the end of an IP address for a domain.
    if address(&a).is_some() || address(&b).is_some() {
        return false;
    }
    let is_shared = |host: &str| SHARED_DOMAINS.iter().any(|domain| is_below(host, domain));
    if is_shared(&a) || is_shared(&b) {
        return false;
    }
    let domain = |host: &str| {
        let domain = psl::domain(host.as_bytes())?;
        let is_known = domain.suffix().is_known();
        Some((String::from_utf8_lossy(domain.as_bytes()).into_owned(), is_known))
    };
    match (domain(&a), domain(&b)) {
        (Some((a, true)), Some((b, true))) => a == b,
        // Nobody registers names in private zones such as `cluster.local`: they name services of everybody there. Who has
        // a name also has those below it.
        (Some((_, false)), Some((_, false))) => is_below(&a, &b) || is_below(&b, &a),
        _ => false,
    }
}

/// Returns true if `host` is a name below `domain`, or `domain` itself.
fn is_below(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_one_owner() {
        for (a, b) in [
            ("registry-1.docker.io", "auth.docker.io"),
            ("registry.gitlab.com", "gitlab.com"),
            ("registry.firm.co.uk", "login.firm.co.uk"),
            ("R.firm.com", "r.firm.com."),
            ("me.azurecr.io", "me.azurecr.io"),
            ("registry.lan", "auth.registry.lan"),
            ("registry.gitlab.corp", "gitlab.corp"),
            ("10.0.0.1", "10.0.0.1"),
        ] {
            assert!(same_owner(a, b) && same_owner(b, a), "{a} {b}");
        }
    }

    #[test]
    fn neighbours_on_a_shared_domain() {
        for (a, b) in [
            ("ghcr.io", "ghcr.io.evil.com"),
            ("firm.co.uk", "evil.co.uk"),
            ("me.github.io", "evil.github.io"),
            ("me.azurecr.io", "evil.azurecr.io"),
            ("me.azurecr.io", "azurecr.io"),
            ("1.dkr.ecr.us-east-1.amazonaws.com", "2.dkr.ecr.us-east-1.amazonaws.com"),
            ("1.dkr.ecr.us-east-1.amazonaws.com", "evil.us-east-1.elb.amazonaws.com"),
            ("1.dkr.ecr.cn-north-1.amazonaws.com.cn", "2.dkr.ecr.cn-north-1.amazonaws.com.cn"),
            ("registry.a.svc.cluster.local", "evil.b.svc.cluster.local"),
            ("registry.default.svc", "evil.default.svc"),
            ("registry.lan", "evil.lan"),
            ("ip-10-0-0-1.ec2.internal", "ip-10-0-0-2.ec2.internal"),
            ("me.jfrog.io", "evil.jfrog.io"),
            ("10.0.0.1.nip.io", "10.0.0.2.nip.io"),
            ("10.0.0.1", "10.0.0.2"),
            ("registry", "evil"),
        ] {
            assert!(!same_owner(a, b) && !same_owner(b, a), "{a} {b}");
        }
    }
}
