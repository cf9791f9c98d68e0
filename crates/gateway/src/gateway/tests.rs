mod api;

use std::io::{Read, Write};
use std::net::{TcpListener as Listener, TcpStream};
use std::path::Path;

use seawall_core::incident::What;

use super::*;
use crate::config::{Environment, Overrides, from_text};
use crate::observe::alert::samples::full as sample;
use crate::observe::journal;
use crate::observe::status_page::samples::SHIM;

/// What the admin side says at `path`.
fn ask(admin: SocketAddr, path: &str) -> String {
    let mut socket = TcpStream::connect(admin).unwrap();
    write!(socket, "GET {path} HTTP/1.1\r\nhost: {admin}\r\nconnection: close\r\n\r\n").unwrap();
    let mut said = String::new();
    socket.read_to_string(&mut said).unwrap();
    said
}

fn serve_page(page: &Listener) {
    let (mut socket, _) = page.accept().unwrap();
    let mut head = [0; 1024];
    let _ = socket.read(&mut head).unwrap();
    let kind = "content-type: application/json";
    write!(socket, "HTTP/1.1 200 OK\r\n{kind}\r\ncontent-length: {}\r\n\r\n{SHIM}", SHIM.len()).unwrap();
}

fn started(poll: &str, page: &Listener) -> Gateway {
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\ndrain = \"0s\"\n[status_page]\npoll = \"{poll}\"\n\
         [[upstream]]\nname = \"up\"\nbase_url = \"http://127.0.0.1:9\"\nstatus_page = \"http://{}\"\n",
        page.local_addr().unwrap()
    );
    let overrides = Overrides { data_dir: Some("/nowhere".into()), ..Overrides::default() };
    let config = from_text(None, &text, &overrides, &Environment::empty()).map_err(|p| p.render(false)).unwrap();
    let journal = Journal::ring_only(Path::new("/nowhere/journal.db"), journal::Settings::default());
    Gateway::start(&config, journal).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_page_says_is_told_on_the_admin_side() {
    let page = Listener::bind("127.0.0.1:0").unwrap();
    let gateway = started("always", &page);
    let admin = gateway.admin;
    let (status, metrics) = tokio::task::spawn_blocking(move || {
        assert!(ask(admin, "/metrics").contains("seawall_status_page{upstream=\"up\",indicator=\"unknown\"} 1"));
        serve_page(&page);
        let said =
            (0..1_000).map(|_| ask(admin, "/api/v1/status")).find(|said| said.contains("\"indicator\":\"minor\""));
        (said.expect("what was read is posted"), ask(admin, "/metrics"))
    })
    .await
    .unwrap();
    assert!(status.contains("content-type: application/json"), "{status}");
    assert!(status.contains("\"watched\":true") && status.contains("Elevated error rates"), "{status}");
    assert!(metrics.contains("seawall_status_page{upstream=\"up\",indicator=\"minor\"} 1"));
    gateway.stop(async {}).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_off_is_neither_asked_nor_counted() {
    let page = Listener::bind("127.0.0.1:0").unwrap();
    let gateway = started("off", &page);
    assert_eq!(gateway.pollers.len(), 2, "incidents alone are looked at and told");
    let admin = gateway.admin;
    let (status, metrics) =
        tokio::task::spawn_blocking(move || (ask(admin, "/api/v1/status"), ask(admin, "/metrics"))).await.unwrap();
    assert!(status.contains("{\"breakers\":[],\"page\":null,\"upstream\":\"up\",\"watched\":false}"), "{status}");
    assert!(!metrics.contains("seawall_status_page{"));
    gateway.stop(async {}).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_receiver_is_delivered_before_the_end() {
    let receiver = Listener::bind("127.0.0.1:0").unwrap();
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\ndrain = \"0s\"\n[[upstream]]\nname = \"up\"\n\
         base_url = \"http://127.0.0.1:9\"\nstatus_page = \"off\"\n[[alert]]\nkind = \"alertmanager\"\nname = \"on-call\"\n\
         url = \"http://{}\"\n",
        receiver.local_addr().unwrap()
    );
    let overrides = Overrides { data_dir: Some("/nowhere".into()), ..Overrides::default() };
    let config = from_text(None, &text, &overrides, &Environment::empty()).map_err(|p| p.render(false)).unwrap();
    let journal = Journal::ring_only(Path::new("/nowhere/journal.db"), journal::Settings::default());
    let gateway = Gateway::start(&config, journal).unwrap();
    let (admin, server) = (gateway.admin, Arc::clone(&gateway.server));
    let metrics = tokio::task::spawn_blocking(move || ask(admin, "/metrics")).await.unwrap();
    assert!(metrics.contains("seawall_alerts_total{sink=\"on-call\",result=\"sent\"} 0"), "{metrics}");

    let heard = std::thread::spawn(move || {
        let (mut socket, _) = receiver.accept().unwrap();
        let mut head = [0; 16];
        socket.read_exact(&mut head).unwrap();
        write!(socket, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
        // To the end, or what was not read would reset the connection under the answer.
        let _ = socket.read_to_end(&mut Vec::new());
        head
    });
    server.observe.alerts.tell(sample(What::Opened));
    gateway.stop(async {}).await;
    assert_eq!(&heard.join().unwrap(), b"POST /api/v2/ale");
    let state = &server.observe.alerts.states()[0];
    assert_eq!((state.sink.as_str(), state.sent, state.queued), ("on-call", 1, 0));
}
