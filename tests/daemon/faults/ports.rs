//! Ports that another program has.

use std::net::TcpListener;

use rs_tests::support::loopback::{ARRIVE, Exchange, Honest, asn, logged, measured};
use rs_tests::support::ports::free_ports;
use rs_tests::support::rs::{Config, RouteServer};
use rs_tests::support::wait::{ensure, eventually};
use tempfile::TempDir;

/// HTTP is for operators; members do not wait for it.
#[test]
fn an_http_port_that_is_taken_is_had_when_it_is_free() {
    let mut taken = None;
    let exchange = Exchange::with(&["", ""], |config| {
        taken = Some(TcpListener::bind(("127.0.0.1", config.http_port)).unwrap());
    });
    logged(&exchange, "HTTP: cannot listen, tried again every 5 s");
    let mut honest = Honest::new(&exchange);
    honest.serve("without HTTP");
    let status = exchange.server.ask(&["status"]).unwrap();
    let status = status.as_array().and_then(|list| list.first()).unwrap_or(&status);
    assert_eq!(status["http"]["listening"], false, "{status:#}");
    drop(taken);
    eventually("metrics are there", ARRIVE, || {
        let failures = exchange.metric("rs_socket_bind_failures_total", &["http"])?;
        ensure(failures >= 1.0, || format!("{failures}"))
    });
    measured(&exchange, "rs_socket_up", &["http"], |up| up == 1.0);
    logged(&exchange, "HTTP: listening");
    honest.serve("with HTTP");
}

/// A route server that does not listen is none: it says where, and ends.
#[test]
fn a_bgp_port_that_is_taken_is_an_error_at_start() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let mut config = Config::new(64500, &[address.to_string()]);
    config.http_port = 0;
    let (code, log) = RouteServer::refused(TempDir::new().unwrap(), &config);
    assert_eq!(code, Some(1), "{log}");
    let expected = format!("rs-daemon: route server rs1: cannot listen on {address}");
    assert!(log.contains(&expected) && log.contains("another program"), "{log}");
}

/// By a function of its own that it then has (net/ipv4/tcp_ao.c).
fn kernel_has_tcp_ao() -> bool {
    let symbols =
        std::fs::read_to_string("/proc/kallsyms").expect("the kernel names its functions");
    symbols.lines().any(|line| line.ends_with(" T tcp_ao_hash_skb"))
}

/// A key of TCP-AO where the kernel has none: it says what would be right, and ends. Where the kernel
/// has it, it starts.
#[test]
fn a_kernel_without_tcp_ao_is_named_at_start() {
    let [port] = free_ports();
    let mut config = Config::new(64500, &[format!("127.0.0.1:{port}")]);
    config.http_port = 0;
    let key = "tcp_ao = { send_id = 1, receive_id = 2, key = \"secret-key\" }";
    let config = config.member(asn(2), &["127.0.0.2".to_owned()], key);
    if kernel_has_tcp_ao() {
        RouteServer::start(&config);
        return;
    }
    let (code, log) = RouteServer::refused(TempDir::new().unwrap(), &config);
    assert_eq!(code, Some(1), "{log}");
    let said = log.lines().find(|line| line.starts_with("rs-daemon: ")).unwrap_or_default();
    for part in ["rs1", "TCP-AO", "Linux 6.7 or later with CONFIG_TCP_AO", "`password`, TCP MD5"] {
        assert!(said.contains(part), "{part}: {log}");
    }
    assert!(!log.contains("secret-key"), "{log}");
}

/// And at a reload the configuration of before stays.
#[test]
fn a_bgp_port_that_is_taken_is_an_error_of_the_reload() {
    let exchange = Exchange::new(&["", ""]);
    let mut honest = Honest::new(&exchange);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let both = [format!("127.0.0.1:{}", exchange.port), address.to_string()];
    let mut config = exchange.config.clone();
    config.set_listen(&both);
    exchange.server.write_config(&config);
    assert!(exchange.server.ask(&["reload"]).is_err());
    logged(&exchange, "reload failed, nothing changed");
    measured(&exchange, "rs_config_last_reload_success", &[], |value| value == 0.0);
    honest.serve("after a reload that was refused");
    drop(taken);
    exchange.server.act(&["reload"]);
    measured(&exchange, "rs_config_last_reload_success", &[], |value| value == 1.0);
    honest.serve("after it");
}
