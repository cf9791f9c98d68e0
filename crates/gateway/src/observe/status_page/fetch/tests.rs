use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use super::super::samples::{NATIVE, SHIM, WELL};
use super::super::{Condition, Indicator};
use super::*;

/// A page on this machine that gives each connection the next of `answers`, and what it was asked.
fn page(answers: Vec<Vec<u8>>) -> (String, Receiver<String>) {
    serving(answers, |mut socket, answer| {
        // Whoever has heard enough may leave.
        let _ = socket.write_all(&answer);
    })
}

fn serving(answers: Vec<Vec<u8>>, answer: impl Fn(TcpStream, Vec<u8>) + Send + 'static) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (heard, asked) = channel();
    thread::spawn(move || {
        for next in answers {
            let (mut socket, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                socket.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            let _ = heard.send(String::from_utf8(head).unwrap());
            answer(socket, next);
        }
    });
    (format!("http://{address}"), asked)
}

fn json(body: &str) -> Vec<u8> {
    with("200 OK", "content-type: application/json; charset=utf-8\r\n", body)
}

fn with(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn site(url: &str) -> Site {
    let mut settings = Upstream::at("page", url.parse().unwrap());
    let key = HeaderValue::from_static("Bearer sk-canary");
    settings.keys.push(seawall::Key::new(header::AUTHORIZATION, key));
    Site::new(&settings).unwrap()
}

async fn trouble(answers: Vec<Vec<u8>>) -> Trouble {
    let (url, _asked) = page(answers);
    site(&url).look(Memory::default()).await.1.unwrap_err()
}

/// The first line of each request that was heard.
fn lines(asked: &Receiver<String>) -> Vec<String> {
    asked.try_iter().map(|head| head.lines().next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_page_is_asked_plainly_and_without_a_credential() {
    let (url, asked) = page(vec![json(SHIM)]);
    let said = site(&url).look(Memory::default()).await.1.unwrap();
    assert_eq!(said.worst(), Some(Condition::Degraded));
    let head = asked.recv().unwrap();
    assert!(head.starts_with("GET /api/v2/summary.json HTTP/1.1\r\n"), "{head}");
    assert!(
        head.contains("accept: application/json\r\n") && head.contains(&format!("host: {}\r\n", &url[7..])),
        "{head}"
    );
    assert!(!head.to_ascii_lowercase().contains("authorization") && !head.contains("canary"), "{head}");
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again() {
    let tagged = with("200 OK", "content-type: application/json\r\netag: W/\"7\"\r\n", SHIM);
    let (url, asked) =
        page(vec![tagged, with("304 Not Modified", "", ""), json(WELL), with("304 Not Modified", "", "")]);
    let site = site(&url);
    let (memory, first) = site.look(Memory::default()).await;
    assert!(!asked.recv().unwrap().contains("if-none-match"));
    let (memory, second) = site.look(memory).await;
    assert!(asked.recv().unwrap().contains("if-none-match: W/\"7\"\r\n"));
    assert!(Arc::ptr_eq(&first.unwrap(), &second.unwrap()));
    let (_, third) = site.look(memory).await;
    assert_eq!(third.unwrap().indicator, Some(Indicator::None));
    let (_, unasked) = site.look(Memory::default()).await;
    assert_eq!(unasked, Err(Trouble::Status(304)), "nothing is known that could still hold");
}

#[tokio::test]
async fn a_page_that_has_changed_its_form_is_asked_in_the_other_and_that_is_remembered() {
    let gone = || with("404 Not Found", "", "");
    let html = || with("200 OK", "content-type: text/html\r\n", "<!doctype html>");
    let (url, asked) = page(vec![gone(), json(NATIVE), json(NATIVE), html(), json(SHIM)]);
    let site = site(&url);
    let (memory, said) = site.look(Memory::default()).await;
    assert!(said.is_ok());
    assert_eq!(lines(&asked), ["GET /api/v2/summary.json HTTP/1.1", "GET /proxy/127.0.0.1 HTTP/1.1"]);
    let (memory, said) = site.look(memory).await;
    assert!(said.is_ok());
    assert_eq!(lines(&asked), ["GET /proxy/127.0.0.1 HTTP/1.1"]);
    let (_, said) = site.look(memory).await;
    assert!(said.is_ok());
    assert_eq!(lines(&asked), ["GET /proxy/127.0.0.1 HTTP/1.1", "GET /api/v2/summary.json HTTP/1.1"]);
}

#[tokio::test]
async fn an_address_of_a_document_is_asked_as_it_is_and_one_with_a_path_below_it() {
    let (url, asked) = page(vec![json(SHIM), json(SHIM)]);
    assert!(site(&format!("{url}/mirror/openai.json")).look(Memory::default()).await.1.is_ok());
    assert!(site(&format!("{url}/mirror")).look(Memory::default()).await.1.is_ok());
    assert_eq!(lines(&asked), ["GET /mirror/openai.json HTTP/1.1", "GET /mirror/api/v2/summary.json HTTP/1.1"]);
}

#[tokio::test]
async fn a_redirect_is_told_and_not_followed() {
    let (elsewhere, followed) = page(vec![json(SHIM)]);
    let moved = with("301 Moved Permanently", &format!("location: {elsewhere}/api/v2/summary.json\r\n"), "");
    assert_eq!(trouble(vec![moved]).await, Trouble::Moved(301, Some("127.0.0.1".into())));
    assert!(followed.try_recv().is_err());
    let odd = with("302 Found", "location: \x1b[2J\r\n", "");
    assert!(!trouble(vec![odd]).await.to_string().contains('\x1b'));
    assert_eq!(trouble(vec![with("308 Permanent Redirect", "location: /x\r\n", "")]).await, Trouble::Moved(308, None));
}

#[tokio::test]
async fn what_is_no_document_is_told_for_what_it_is() {
    let html = || with("200 OK", "content-type: text/html; charset=utf-8\r\n", "<!doctype html>");
    assert_eq!(trouble(vec![html(), html()]).await, Trouble::NotJson);
    let lying = || json("<!doctype html><title>{}</title>");
    assert_eq!(trouble(vec![lying(), lying()]).await, Trouble::NotJson);
    assert_eq!(trouble(vec![json("{}"), json("{}")]).await, Trouble::OtherShape);
    assert_eq!(trouble(vec![with("503 Service Unavailable", "", "")]).await, Trouble::Status(503));
    let squeezed = with("200 OK", "content-type: application/json\r\ncontent-encoding: br\r\n", "\x0b");
    assert_eq!(trouble(vec![squeezed]).await, Trouble::Compressed);
    let cut = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 90\r\n\r\n{".to_vec();
    assert!(matches!(trouble(vec![cut]).await, Trouble::Broken(_)));
    assert!(matches!(trouble(vec![b"hello\r\n\r\n".to_vec()]).await, Trouble::Broken(_)));
    let unnamed = with("200 OK", "", WELL);
    let (url, _asked) = page(vec![unnamed]);
    assert!(site(&url).look(Memory::default()).await.1.is_ok(), "without a content-type the first byte counts");
}

#[tokio::test]
async fn two_megabytes_are_read_and_no_more() {
    let filled = |bytes: usize| format!("{WELL}{}", " ".repeat(bytes - WELL.len()));
    let (url, _asked) = page(vec![json(&filled(BODY_BYTES_MAX)), json(&filled(BODY_BYTES_MAX + 1))]);
    let site = site(&url);
    assert!(site.look(Memory::default()).await.1.is_ok());
    assert_eq!(site.look(Memory::default()).await.1, Err(Trouble::TooLarge));
}

#[tokio::test]
async fn a_page_that_hangs_or_drips_is_given_up() {
    let hurried = |url: &str| Site { answer_within: Duration::from_millis(150), ..site(url) };
    let (url, asked) = serving(vec![Vec::new()], |mut socket, _| {
        let _ = socket.read(&mut [0]);
    });
    assert_eq!(hurried(&url).look(Memory::default()).await.1, Err(Trouble::Late));
    assert!(lines(&asked).len() <= 1, "one that is late is not asked in its other form");
    let (url, _asked) = serving(vec![json(SHIM)], |mut socket, answer| {
        for byte in answer {
            thread::sleep(Duration::from_millis(10));
            if socket.write_all(&[byte]).is_err() {
                return;
            }
        }
    });
    assert_eq!(hurried(&url).look(Memory::default()).await.1, Err(Trouble::Late));
}

#[tokio::test]
async fn a_page_that_is_not_there_says_why() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let trouble = site(&format!("http://{closed}")).look(Memory::default()).await.1.unwrap_err();
    assert!(matches!(&trouble, Trouble::Connect(why) if why.contains("refused")), "{trouble}");
}
