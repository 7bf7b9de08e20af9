use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::time::Duration;

use super::*;

fn loopback(last: u8) -> SocketAddr {
    SocketAddr::new(Ipv4Addr::new(127, 0, 0, last).into(), 0)
}

fn listening(address: SocketAddr) -> Result<TcpListener, NetError> {
    let socket = bind(address)?;
    listen(&socket, 8)?;
    Ok(socket)
}

#[test]
fn an_address_in_use_says_so() {
    let first = listening(loopback(1)).unwrap();
    let error = listening(first.local_addr().unwrap()).unwrap_err();
    assert!(error.to_string().contains("another program"), "{error}");
}

#[test]
fn a_foreign_address_says_so() {
    let error = bind("192.0.2.1:0".parse().unwrap()).unwrap_err();
    assert!(error.to_string().contains("no interface of this machine"), "{error}");
}

#[test]
fn link_local_needs_its_interface() {
    let address = "fe80::1".parse().unwrap();
    assert!(socket_address(address, 179, None).is_err());
    assert!(socket_address(address, 179, Some("no-such-if")).is_err());
    let with_scope = socket_address(address, 179, Some("lo")).unwrap();
    let SocketAddr::V6(v6) = with_scope else { panic!("{with_scope}") };
    assert_eq!(v6.scope_id(), interface_index("lo").unwrap());
    assert_eq!(interface_name(v6.scope_id()).unwrap(), "lo");
}

fn accept(listener: &TcpListener, within: Duration) -> Option<TcpStream> {
    let deadline = std::time::Instant::now() + within;
    while std::time::Instant::now() < deadline {
        if let Ok((stream, _)) = listener.accept() {
            return Some(stream);
        }
        std::thread::yield_now();
    }
    None
}

fn connect(peer: SocketAddr, protection: Protection<'_>) -> Socket {
    let stream = outgoing(Some(loopback(2)), peer, protection).unwrap();
    let socket = Socket::from(stream);
    let _ = socket.connect(&peer.into());
    socket
}

#[test]
fn gtsm_lets_octets_through_between_neighbours() {
    let listener = listening(loopback(1)).unwrap();
    set_listener_hops(&listener).unwrap();
    let peer = listener.local_addr().unwrap();
    let client = connect(peer, Protection { ttl_security: true, ..Protection::default() });
    let mut accepted = accept(&listener, Duration::from_secs(5)).unwrap();
    prepare_accepted(&accepted, true).unwrap();
    accepted.set_nonblocking(false).unwrap();
    client.set_nonblocking(false).unwrap();
    let mut client = TcpStream::from(client);
    client.write_all(b"x").unwrap();
    let mut octet = [0];
    accepted.read_exact(&mut octet).unwrap();
    assert_eq!(&octet, b"x");
    client.write_all(b"y").unwrap();
    accepted.peek(&mut octet).unwrap();
    assert!(has_unread_input(&accepted));
}

/// Kernels without CONFIG_TCP_MD5SIG cannot run the MD5 tests.
fn md5_works(listener: &TcpListener) -> bool {
    match set_listener_key(listener, loopback(2), Some(b"key")) {
        Ok(()) => true,
        Err(e) => {
            eprintln!("skipped: {e}");
            false
        }
    }
}

#[test]
fn md5_keys_come_change_and_go() {
    let listener = listening(loopback(1)).unwrap();
    if !md5_works(&listener) {
        return;
    }
    let peer = listener.local_addr().unwrap();
    let keyed = |key| Protection { md5_key: key, ..Protection::default() };

    let _right = connect(peer, keyed(Some(b"key")));
    assert!(accept(&listener, Duration::from_secs(5)).is_some());
    let _none = connect(peer, keyed(None));
    assert!(accept(&listener, Duration::from_millis(200)).is_none());

    set_listener_key(&listener, loopback(2), Some(b"changed")).unwrap();
    let _changed = connect(peer, keyed(Some(b"changed")));
    assert!(accept(&listener, Duration::from_secs(5)).is_some());

    set_listener_key(&listener, loopback(2), None).unwrap();
    set_listener_key(&listener, loopback(2), None).unwrap();
    let _open = connect(peer, keyed(None));
    assert!(accept(&listener, Duration::from_secs(5)).is_some());
    assert!(set_listener_key(&listener, loopback(2), Some(&[1; 81])).is_err());
}

#[test]
fn nobody_connects_before_the_keys_are_set() {
    let socket = bind(loopback(1)).unwrap();
    let peer = socket.local_addr().unwrap();
    let refused = std::net::TcpStream::connect(peer).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    if !md5_works(&socket) {
        return;
    }
    set_listener_hops(&socket).unwrap();
    listen(&socket, 8).unwrap();
    let _none = connect(peer, Protection::default());
    assert!(accept(&socket, Duration::from_millis(200)).is_none());
    let _right = connect(peer, Protection { md5_key: Some(b"key"), ..Protection::default() });
    assert!(accept(&socket, Duration::from_secs(5)).is_some());
}

/// Between two ends of our own where the kernel has it; else the error that says what would be
/// right.
#[test]
fn tcp_ao_keys_come_and_go_or_the_kernel_is_named() {
    let key = |text: &str, algorithm| TcpAo {
        send_id: 5,
        receive_id: 5,
        algorithm,
        key: Secret::new(text),
    };
    if let Err(error) = check_tcp_ao() {
        assert!(error.to_string().contains("Linux 6.7 or later with CONFIG_TCP_AO"), "{error}");
        let listener = listening(loopback(1)).unwrap();
        let refused = add_listener_ao(&listener, loopback(2), &key("key", AoAlgorithm::HmacSha1));
        assert!(refused.unwrap_err().to_string().contains("TCP-AO key for 127.0.0.2"));
        return;
    }
    for algorithm in [AoAlgorithm::HmacSha1, AoAlgorithm::Aes128Cmac] {
        let listener = listening(loopback(1)).unwrap();
        let peer = listener.local_addr().unwrap();
        let (right, wrong) = (key("key", algorithm), key("wrong", algorithm));
        add_listener_ao(&listener, loopback(2), &right).unwrap();
        let keyed = |ao| Protection { ao, ..Protection::default() };
        let _right = connect(peer, keyed(Some(&right)));
        assert!(accept(&listener, Duration::from_secs(5)).is_some());
        let _wrong = connect(peer, keyed(Some(&wrong)));
        assert!(accept(&listener, Duration::from_millis(200)).is_none());
        let _none = connect(peer, keyed(None));
        assert!(accept(&listener, Duration::from_millis(200)).is_none());
        remove_listener_ao(&listener, loopback(2), &right).unwrap();
        remove_listener_ao(&listener, loopback(2), &right).unwrap();
        let _open = connect(peer, keyed(None));
        assert!(accept(&listener, Duration::from_secs(5)).is_some());
    }
}

#[test]
fn tcp_notices_silence_where_it_is_asked_to() {
    let listener = listening(loopback(1)).unwrap();
    let address = listener.local_addr().unwrap();
    let ours = outgoing(None, address, Protection::default()).unwrap();
    let accepted = TcpStream::connect(address).unwrap();
    prepare_accepted(&accepted, false).unwrap();
    for stream in [&ours, &accepted] {
        let socket = SockRef::from(stream);
        assert!(!socket.keepalive().unwrap(), "that is BGP's");
        notice_silence(stream).unwrap();
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(60));
    }
}
