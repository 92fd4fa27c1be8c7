//! Plans, as settings make them.

use super::*;

fn plan(settings: Settings) -> Plan {
    Plan::resolve("app", &settings).unwrap()
}

fn formats(names: &[&str]) -> Settings {
    Settings {
        format: Some(names.iter().map(|name| name.parse().unwrap()).collect()),
        ..Settings::default()
    }
}

#[test]
fn the_level_fits_what_is_sent() {
    assert_eq!(plan(Settings::default()).optimize.level, Level::O1);
    assert_eq!(plan(formats(&["module"])).optimize.level, Level::Oz);
    assert_eq!(plan(formats(&["container", "module"])).optimize.level, Level::O1);
    let off = Settings { optimize: Some(Level::Off), ..formats(&["module"]) };
    assert_eq!(plan(off).optimize.level, Level::Off);
}

#[test]
fn a_plan_can_leave_out_native_programs() {
    let left = |names: &[&str]| {
        let mut plan = plan(formats(names));
        (plan.leave_out_native_programs(), plan.formats)
    };
    assert_eq!(
        left(&["standalone", "artifact"]),
        (true, vec![Format::Universal, Format::Artifact])
    );
    assert_eq!(left(&["universal", "standalone"]), (true, vec![Format::Universal]));
    assert_eq!(left(&["module"]), (false, vec![Format::Module]));
}

#[test]
fn formats_are_chosen_for_an_audience() {
    let of = |names: &[&str]| Settings {
        engines: Some(names.iter().map(|name| name.parse().unwrap()).collect()),
        ..Settings::default()
    };
    assert_eq!(plan(of(&["docker", "podman"])).formats, [Format::Standalone]);
    assert_eq!(plan(of(&["wkg", "docker"])).formats, [Format::Standalone, Format::Artifact]);
    let both = Settings { format: formats(&["module"]).format, ..of(&["wkg"]) };
    let error = Plan::resolve("app", &both).unwrap_err().to_string();
    assert!(error.contains("`for`") && error.contains("`format`"), "{error}");
}

#[test]
fn only_the_first_format_takes_the_tags() {
    let plan = plan(Settings {
        tags: Some(vec!["1".parse().unwrap(), "1.2".parse().unwrap()]),
        ..formats(&["universal", "artifact"])
    });
    let tags =
        |format| plan.tags_of(format).unwrap().iter().map(Tag::to_string).collect::<Vec<_>>();
    assert_eq!(tags(Format::Universal), ["1", "1.2"]);
    assert_eq!(tags(Format::Artifact), ["1-artifact", "1.2-artifact"]);
}

#[test]
fn a_tag_may_be_a_whole_reference() {
    let tags = |tags: &[&str], repository: Option<&str>| {
        let tags = Some(tags.iter().map(|tag| tag.parse().unwrap()).collect());
        Plan::resolve(
            "app",
            &Settings { tags, repository: repository.map(str::to_owned), ..Settings::default() },
        )
    };
    let plan = tags(&["1", "ghcr.io/a/app:2", "ghcr.io/a/app"], None).unwrap();
    assert_eq!(plan.tags.iter().map(Tag::as_str).collect::<Vec<_>>(), ["1", "2", "latest"]);
    assert_eq!(plan.repository.unwrap().name(), "ghcr.io/a/app");
    let plan = tags(&[], Some("ghcr.io/a/app:3")).unwrap();
    assert_eq!(plan.tags.iter().map(Tag::as_str).collect::<Vec<_>>(), ["3"]);
    assert!(tags(&["ghcr.io/a/app:2"], Some("ghcr.io/b/app")).is_err());
    let plan = tags(&["1"], Some("ghcr.io/a/{bin}")).unwrap();
    assert_eq!(plan.repository.unwrap().name(), "ghcr.io/a/app");
}

#[test]
fn a_fingerprint_sees_every_input() {
    let base = plan(Settings::default()).fingerprint(Digest::of(b"module"));
    assert_eq!(plan(Settings::default()).fingerprint(Digest::of(b"module")), base);
    assert_ne!(plan(Settings::default()).fingerprint(Digest::of(b"other")), base);
    assert_ne!(
        plan(Settings { user: Some("1".into()), ..Settings::default() })
            .fingerprint(Digest::of(b"module")),
        base
    );
    let budget = Budget { module: Some(1000), image: None };
    let size_budget = Settings { size_budget: budget, ..Settings::default() };
    assert_eq!(plan(size_budget).fingerprint(Digest::of(b"module")), base);
    let with = |content: &'static [u8]| {
        let mut plan = plan(Settings::default());
        plan.image.include = vec![IncludedFile::new("a", content).unwrap()];
        plan.fingerprint(Digest::of(b"module"))
    };
    assert_ne!(with(b"1"), base);
    assert_ne!(with(b"1"), with(b"2"));
}

#[test]
fn nonsense_is_named() {
    let repository = Some("https://x".to_owned());
    let error = Plan::resolve("app", &Settings { repository, ..Settings::default() });
    let error = error.unwrap_err().to_string();
    assert!(error.contains("`repository`") && error.contains("`https://x`"), "{error}");
}
