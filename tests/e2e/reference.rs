//! Pages of the documentation that list all commands with their arguments, made of what parses them.

use std::fmt::Write;

use clap::{Arg, Command};

/// All subcommands of a command.
pub(crate) fn commands_page(command: &Command) -> String {
    let name = full_name(command);
    let mut page = format!("# {name}\n\n{}\n", about(command));
    let mut commands = Vec::new();
    collect(command, &mut commands);
    let (everywhere, own): (Vec<&Arg>, Vec<&Arg>) =
        arguments(command).partition(|arg| arg.is_global_set());
    let _ = write!(page, "\nEverywhere:\n\n{}", table(everywhere));
    if !own.is_empty() {
        let _ = write!(page, "\nBy itself:\n\n{}", table(own));
    }
    for command in commands {
        page += &section(command);
    }
    page
}

/// The subcommands that can be run, those of a command before the next one.
fn collect<'a>(command: &'a Command, into: &mut Vec<&'a Command>) {
    for subcommand in
        command.get_subcommands().filter(|it| !it.is_hide_set() && it.get_name() != "help")
    {
        match subcommand.has_subcommands() {
            true => collect(subcommand, into),
            false => into.push(subcommand),
        }
    }
}

fn section(command: &Command) -> String {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    let mut text =
        format!("\n## {}\n\n{}\n\n```text\n{usage}\n```\n", full_name(command), about(command));
    let own: Vec<&Arg> = arguments(command).filter(|arg| !arg.is_global_set()).collect();
    let mut headings: Vec<Option<&str>> = own.iter().map(|arg| heading(arg)).collect();
    headings.dedup();
    let mut seen = Vec::new();
    for heading_ in headings {
        if seen.contains(&heading_) {
            continue;
        }
        seen.push(heading_);
        let of_heading: Vec<&Arg> =
            own.iter().copied().filter(|arg| heading(arg) == heading_).collect();
        if let Some(heading) = heading_ {
            let _ = write!(text, "\n{heading}:\n");
        }
        let _ = write!(text, "\n{}", table(of_heading));
    }
    text
}

fn full_name(command: &Command) -> String {
    command.get_bin_name().unwrap_or_else(|| command.get_name()).to_owned()
}

fn about(command: &Command) -> String {
    command
        .get_long_about()
        .or_else(|| command.get_about())
        .map(ToString::to_string)
        .unwrap_or_default()
}

fn arguments(command: &Command) -> impl Iterator<Item = &Arg> {
    let shown =
        |arg: &&Arg| !arg.is_hide_set() && !["help", "version"].contains(&arg.get_id().as_str());
    command.get_arguments().filter(shown)
}

fn heading(arg: &Arg) -> Option<&str> {
    match arg.is_positional() {
        true => None,
        false => arg.get_help_heading(),
    }
}

fn table(args: Vec<&Arg>) -> String {
    let rows = args.into_iter().map(|arg| format!("| `{}` | {} |\n", spelling(arg), meaning(arg)));
    format!("| argument | meaning |\n|---|---|\n{}", rows.collect::<String>())
}

/// `-t, --tag <TAG>`, as help has it.
fn spelling(arg: &Arg) -> String {
    let long = arg.get_long().map(|long| format!("--{long}"));
    let flag = arg.get_short().map(|short| format!("-{short}")).into_iter().chain(long);
    let flag = flag.collect::<Vec<_>>().join(", ");
    // clap writes the values, and what separates them from a long flag.
    let shown = arg.to_string();
    let value = shown.find(['<', '[', '=', ' ']).filter(|_| arg.get_action().takes_values());
    let value = value.map_or("", |at| &shown[at..]);
    format!("{flag}{value}").replace('|', "\\|")
}

fn meaning(arg: &Arg) -> String {
    let help =
        arg.get_long_help().or_else(|| arg.get_help()).map(ToString::to_string).unwrap_or_default();
    let mut text = help.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
    let values = arg.get_possible_values();
    let names: Vec<String> = values.iter().map(|value| format!("`{}`", value.get_name())).collect();
    if !names.is_empty() && arg.get_action().takes_values() && !arg.is_hide_possible_values_set() {
        let _ = write!(text, " ({})", names.join(", "));
    }
    let defaults: Vec<String> = arg
        .get_default_values()
        .iter()
        .map(|value| format!("`{}`", value.to_string_lossy()))
        .collect();
    if !defaults.is_empty() && arg.get_action().takes_values() && !arg.is_hide_default_value_set() {
        let _ = write!(text, " [default: {}]", defaults.join(", "));
    }
    text
}
