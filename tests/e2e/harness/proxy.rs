//! A layer between us and a real registry that does what networks and registries do at their worst.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// The longest that a stalled connection is kept open.
const STALLED: Duration = Duration::from_secs(60);

/// The fate of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It goes to the registry, and the answer comes back.
    None,
    /// It is answered with a status and headers, and never gets to the registry.
    Answer(u16, Vec<(&'static str, String)>),
    /// The connection breaks after so many bytes of its body, which don't get to the registry.
    Break(usize),
    /// The registry does it, and the connection breaks before its answer comes.
    LoseAnswer,
    /// The registry does it, and something else is answered.
    Deny(u16),
    /// Nothing happens any more.
    Stall,
    /// The registry does it, and a header of the answer is missing or another.
    Header(&'static str, Option<String>),
    /// The answer's body ends after so many bytes.
    Truncate(usize),
}

/// A request, as faults are chosen by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// GET, PUT and so on.
    pub(crate) method: String,
    /// Path and query.
    pub(crate) path: String,
    /// All of the head.
    pub(crate) head: String,
}

impl Request {
    /// Returns true if the request has this method, and its path contains this text.
    pub(crate) fn is(&self, method: &str, part: &str) -> bool {
        self.method == method && self.path.contains(part)
    }
}

type Choose = dyn Fn(&Request) -> Fault + Send + Sync;

/// A proxy in front of a registry on this machine. It lives as long as the test's process.
pub(crate) struct Proxy {
    host: String,
    seen: Arc<Mutex<Vec<Request>>>,
    choose: Arc<Mutex<Arc<Choose>>>,
    under_way: Arc<AtomicUsize>,
}

impl Proxy {
    /// One before the registry at `host`, without a fault.
    pub(crate) fn before(host: &str) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let choose: Arc<Mutex<Arc<Choose>>> =
            Arc::new(Mutex::new(Arc::new(|_: &Request| Fault::None)));
        let own = listener.local_addr().expect("it is bound").to_string();
        let (upstream, requests, faults) =
            (host.to_owned(), Arc::clone(&seen), Arc::clone(&choose));
        let under_way = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&under_way);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (upstream, requests, faults) =
                    (upstream.clone(), Arc::clone(&requests), Arc::clone(&faults));
                let count = Arc::clone(&count);
                count.fetch_add(1, Ordering::SeqCst);
                // A client that goes away is what it is about.
                thread::spawn(move || {
                    serve(stream, &upstream, &requests, &faults).ok();
                    count.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Proxy { host: own, seen, choose, under_way }
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Chooses the fault of each request from now on.
    pub(crate) fn set(&self, choose: impl Fn(&Request) -> Fault + Send + Sync + 'static) {
        *self.choose.lock().expect("no test panics in it") = Arc::new(choose);
    }

    /// The first `times` requests that `chosen` is true of have the fault.
    pub(crate) fn set_times(
        &self,
        times: usize,
        fault: Fault,
        chosen: impl Fn(&Request) -> bool + Send + Sync + 'static,
    ) {
        let left = Mutex::new(times);
        self.set(move |request| {
            let mut left = left.lock().expect("no test panics in it");
            if *left == 0 || !chosen(request) {
                return Fault::None;
            }
            *left -= 1;
            fault.clone()
        });
    }

    /// Waits until nothing is under way any more.
    pub(crate) fn settle(&self) {
        while self.under_way.load(Ordering::SeqCst) > 0 {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// The requests since the last time it was asked.
    pub(crate) fn take_requests(&self) -> Vec<Request> {
        std::mem::take(&mut *self.seen.lock().expect("no test panics in it"))
    }
}

/// One request: every connection has one, so that it can end anywhere.
fn serve(
    client: TcpStream,
    upstream: &str,
    seen: &Mutex<Vec<Request>>,
    choose: &Mutex<Arc<Choose>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let Some(head) = read_head(&mut reader)? else { return Ok(()) };
    let mut words = head.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let request = Request { method: method.to_owned(), path: path.to_owned(), head: head.clone() };
    seen.lock().expect("no test panics in it").push(request.clone());
    let choose = Arc::clone(&choose.lock().expect("no test panics in it"));
    let fault = choose(&request);
    let length =
        header(&head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    match fault {
        Fault::Break(at) => {
            std::io::copy(&mut reader.take(length.min(at as u64)), &mut std::io::sink())?;
            return Ok(());
        }
        Fault::Stall => {
            // Until the client goes away.
            client.set_read_timeout(Some(STALLED))?;
            std::io::copy(&mut reader, &mut std::io::sink()).ok();
            return Ok(());
        }
        Fault::Answer(status, headers) => {
            std::io::copy(&mut reader.take(length), &mut std::io::sink())?;
            return answer(client, status, &headers);
        }
        _ => {}
    }
    let mut server = TcpStream::connect(upstream)?;
    server.write_all(with_header(&head, "Connection", Some("close")).as_bytes())?;
    std::io::copy(&mut reader.take(length), &mut server)?;
    let mut back = BufReader::new(server);
    let Some(mut head) = read_head(&mut back)? else { return Ok(()) };
    head = with_header(&head, "Connection", Some("close"));
    match fault {
        Fault::LoseAnswer => Ok(()),
        Fault::Deny(status) => answer(client, status, &[]),
        Fault::Header(name, value) => {
            head = with_header(&head, name, value.as_deref());
            send(client, &head, &mut back, u64::MAX)
        }
        Fault::Truncate(at) => send(client, &head, &mut back, at as u64),
        _ => send(client, &head, &mut back, u64::MAX),
    }
}

fn send(
    mut client: TcpStream,
    head: &str,
    body: &mut impl Read,
    limit: u64,
) -> std::io::Result<()> {
    client.write_all(head.as_bytes())?;
    std::io::copy(&mut body.take(limit), &mut client).map(drop)
}

fn answer(mut client: TcpStream, status: u16, headers: &[(&str, String)]) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {status} Fault\r\nContent-Length: 0\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    client.write_all(format!("{head}\r\n").as_bytes())
}

/// The head of a request or answer; `None` when the other side has gone before its end.
pub(crate) fn read_head(reader: &mut impl BufRead) -> std::io::Result<Option<String>> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(None);
        }
    }
    Ok(Some(head))
}

/// The value of a header, by its name in lower case.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// The head with this header, or without it.
fn with_header(head: &str, name: &str, value: Option<&str>) -> String {
    let is_it = |line: &&str| {
        line.split_once(':').is_some_and(|(found, _)| found.eq_ignore_ascii_case(name))
    };
    let mut lines: Vec<&str> = head.trim_end().split("\r\n").filter(|line| !is_it(line)).collect();
    let added = value.map(|value| format!("{name}: {value}"));
    lines.extend(added.as_deref());
    format!("{}\r\n\r\n", lines.join("\r\n"))
}
