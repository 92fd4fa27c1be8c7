//! A connection to PostgreSQL: login, and queries as text. It only uses `std`: under WASI 0.2, `TcpStream` uses
//! `wasi:sockets`, if the runtime gives sockets to the program.

use std::env;
use std::io::{self, Read, Write};
use std::net::TcpStream;

use bytes::BytesMut;
use fallible_iterator::FallibleIterator;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::{backend::Message, frontend};

/// A connection after login.
pub struct Database {
    stream: TcpStream,
    received: BytesMut,
}

/// The columns of a row, as text.
pub type Row = Vec<Option<String>>;

impl Database {
    /// Connects to `PGHOST` and `PGPORT`, as `PGUSER` with `PGPASSWORD`, to the database `PGDATABASE`.
    pub fn connect() -> io::Result<Database> {
        let variable = |name: &str, default: &str| env::var(name).unwrap_or_else(|_| default.to_owned());
        let port = variable("PGPORT", "5432");
        let port: u16 = port.parse().map_err(|_| io::Error::other(format!("PGPORT is no port: {port}")))?;
        let (user, password) = (variable("PGUSER", "postgres"), variable("PGPASSWORD", ""));
        let stream = TcpStream::connect((variable("PGHOST", "127.0.0.1"), port))?;
        let mut database = Database { stream, received: BytesMut::new() };
        database.log_in(&user, &variable("PGDATABASE", &user), &password)?;
        Ok(database)
    }

    /// Runs SQL, which may be several statements, and returns the rows of the last one that has any.
    pub fn query(&mut self, sql: &str) -> io::Result<Vec<Row>> {
        self.send(|buffer| frontend::query(sql, buffer))?;
        let mut rows = Vec::new();
        loop {
            match self.receive()? {
                Message::RowDescription(_) => rows.clear(),
                Message::DataRow(row) => {
                    let text = |range: std::ops::Range<usize>| {
                        String::from_utf8_lossy(&row.buffer()[range]).into_owned()
                    };
                    rows.push(row.ranges().map(|range| Ok(range.map(text))).collect()?);
                }
                Message::ReadyForQuery(_) => return Ok(rows),
                _ => {}
            }
        }
    }

    fn log_in(&mut self, user: &str, database: &str, password: &str) -> io::Result<()> {
        self.send(|buffer| frontend::startup_message([("user", user), ("database", database)], buffer))?;
        let mut scram = None;
        loop {
            match self.receive()? {
                Message::AuthenticationCleartextPassword => {
                    self.send(|buffer| frontend::password_message(password.as_bytes(), buffer))?;
                }
                // Without TLS, there is no channel to bind to.
                Message::AuthenticationSasl(_) => {
                    let login = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
                    self.send(|buffer| {
                        frontend::sasl_initial_response(SCRAM_SHA_256, login.message(), buffer)
                    })?;
                    scram = Some(login);
                }
                Message::AuthenticationSaslContinue(body) => {
                    let login = scram.as_mut().ok_or_else(unexpected)?;
                    login.update(body.data())?;
                    let answer = login.message().to_vec();
                    self.send(|buffer| frontend::sasl_response(&answer, buffer))?;
                }
                Message::AuthenticationSaslFinal(body) => {
                    scram.as_mut().ok_or_else(unexpected)?.finish(body.data())?;
                }
                Message::AuthenticationMd5Password(_) => {
                    return Err(io::Error::other("the server wants a password in MD5, which is not safe"));
                }
                Message::ReadyForQuery(_) => return Ok(()),
                _ => {}
            }
        }
    }

    fn send(&mut self, write: impl FnOnce(&mut BytesMut) -> io::Result<()>) -> io::Result<()> {
        let mut buffer = BytesMut::new();
        write(&mut buffer)?;
        self.stream.write_all(&buffer)
    }

    /// Reads the next message. An error message of the server becomes an error.
    fn receive(&mut self) -> io::Result<Message> {
        loop {
            match Message::parse(&mut self.received)? {
                Some(Message::ErrorResponse(error)) => {
                    let message = error.fields().find(|field| Ok(field.type_() == b'M'))?;
                    let text = message.map(|field| String::from_utf8_lossy(field.value_bytes()).into_owned());
                    return Err(io::Error::other(text.unwrap_or_else(|| "an error without words".to_owned())));
                }
                Some(message) => return Ok(message),
                None => {
                    let mut bytes = [0; 4096];
                    let count = self.stream.read(&mut bytes)?;
                    if count == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                    self.received.extend_from_slice(&bytes[..count]);
                }
            }
        }
    }
}

fn unexpected() -> io::Error {
    io::Error::other("the server goes on with a login that hasn't begun")
}
