//! Prints the number of visits in the database.

use std::io;
use std::process::ExitCode;

use database::Database;

fn main() -> ExitCode {
    match report() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: the database can't be asked: {error}");
            ExitCode::FAILURE
        }
    }
}

fn report() -> io::Result<()> {
    let mut database = Database::connect()?;
    let rows = database.query("SELECT to_regclass('visits') IS NOT NULL, current_setting('server_version')")?;
    let [Some(exists), Some(version)] = rows.first().map_or(&[][..], Vec::as_slice) else {
        return Err(io::Error::other("it gave no answer"));
    };
    println!("PostgreSQL {version}, asked from WebAssembly");
    let rows = if exists == "t" { database.query("SELECT count(*) FROM visits")? } else { Vec::new() };
    let count = rows.into_iter().flatten().flatten().next();
    println!("{} visits", count.as_deref().unwrap_or("0"));
    Ok(())
}
