use super::*;

fn message(kind: u8, body: usize) -> Vec<u8> {
    let length = u16::try_from(19 + body).unwrap();
    let mut octets = vec![0xff; 16];
    octets.extend_from_slice(&length.to_be_bytes());
    octets.push(kind);
    octets.extend(std::iter::repeat_n(kind, body));
    octets
}

/// Splits what a peer would have read into (type, length).
fn parse(mut octets: &[u8]) -> Vec<(u8, usize)> {
    let mut found = Vec::new();
    while !octets.is_empty() {
        assert_eq!(&octets[..16], &[0xff; 16], "a message starts with its marker");
        let length = usize::from(u16::from_be_bytes([octets[16], octets[17]]));
        found.push((octets[18], length));
        octets = &octets[length..];
    }
    found
}

/// Takes `n` octets, then blocks.
fn take(queue: &mut SendQueue, n: usize, into: &mut Vec<u8>) {
    let mut room = n;
    let _ = queue
        .flush(|slices| {
            if room == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let mut taken = 0;
            for slice in slices {
                let n = slice.len().min(room);
                into.extend_from_slice(&slice[..n]);
                room -= n;
                taken += n;
            }
            Ok(taken)
        })
        .unwrap();
}

#[test]
fn a_keepalive_goes_between_whole_messages_wherever_the_write_stopped() {
    let batch = [message(2, 30), message(2, 0), message(2, 100)].concat();
    let second = message(2, 7);
    let total = batch.len() + second.len();
    for stop in 0..=total {
        let mut queue = SendQueue::default();
        queue.push(Bytes::from(batch.clone()));
        queue.push(Bytes::from(second.clone()));
        let mut seen = Vec::new();
        take(&mut queue, stop, &mut seen);
        queue.push_urgent(Bytes::from(message(4, 0)));
        take(&mut queue, 5, &mut seen);
        queue.push_urgent(Bytes::from(message(3, 2)));
        queue.push(Bytes::from(message(2, 1)));
        assert_eq!(queue.octets(), total + 19 + 21 + 20 - seen.len());
        take(&mut queue, usize::MAX, &mut seen);
        assert!(queue.is_empty());

        let messages = parse(&seen);
        let updates: Vec<usize> = messages.iter().filter(|m| m.0 == 2).map(|m| m.1).collect();
        assert_eq!(updates, [49, 19, 119, 26, 20], "stopped after {stop}");
        let mut end = 0;
        let position = messages.iter().position(|m| m.0 == 4).unwrap();
        for (_, length) in &messages[..position] {
            end += length;
        }
        assert!(end < stop + 119, "the keepalive waited for more than one message");
    }
}

#[test]
fn data_dropped_for_a_notification_leaves_the_half_written_message() {
    let mut queue = SendQueue::default();
    queue.push(Bytes::from([message(2, 30), message(2, 40)].concat()));
    queue.push(Bytes::from(message(2, 50)));
    let mut seen = Vec::new();
    take(&mut queue, 20, &mut seen);
    queue.drop_data();
    queue.push_urgent(Bytes::from(message(3, 2)));
    take(&mut queue, usize::MAX, &mut seen);
    assert_eq!(parse(&seen), [(2, 49), (3, 21)]);
}

#[test]
fn a_turn_writes_its_share_only() {
    let mut queue = SendQueue::default();
    let big = Bytes::from(message(2, 4000));
    for _ in 0..WRITE_TURN_OCTETS / 1000 {
        queue.push(big.clone());
    }
    let (flushed, written) =
        queue.flush(|slices| Ok(slices.iter().map(|s| s.len()).sum())).unwrap();
    assert_eq!(flushed, Flushed::More);
    assert!((WRITE_TURN_OCTETS..WRITE_TURN_OCTETS + WRITE_SLICES * 4019).contains(&written));
}
