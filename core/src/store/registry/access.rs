//! Access that requests need, and the scopes of its tokens
//! ([distribution, token scopes](https://distribution.github.io/distribution/spec/auth/scope/)).

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access<'a> {
    /// None; the credentials only have to be valid.
    LogIn,
    Pull,
    Push,
    /// Push, and pull from this repository, which a blob is mounted from.
    Mount(&'a str),
    Delete,
}

impl Access<'_> {
    /// Returns the scopes of the access to a repository.
    pub(super) fn scopes(self, repository: &str) -> Vec<String> {
        let own = |actions: &str| format!("repository:{repository}:{actions}");
        match self {
            Access::LogIn => Vec::new(),
            Access::Pull => vec![own("pull")],
            Access::Push => vec![own("pull,push")],
            Access::Mount(source) => vec![own("pull,push"), format!("repository:{source}:pull")],
            Access::Delete => vec![own("pull,push,delete")],
        }
    }

    /// Returns the scopes of the access, and those that the registry's challenge names for anything but the repository.
    pub(super) fn all_scopes(self, repository: &str, challenge: Option<&str>) -> Vec<String> {
        let mut scopes = self.scopes(repository);
        scopes.extend(others(challenge.unwrap_or_default(), repository).map(str::to_owned));
        scopes.dedup();
        scopes
    }
}

/// Returns a challenge's scopes without those for a repository.
pub(super) fn without(scopes: &str, repository: &str) -> String {
    others(scopes, repository).collect::<Vec<_>>().join(" ")
}

fn others<'a>(scopes: &'a str, repository: &str) -> impl Iterator<Item = &'a str> + use<'a> {
    let start = format!("repository:{repository}:");
    scopes.split(' ').filter(move |scope| !scope.is_empty() && !scope.starts_with(&start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_asked_for_what_is_done() {
        let scopes = |access: Access<'_>, scope| access.all_scopes("own/app", scope);
        assert_eq!(scopes(Access::Pull, None), ["repository:own/app:pull"]);
        assert_eq!(
            scopes(Access::Push, Some("repository:own/app:pull")),
            ["repository:own/app:pull,push"]
        );
        assert_eq!(scopes(Access::Delete, None), ["repository:own/app:pull,push,delete"]);
        let both = ["repository:own/app:pull,push", "repository:from/there:pull"];
        let mount = Access::Mount("from/there");
        assert_eq!(scopes(mount, Some("repository:from/there:pull")), both);
        assert_eq!(scopes(Access::LogIn, Some("aws")), ["aws"]);
    }

    #[test]
    fn the_source_of_a_mount_is_no_part_of_other_scopes() {
        let challenge = "repository:own/app:pull,push repository:from/there:pull aws";
        let rest = without(challenge, "from/there");
        assert_eq!(rest, "repository:own/app:pull,push aws");
        assert_eq!(
            Access::Push.all_scopes("own/app", Some(&rest)),
            ["repository:own/app:pull,push", "aws"]
        );
        assert_eq!(without(challenge, "from"), challenge);
    }
}
